"""The files around the code agree with each other: lock, Makefile, profiles, rules, links."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import lock, screenshots
from support.markdown_pages import anchors, blocks, links, prose

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.config.strict import Likelihood

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "results").glob("*.md")),
]

# What the Citation File Format 1.2.0 says of the keys that are used here.
AUTHORS = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {
        "anyOf": [
            {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {
                    "family-names": {"type": "string"},
                    "given-names": {"type": "string"},
                },
                "minProperties": 1,
                "additionalProperties": False,
            },
        ]
    },
}
TEXT = {"type": "string", "minLength": 1}
LINK = {"type": "string", "pattern": "^(https|http|ftp|sftp)://.+"}
DOI = {"type": "string", "pattern": r"^10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-\.\(\)\[\]\\]+$"}
REFERENCE = {
    "type": "object",
    "properties": {
        "type": {"enum": ["article", "conference-paper"]},
        "title": TEXT,
        "authors": AUTHORS,
        "year": {"type": "integer"},
        "volume": {"type": ["integer", "string"]},
        "collection-title": TEXT,
        "conference": AUTHORS["items"]["anyOf"][0],
        "doi": DOI,
        "url": LINK,
    },
    "required": ["authors", "title", "type"],
    "additionalProperties": False,
}
CITATION_FILE = {
    "type": "object",
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "type": {"enum": ["dataset", "software"]},
        "title": TEXT,
        "abstract": TEXT,
        "message": TEXT,
        "version": {"type": ["string", "number"]},
        "license": TEXT,
        "authors": AUTHORS,
        "keywords": {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
        "references": {"type": "array", "items": REFERENCE, "minItems": 1},
    },
    "required": ["authors", "cff-version", "message", "title"],
    "additionalProperties": False,
}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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
    for page in PAGES:
        for _, link in links(page):
            if "://" in link:
                continue
            target, _, anchor = link.partition("#")
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name}: {link}"
            if anchor and path.suffix == ".md":
                assert anchor in anchors(path), f"{page.name}: {link}"


def test_every_document_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page.is_file() and page not in reached:
            reached.add(page)
            targets = [link.partition("#")[0] for _, link in links(page) if "://" not in link]
            paths = [(page.parent / target).resolve() for target in targets if target]
            waiting += [path / "README.md" if path.is_dir() else path for path in paths]
    lost = {page.relative_to(ROOT).as_posix() for page in PAGES} - {
        page.relative_to(ROOT).as_posix() for page in reached if page.is_relative_to(ROOT)
    }
    assert lost == set()


def test_every_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for _, link in links(page)}
    assert {path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()} <= shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cd /root/clone", "/root/clone"),
        ("made in /tmp/a, of no commit", "/tmp/a,, no commit"),
        ("DENSITY_BENCH_MIRROR='/home/me/data'", "/home/me/data"),
        ("file:///work/somebody/results", "/work/somebody/results"),
    ],
)
def test_a_page_that_shows_a_machine_or_lacks_a_commit_is_not_pictured(
    text: str, found: str
) -> None:
    with pytest.raises(screenshots.NotToBeShownError, match=re.escape(f"page shows {found};")):
        screenshots.refuse("page", text)


@pytest.mark.parametrize(
    "text",
    [
        "results/work/a",
        "https://example.org/home",
        "commit 1a2b3c",
        "work/tmp",
        "no commits beyond",
    ],
)
def test_other_pages_are_pictured(text: str) -> None:
    screenshots.refuse("page", text)


def test_no_document_knows_a_machine() -> None:
    for page in [*PAGES, ROOT / "CITATION.cff", ROOT / ".snakemake-workflow-catalog.yml"]:
        assert not re.search(r"/(root|tmp|work)/", page.read_text()), page


def test_the_citation_is_valid_and_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    jsonschema.validate(citation, CITATION_FILE)
    assert citation["version"] == project()["version"]
    assert citation["license"] == project()["license"]
    assert citation["title"] == project()["name"]


def test_the_citation_names_the_papers_of_all_studies() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    titles = {one["title"].lower() for one in citation["references"]}
    studies = (ROOT / "workflow_src" / "studies").glob("*.yaml")
    assert titles == {yaml.safe_load(study.read_text())["title"].lower() for study in studies}


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[([0-9.]+)\] - (unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert versions[0][0] == project()["version"]
    kinds = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def made(page: Path) -> set[str]:
    """Targets of make that a document names, in its blocks and in code within its lines."""
    inline = re.findall(r"`([^`]+)`", prose(page))
    lines = [line for block in blocks(page) for line in block.commands] + inline
    return {found for line in lines for found in re.findall(r"(?:^|&& )make ([a-z][a-z-]*)", line)}


def test_targets_of_make_that_documents_name_exist() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, flags=re.MULTILINE))
    assert {"env", "lint", "test", "architecture"} <= made(ROOT / "CONTRIBUTING.md")
    assert {"demo", "test", "help"} <= made(ROOT / "README.md")
    for page in PAGES:
        assert made(page) <= targets, page.name


def test_scripts_that_documents_name_exist() -> None:
    named = r"\bpython ((?:tests|benchmarks)/\S+\.py)"
    scripts = {found for page in PAGES for found in re.findall(named, page.read_text())}
    assert "tests/support/columns.py" in scripts
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


def test_what_the_workflow_catalogue_is_told_is_so() -> None:
    """Its standardised area is closed to a main file at the root, and the comment says that."""
    page = ROOT / ".snakemake-workflow-catalog.yml"
    shown = yaml.safe_load(page.read_text())
    head = page.read_text().split("usage:")[0]
    assert "generic" in head
    assert (ROOT / "Snakefile").is_file()
    assert not (ROOT / "workflow").exists()
    assert shown.keys() == {"usage"}
    usage = shown["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    words = usage["mandatory-flags"]["flags"].split()
    assert words == ["--profile", "local"]
    assert (ROOT / "profiles" / words[1]).is_dir()
    deployment = usage["software-stack-deployment"]
    assert deployment == {
        "conda": True,
        "apptainer": False,
        "apptainer+conda": False,
        "report": True,
    }
    # Every rule that runs something names the environment, and none a container.
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert rules.count(" conda:") == rules.count(" shell:") > 0
    assert "container" not in rules
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    keys = re.findall(r"^\| `(\w+)` \|", (ROOT / "config" / "README.md").read_text(), re.MULTILINE)
    assert set(keys) <= set(yaml.safe_load((ROOT / "config.yaml").read_text()))


def test_an_environment_that_lies_elsewhere_is_ignored_too(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".venv").symlink_to("elsewhere")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert subprocess.run(["git", "check-ignore", "--quiet", ".venv"], cwd=tmp_path).returncode == 0
