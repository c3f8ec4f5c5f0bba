"""Sizes and counts of costs as pages tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.documents import Document

from workflow_src.report.page.costs import bytes_text
from workflow_src.report.report import write_report


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1_500, "1.5 kB"),
        (587_202_560, "587 MB"),
        (2_000_000_000, "2 GB"),
        (3e15, "3e+03 TB"),
    ],
)
def test_sizes_are_in_units_of_thousands(count: int | None, text: str) -> None:
    assert bytes_text(count) == text


def test_a_study_tells_the_time_of_its_runs(winners: Any) -> None:
    winners.measured(winners.one(model="spvae", stream="full", seed=0), 2000.0)
    runs = len(winners.one(model="spvae", stream="full", seed=0).runs)
    write_report(winners.membership)
    page = Document.of(Path("results/report/spvae.html"))
    rows = [
        [cell.text for cell in row.inside if cell.tag == "td"]
        for row in page.all("tr")
        if row in page.by_id("costs").inside
    ]
    (spvae,) = [row for row in rows if row[:1] == ["SPVAE"]]
    # Every run of the fixture takes 30 s and 2,560 steps; one of them diverged.
    assert spvae[1] == "MNIST"
    assert "1 diverged" in spvae[2]
    assert spvae[3] == f"{30 * runs / 60:.0f} min"
    assert spvae[4] == f"{2560 * runs:,}"
    assert rows[-1][0] == "Total"
    assert rows[-1][3:5] == spvae[3:5]
