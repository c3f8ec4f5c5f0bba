"""The files around the code agree with each other: lock, Makefile, profiles, rules, links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import lock

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.config.strict import Likelihood

ROOT = Path(__file__).parents[1]


def locked() -> dict[str, str]:
    lines = [line for line in lock.LOCK.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def test_the_lock_holds_exact_versions_and_nothing_of_one_site() -> None:
    for name, version in locked().items():
        assert name == canonicalize_name(name)
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), "no local version, no hash"
    assert "://" not in lock.LOCK.read_text()
    assert "density-bench" not in locked()


def test_the_lock_has_a_version_allowed_for_everything_declared() -> None:
    versions = locked()
    for text in lock.declared():
        requirement = Requirement(text)
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_declared_versions_are_bounded_below() -> None:
    for text in lock.declared():
        assert any(one.operator == ">=" for one in Requirement(text).specifier), text


def test_the_conda_environment_has_the_versions_of_the_lock() -> None:
    pins = [f"{name}=={version}" for name, version in locked().items()]
    assert lock.CONDA.read_text() == lock.conda_text(pins)
    assert yaml.safe_load(lock.CONDA.read_text())["dependencies"][-1]["pip"] == pins


def test_profiles_are_found_from_the_root() -> None:
    for name in ("local", "slurm"):
        assert (ROOT / name).is_symlink()
        assert (ROOT / name).readlink() == Path("profiles", name)
        assert (ROOT / name / "profile.yaml").is_file()


def test_all_profiles_let_existence_decide() -> None:
    read = {
        path.parent.name: yaml.safe_load(path.read_text())
        for path in (ROOT / "profiles").glob("*/profile.yaml")
    }
    assert read.keys() == {"default", "local", "slurm"}
    assert read["default"] == {
        "rerun-triggers": "mtime",
        "ignore-incomplete": True,
        "keep-incomplete": True,
        "nolock": True,
    }
    for name in ("local", "slurm"):
        assert read["default"].items() <= read[name].items()
        assert read[name]["keep-going"]


@pytest.mark.parametrize("rules", sorted((ROOT / "rules").glob("*.smk")), ids=lambda p: p.stem)
def test_rules_read_in_one_order_and_call_one_command(rules: Path) -> None:
    order = ["input", "output", "log", "conda", "threads", "resources", "params", "shell"]
    bodies = re.split(r"^rule (\w+):\n", rules.read_text(), flags=re.MULTILINE)[2::2]
    for body in bodies:
        keys = re.findall(r"^    (\w+):", body, flags=re.MULTILINE)
        assert keys == sorted(keys, key=order.index)
        if "shell" in keys:
            # With exec, a signal to the job finds the program and no shell that dies before it.
            (command,) = re.findall(r'"exec python -m workflow_src (\w+)', body)
            assert (ROOT / "workflow_src" / "commands" / f"{command}.py").is_file()
            assert "ancient(" in body or command == "fetch"


def test_every_name_in_a_path_is_one_that_the_workflow_matches() -> None:
    found = re.findall(
        r'^    (data_set|likelihood)=r"(.*)",$', (ROOT / "Snakefile").read_text(), re.M
    )
    patterns = dict(found)
    assert patterns.keys() == {"data_set", "likelihood"}
    for pattern, names in (
        (patterns["likelihood"], get_args(Likelihood)),
        (patterns["data_set"], DATA_SETS),
    ):
        assert all(re.fullmatch(pattern, name) for name in names)
        assert not re.fullmatch(pattern, "two-parts")


def test_every_target_of_make_is_explained_and_works_dry() -> None:
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)
    for target in set(phony.split()) - {"help", "env"}:
        assert f"make {target} " in text
        subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )


def test_links_of_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
