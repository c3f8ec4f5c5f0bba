"""Cells of a page's table: sorted by exact numbers, tinted by how much better they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.documents import Document, Element

from workflow_src.config.metrics import METRICS
from workflow_src.report.cells import Cell
from workflow_src.report.page.heat import heat_of, heat_scale
from workflow_src.report.report import write_report
from workflow_src.report.tables import Table

PAGE = Path("results/report/spvae.html")
HIGHER, LOWER, NEITHER = "test_bound", "test_bits_per_dimension", "kl_divergence"
COUNT = "parameter_count"


def table_of(metric: str, differences: Sequence[float | None]) -> Table:
    """A table of one column with these differences from what is published."""
    rows = tuple((place,) for place in range(len(differences)))
    return Table(
        study="any",
        experiment="one",
        metric=METRICS[metric],
        row_axes=("model",),
        column_axes=("data_set",),
        rows=rows,
        columns=(("digits",),),
        cells={
            (row, ("digits",)): Cell((), difference=one)
            for row, one in zip(rows, differences, strict=True)
        },
        importance_samples=None,
        notes=(),
        constants={},
        compared=True,
    )


@pytest.mark.parametrize(
    ("metric", "differences", "heats"),
    [
        (HIGHER, [2.0, -4.0, 1.0], [0.5, -1.0, 0.25]),
        (LOWER, [2.0, -4.0, 1.0], [-0.5, 1.0, -0.25]),
        (HIGHER, [None, 8.0, 0.0], [None, 1.0, 0.0]),
        (NEITHER, [2.0, -4.0], [None, None]),
        # A model with fewer parameters than the paper's is another one, and no better.
        (COUNT, [2.0, -4.0], [None, None]),
        (HIGHER, [None, None], [None, None]),
        (HIGHER, [0.0], [None]),
    ],
)
def test_heat_is_the_share_of_the_largest_difference(
    metric: str, differences: list[float | None], heats: list[float | None]
) -> None:
    assert METRICS[HIGHER].better == "higher"
    assert METRICS[LOWER].better == "lower"
    assert METRICS[NEITHER].better == "neither"
    table = table_of(metric, differences)
    scale = heat_scale(table)
    assert [heat_of(cell, table, scale) for cell in table.cells.values()] == heats


@pytest.fixture
def compared(winners: Any) -> dict[str, list[Element]]:
    """The cells of Table 1 on MNIST, Gaussian, by model; CONV-VAE's first seed alone is there."""
    for seed in range(3):
        winners.measured(winners.one(model="spvae", stream="full", seed=seed), 2000.0 + seed)
        winners.measured(winners.one(model="vae", stream="full", seed=seed), 3000.125)
        winners.failed(winners.one(model="conv_spvae", stream="full", seed=seed), "all < diverged")
    winners.measured(winners.one(model="conv_vae", stream="full", seed=0), 2500.0)
    write_report(winners.membership)
    page = Document.of(PAGE)
    (table,) = [
        one for one in page.all("table") if one.attributes.get("data-table") == "spvae-table1"
    ]
    rows = [one for one in table.inside if one.tag == "tr"]
    cells = {}
    for row in rows:
        texts = [one.text for one in row.inside if one.tag in ("th", "td")]
        if "full" in texts:
            cells[texts[0]] = [one for one in row.inside if one.tag == "td" and not one.has("axis")]
    return cells


def test_cells_sort_by_exact_numbers(compared: dict[str, list[Element]]) -> None:
    ours, published, difference = compared["VAE"]
    assert float(ours.attributes["data-order"]) == 3000.125
    printed = float(published.attributes["data-order"])
    assert float(difference.attributes["data-order"]) == 3000.125 - printed
    assert published.text.strip().startswith(f"{printed:.0f}"[:3])
    assert [one.attributes["data-order"] for one in compared["Conv-SPVAE"][:1]] == [""]


def test_a_cell_without_a_number_says_why(compared: dict[str, list[Element]]) -> None:
    ours, published, difference = compared["Conv-SPVAE"]
    assert ours.has("none")
    (link,) = [one for one in ours.inside if one.tag == "a"]
    assert link.text == "all < diverged"
    assert not [one for one in ours.inside if one.has("number")]
    assert float(published.attributes["data-order"]) > 0
    assert difference.attributes["data-order"] == ""
    assert not difference.has("heat")


def test_tints_tell_better_from_worse(compared: dict[str, list[Element]]) -> None:
    published = {name: float(one[1].attributes["data-order"]) for name, one in compared.items()}
    ours = {"SPVAE": 2001.0, "VAE": 3000.125, "Conv-VAE": 2500.0}
    differences = {name: value - published[name] for name, value in ours.items()}
    largest = max(abs(one) for one in differences.values())
    for name, expected in differences.items():
        cell = compared[name][2]
        assert cell.has("heat")
        told, _, heat = cell.attributes["style"].partition(": ")
        assert told == "--heat"
        assert float(heat) == pytest.approx(expected / largest, abs=5e-4)
        # Who sees no colours reads the sign.
        assert cell.text.startswith("+" if expected > 0 else "\N{MINUS SIGN}")
        better = "better" if expected > 0 else "worse"
        assert cell.attributes["title"].startswith(better)
    legend = " ".join(one.text for one in Document.of(PAGE).all("div", "legend"))
    assert f"the tint is full at {largest:.2f} nats" in legend


def test_every_number_names_its_evaluations_and_leads_to_its_first_row(
    compared: dict[str, list[Element]], winners: Any
) -> None:
    page = Document.of(PAGE)
    (link,) = [one for one in compared["SPVAE"][0].inside if one.has("number")]
    fingerprints = [
        winners.one(model="spvae", stream="full", seed=seed).fingerprint for seed in range(3)
    ]
    assert link.attributes["data-evaluations"].split() == fingerprints
    row = page.by_id(link.attributes["href"].removeprefix("#"))
    assert row.tag == "tr"
    assert fingerprints[0] in row.text
    assert winners.one(model="spvae", stream="full", seed=0).runs[0] in row.text


def test_what_all_rows_share_is_told_below(winners: Any) -> None:
    write_report(winners.membership)
    page = Document.of(PAGE)
    tables = [one for one in page.all("table") if one.has("comparison")]
    heads = [
        [one.attributes.get("data-name") for one in table.inside if one.tag == "th"]
        for table in tables
    ]
    assert all("protocol" not in names for names in heads)
    assert all("stream" in names for names in heads), "there are two"
    legends = [one.text for one in page.all("div", "legend")]
    assert all("the mean over seeds, their number below it" in text for text in legends)
    assert all("All rows: protocol authors." in text for text in legends)
