"""Releases, commits and results as they are now, of workflows that really ran."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats
from support.checkout import ROOT, Checkout
from support.markdown_pages import blocks

pytestmark = pytest.mark.workflow

COMPARE = "python -m workflow_src compare"
RELEASE = """
from pathlib import Path
from workflow_src.config.loading import load_layered
from workflow_src.release.releases import write_release
write_release("v1", load_layered([Path("config.yaml")]), root=Path())
"""
"""Without the audit that the command `release` makes before."""

COMMANDS = [line for block in blocks(ROOT / "docs" / "comparing.md") for line in block.commands]


@pytest.fixture(scope="module")
def changed(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Release v1, and after it a commit that trains longer, with its results."""
    folder = tmp_path_factory.mktemp("compared") / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)
    made = Checkout(folder)
    made.must(f"python -c {shlex.quote(RELEASE)}")
    study = folder / "tiny.yaml"
    study.write_text(study.read_text().replace("maximum_steps: 16", "maximum_steps: 24"))
    made.commit("Train longer")
    made.snakemake()
    return made


@pytest.fixture
def copy(changed: Checkout, tmp_path: Path) -> Checkout:
    """The same, to spoil."""
    folder = tmp_path / "checkout"
    shutil.copytree(changed.folder, folder, symlinks=True)
    return Checkout(folder)


def compared(checkout: Checkout, words: str, code: int) -> dict[str, Any]:
    done = checkout.shell(f"{COMPARE} {words} --json")
    assert done.returncode == code, done.stdout
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def metrics(checkout: Checkout) -> pd.DataFrame:
    frame = pd.read_parquet(checkout.folder / "results" / "metrics.parquet")
    names = ["model", "likelihood", "metric", "importance_samples"]
    return frame.fillna({"importance_samples": 0}).set_index(names).sort_index()


def test_results_are_their_own_release_and_commit(changed: Checkout) -> None:
    for words in ("HEAD", "v1 HEAD~1", "path:results", "v1 v1"):
        counts = compared(changed, words, 0)["counts"]
        assert counts == {"same": sum(counts.values())}, words


def test_a_release_and_its_commit_say_the_same(changed: Checkout) -> None:
    of_release, of_commit = (compared(changed, words, 0) for words in ("v1", "HEAD~1"))
    assert of_release["rows"] == of_commit["rows"]
    assert len(of_release["rows"]) == 44
    training = "maximum_steps 16 -> 24 (spvae, vae)"
    for one in (of_release, of_commit):
        assert one["causes"]["training_settings"] == [training]
        assert one["causes"]["code"] == []
    assert of_release["before"]["commit"] == changed.must("git rev-parse HEAD~1").strip()


def test_numbers_and_verdicts_follow_from_both_files(finished: Checkout, changed: Checkout) -> None:
    before, after = metrics(finished), metrics(changed)
    # One seed each, trained anew: told with the errors of their estimates, and no finding.
    for row in compared(changed, "v1", 0)["rows"]:
        key = (row["model"], row["likelihood"], row["metric"], row["importance_samples"] or 0)
        old, new = before.loc[key], after.loc[key]
        assert (row["before"], row["after"]) == (old["value"], new["value"])
        assert row["p"] is None
        if row["method"] == "one seed":
            error = (old["standard_error"] ** 2 + new["standard_error"] ** 2) ** 0.5
            half = stats.norm.ppf(0.975) * error
            assert row["high"] - row["difference"] == pytest.approx(half, rel=1e-9)
        if row["metric"] == "test_bound":
            assert row["verdict"] == "one seed, larger than its error"


def test_packed_results_are_as_good(copy: Checkout) -> None:
    loose = compared(copy, "HEAD~1 HEAD", 0)["rows"]
    copy.must("python -m workflow_src pack --remove-loose")
    # The release's as well, which no plan of now names.
    assert not list(copy.folder.glob("results/evaluations/*/*/*/evaluation.json"))
    assert compared(copy, "HEAD~1 HEAD", 0)["rows"] == loose


def test_an_evaluation_that_is_not_here_is_told(copy: Checkout) -> None:
    before = compared(copy, "HEAD~1", 0)
    shutil.rmtree(copy.folder / "results" / "evaluations" / "vae" / "digits-binomial")
    found = compared(copy, "HEAD~1", 0)
    assert found["counts"]["not here"] == sum(
        (row["model"], row["likelihood"]) == ("vae", "binomial") for row in before["rows"]
    )
    assert list(found["not_here"].values()) == [1]
    assert "git worktree add" in copy.shell(f"{COMPARE} HEAD~1").stdout


def test_a_tag_of_a_release_s_name_has_to_be_told_apart(copy: Checkout) -> None:
    copy.must("git tag v1 HEAD~1")
    refused = copy.shell(f"{COMPARE} v1")
    assert refused.returncode == 2
    assert "expected release:v1 or commit:v1" in refused.stdout
    assert compared(copy, "release:v1 commit:v1", 0)["counts"].keys() == {"same"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_works(changed: Checkout, command: str) -> None:
    done = changed.shell(command)
    assert done.returncode == 0, done.stdout
    if "--write" in command:
        folder = changed.folder / "results" / "comparisons" / "v1..now"
        assert {"index.html", "differences.csv", "assets"} == {p.name for p in folder.iterdir()}


def test_the_page_shows_commands() -> None:
    assert len(COMMANDS) >= 6
    assert all(line.startswith(COMPARE) for line in COMMANDS)
