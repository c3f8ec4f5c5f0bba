"""Whoever follows docs/adding_a_study.md gets the table, the verdict and the page it promises."""

from __future__ import annotations

import csv
import math

import pytest
from support.guides import Followed, follow

pytestmark = pytest.mark.workflow

TRAINING = "snakemake --profile local --config studies='[my_studies/stripes.yaml]'"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return follow("adding_a_study.md", tmp_path_factory.mktemp("guide") / "checkout")


def _table(followed: Followed, name: str) -> list[dict[str, str]]:
    path = followed.checkout.folder / "results" / "tables" / f"{name}.csv"
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_plan_names_the_runs_that_the_grid_has(followed: Followed) -> None:
    plan = followed.only("workflow_src plan").splitlines()
    columns = plan[0].split()
    (row,) = [line.split() for line in plan if line.startswith("stripes")]
    assert row[columns.index("runs")] == "9"


def test_the_table_has_ours_beside_the_printed_numbers(followed: Followed) -> None:
    said = followed.only("workflow_src show")
    for word in ("RAT-SPN", "PD-SPN", "75.2", "69.6"):
        assert word in said
    (trained,) = followed.said[TRAINING]
    assert sum("completed results/runs/" in line for line in trained.splitlines()) == 9


def test_the_claim_has_a_verdict_by_either_numbers(followed: Followed) -> None:
    said = followed.only("workflow_src show")
    (line,) = [one for one in said.splitlines() if one.startswith("| Random halves beat stripes")]
    _, _, published, ours, _ = (cell.strip() for cell in line.split("|"))
    assert published == "holds"
    assert ours in ("holds", "undecided")


def test_another_data_set_takes_the_place_of_the_study_s(followed: Followed) -> None:
    rows = _table(followed, "stripes_likelihoods")
    assert [row["model"] for row in rows] == ["rat_spn", "pd_spn"]
    for row in rows:
        assert math.isfinite(float(row["digits_with_loops.ours"]))
        assert row["digits_with_loops.published"] == ""


def test_the_study_has_a_page(followed: Followed) -> None:
    page = (followed.checkout.folder / "results" / "report" / "stripes.html").read_text()
    assert "Do stripes suffice for digits?" in page
