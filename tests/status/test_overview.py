"""The plan's overview is read strictly, and refusals say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.progress import RUNS, SHARDS, Folder, run_directory

from workflow_src.errors import UserError
from workflow_src.status.overview import read_overview
from workflow_src.storage import NewerSchemaError


def test_before_the_first_plan_it_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no plan yet") as caught:
        read_overview(tmp_path)
    assert "snakemake --profile" in str(caught.value)


def test_what_was_planned_is_read(folder: Folder) -> None:
    overview = read_overview(folder.results)
    assert overview.runs.keys() == set(RUNS)
    assert overview.runs[RUNS[0]].seconds == 100.0
    assert overview.runs[RUNS[0]].family == "vae/digits-gaussian"
    assert overview.shards[SHARDS[1]] == RUNS[2:4]


def test_an_expectation_may_be_missing(folder: Folder) -> None:
    folder.overview["runs"][RUNS[0]][1] = None
    folder.plan()
    assert read_overview(folder.results).runs[RUNS[0]].seconds is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda overview: overview.pop("runs"),
        lambda overview: overview.update(runs=[]),
        lambda overview: overview["runs"].update({RUNS[0]: ["somewhere", 1.0]}),
        lambda overview: overview["runs"].update({RUNS[0]: [run_directory(RUNS[0]), "long"]}),
        lambda overview: overview.update(shards={SHARDS[0]: {}}),
        lambda overview: overview["runs"].update({RUNS[0]: [f"/x/{run_directory(RUNS[0])}", 1.0]}),
        lambda overview: overview.update(evaluations=3),
        lambda overview: overview.update(prepared=["digits"]),
    ],
)
def test_a_damaged_overview_is_told_in_one_line(spoil: object, folder: Folder) -> None:
    spoil(folder.overview)  # type: ignore[operator]
    folder.plan()
    with pytest.raises(UserError, match="damaged") as caught:
        read_overview(folder.results)
    assert "overview.json" in str(caught.value)


def test_one_of_a_newer_version_is_not_judged(folder: Folder) -> None:
    folder.overview["schema_version"] = 2
    folder.plan()
    with pytest.raises(NewerSchemaError):
        read_overview(folder.results)
