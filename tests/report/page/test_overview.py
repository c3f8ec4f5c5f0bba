"""The overview: how much is there, what every claim comes to, and what is missing and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.documents import Document, Element

from workflow_src.config.studies import load_study
from workflow_src.report.report import write_report

FOLDER = Path("results/report")
CLAIM = "better_on_all_six"


@pytest.fixture
def interim(winners: Any) -> Any:
    """SPVAE on three seeds, VAE on one; CONV-SPVAE diverged on one and nothing else was run."""
    for seed in range(3):
        winners.measured(winners.one(model="spvae", stream="full", seed=seed), 2000.0)
    winners.measured(winners.one(model="vae", stream="full", seed=1), 1000.0)
    winners.failed(winners.one(model="conv_spvae", stream="full", seed=0), "none was finite")
    write_report(winners.membership)
    return winners


def squeezed(element: Element) -> str:
    return " ".join(element.text.split())


def test_tiles_count_what_is_there(interim: Any) -> None:
    page = Document.of(FOLDER / "index.html")
    told = [squeezed(tile) for tile in page.all("div", "tile")]
    planned = len(interim.plan.evaluations)
    assert told[0].startswith(f"4 of {planned}winners measured")
    assert told[1].startswith(f"{len(interim.plan.runs)}runs")
    # Two streams of four models in the two tables that the plan has; SPVAE alone is complete.
    tables = 2
    assert told[2].startswith(f"{tables * (2 * 4 - 1)}cells lacking a seed's number")


def test_every_missing_cell_has_its_seeds_and_its_reason(interim: Any) -> None:
    page = Document.of(FOLDER / "index.html")
    (missing,) = [one for one in page.all("section") if one.attributes.get("id") == "missing"]
    rows = [
        [squeezed(cell) for cell in row.inside if cell.tag == "td"]
        for row in missing.inside
        if row.tag == "tr"
    ]
    cells = {
        cell: (seeds, reason)
        for cell, seeds, reason in (row for row in rows if len(row) == 3)
        if "VAE" in cell
    }
    (vae,) = [found for cell, found in cells.items() if cell.startswith("VAE") and ", full" in cell]
    assert vae == ("0, 2", "not evaluated yet")
    (conv,) = [
        found for cell, found in cells.items() if cell.startswith("Conv-SPVAE") and ", full" in cell
    ]
    assert conv == ("0, 1, 2", "none was finite; not evaluated yet")
    assert not [cell for cell in cells if cell.startswith("SPVAE") and ", full" in cell]


def test_runs_that_diverged_are_listed_with_their_reasons(interim: Any) -> None:
    diverged = {
        run
        for seed in range(3)
        for run in interim.one(model="spvae", stream="full", seed=seed).runs[1:2]
    }
    diverged |= set(interim.one(model="vae", stream="full", seed=1).runs[1:2])
    diverged |= set(interim.one(model="conv_spvae", stream="full", seed=0).runs)
    for name in ("index.html", "spvae.html"):
        rows = [
            [squeezed(cell) for cell in row.inside if cell.tag == "td"]
            for row in Document.of(FOLDER / name).all("tr")
        ]
        told = {row[0]: row[-1] for row in rows if len(row) == 7 and row[0] in interim.plan.runs}
        assert told.keys() == diverged
        assert set(told.values()) == {"the validation bound was nan at step 128", "nan at step 3"}


def test_every_claim_has_its_verdicts_and_leads_to_its_numbers(interim: Any) -> None:
    page, study = Document.of(FOLDER / "index.html"), Document.of(FOLDER / "spvae.html")
    claims = load_study("spvae").claims
    links = {
        one.attributes["href"]
        for one in page.all("a")
        if one.attributes["href"].startswith("spvae.html#spvae-claim-")
    }
    assert links == {f"spvae.html#spvae-claim-{name}" for name in claims}
    (row,) = [
        one
        for one in page.all("tr")
        if any(link.attributes.get("href", "").endswith(f"-{CLAIM}") for link in one.inside)
    ]
    badges = [one.text for one in row.inside if one.has("badge")]
    # The paper's numbers say so; of ours one cell of six is planned.
    assert badges == ["holds", "not run", "not run"]
    section = study.by_id(f"spvae-claim-{CLAIM}")
    assert [one.text for one in section.inside if one.has("badge")][:3] == badges


def test_bars_count_the_claims(interim: Any) -> None:
    page = Document.of(FOLDER / "index.html")
    claims = len(load_study("spvae").claims)
    (card,) = page.all("article", "card")
    for bar in [one for one in card.inside if one.has("bar")]:
        shares = [int(i.attributes["style"].removeprefix("flex-grow: ")) for i in bar.inside]
        assert 0 < sum(shares) <= claims
    said = [squeezed(one) for one in card.inside if one.tag == "span" and one.has("said")]
    counted = [sum(int(part.split()[-1]) for part in text.split(", ")) for text in said]
    assert counted[0] == claims


def test_a_whole_report_says_that_nothing_is_missing(full: Any) -> None:
    for place, one in enumerate(full.plan.evaluations):
        full.measured(one, 100.0 + place)
    write_report(full.membership)
    page = Document.of(FOLDER / "index.html")
    assert "Nothing is missing" in page.by_id("missing").text
    planned = len(full.plan.evaluations)
    assert f"{planned} of {planned}" in page.by_id("overview").text
