"""Pages as a whole: what others wrote stays text, equal input gives equal bytes, size is linear."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.documents import Document

from workflow_src.report.evidence import Evidence, read_evidence
from workflow_src.report.figures.drawing import Gallery
from workflow_src.report.figures.style import Figure, canvas, look, png, svg
from workflow_src.report.page.chapters import Chapter, undrawn_chapter
from workflow_src.report.page.rendering import render_pages

HOSTILE = "</script><img src=x onerror=alert(1)> \"' & {{ 7 * 7 }} \u2028"
BYTES_OF_A_CELL, BYTES_OF_A_LINE = 800, 180
"""At most, of five seeds: three columns for a cell of ours, and one row for each of its seeds."""
MADE = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
CLEAN = {"commit": "0123456789abcdef0123", "dirty": False}


def rendered(
    evidence: Evidence, change: Callable[[Chapter], Chapter] = lambda one: one, **git: Any
) -> Mapping[str, bytes]:
    chapters = [change(undrawn_chapter(evidence, study)) for study in evidence.studies]
    return render_pages(evidence, chapters, git=CLEAN | git, made=MADE)


def test_what_others_wrote_is_text_and_never_markup(winners: Any) -> None:
    winners.measured(winners.one(model="spvae", stream="full", seed=0), 2000.0, reason=HOSTILE)
    winners.failed(winners.one(model="vae", stream="full", seed=0), HOSTILE)

    def hostile(chapter: Chapter) -> Chapter:
        experiments = {
            name: one.model_copy(update={"title": HOSTILE, "description": HOSTILE})
            for name, one in chapter.study.experiments.items()
        }
        claims = [
            dataclasses.replace(one, claim=one.claim.model_copy(update={"statement": HOSTILE}))
            for one in chapter.claims
        ]
        study = chapter.study.model_copy(
            update={"title": HOSTILE, "reference": HOSTILE, "experiments": experiments}
        )
        figure = Figure("spvae_table1_one", HOSTILE, HOSTILE, {".png": picture()}, ())
        return dataclasses.replace(chapter, study=study, claims=claims, learning_curves=(figure,))

    files = rendered(read_evidence(winners.membership), hostile)
    for name in ("index.html", "spvae.html"):
        page = Document(files[name].decode())
        assert not [one for one in page.all("img") if one.attributes["src"] == "x"]
        assert [one.tag for one in page.all("script")] == ["script"]
        assert not [one for one in page.elements if "onerror" in one.attributes]
        assert HOSTILE in page.all("title" if name == "spvae.html" else "main")[0].text
        assert "49" not in page.all("h1")[0].text
    assert files["assets/provenance-spvae.js"].isascii()
    assert b"<" not in files["assets/provenance-spvae.js"]


def picture() -> bytes:
    with look():
        drawn = canvas(3.0, 2.0)
        drawn.subplots().plot([0, 1], [1, 0])
        return png(drawn)


def test_equal_input_gives_equal_bytes_and_the_commit_is_told(winners: Any) -> None:
    winners.measured(winners.one(model="spvae", stream="full", seed=0), 2000.0)
    evidence = read_evidence(winners.membership)
    first, again = rendered(evidence), rendered(evidence)
    assert first == again
    dirty = rendered(evidence, dirty=True)["index.html"].decode()
    assert "from commit 0123456789ab." in first["index.html"].decode()
    assert "from commit 0123456789ab with uncommitted changes." in dirty
    assert "2024-01-02 03:04 UTC" in dirty
    assert "from no commit." in rendered(evidence, commit=None)["index.html"].decode()


def test_figures_stand_where_the_report_is_named_by_its_fingerprint(winners: Any) -> None:
    evidence = read_evidence(winners.membership)
    with look():
        drawn = canvas(3.0, 2.0)
        drawn.subplots().plot([0, 1], [1, 0])
        lines, pixels = svg(drawn), png(drawn)

    def illustrated(chapter: Chapter) -> Chapter:
        one = Figure("spvae_table1_lines-mnist", "Lines", "Two points.", {".svg": lines}, ())
        two = Figure("spvae_table1_samples", "Samples", "None.", {".png": pixels}, ())
        galleries = {**chapter.galleries, "table1": Gallery((one, two))}
        return dataclasses.replace(chapter, galleries=galleries)

    files = rendered(evidence, illustrated)
    folder = f"figures/{evidence.fingerprint}"
    assert json.loads(files[f"{folder}/captions.json"]) == {
        "spvae/table1/lines-mnist": {"title": "Lines", "caption": "Two points."},
        "spvae/table1/samples": {"title": "Samples", "caption": "None."},
    }
    images = Document(files["spvae.html"].decode()).all("img")
    assert [one.attributes["src"] for one in images] == [
        f"{folder}/spvae/table1/lines-mnist.svg",
        f"{folder}/spvae/table1/samples.png",
    ]
    for image in images:
        assert image.attributes["src"] in files
        # Three by two inches of 96 pixels.
        assert (image.attributes["width"], image.attributes["height"]) == ("288", "192")


@pytest.fixture
def sizes(tree: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Bytes of everything that is there per seed, of one, two and four times as many seeds."""
    found = []
    for seeds in (3, 6, 12):
        folder = tmp_path / str(seeds)
        folder.mkdir()
        monkeypatch.chdir(folder)
        made = tree(
            experiments=["table1", "learning_rates"],
            likelihoods=["gaussian"],
            data_sets=["digits"],
            seeds=list(range(seeds)),
        )
        for one in made.plan.evaluations:
            made.measured(one, 2000.0)
        files = rendered(read_evidence(made.membership))
        names = ("index.html", "spvae.html", "assets/provenance-spvae.js")
        found.append(sum(len(files[name]) for name in names))
    return found


def test_pages_grow_no_faster_than_what_they_show(sizes: list[int]) -> None:
    once, twice, four_times = sizes
    assert four_times - twice <= 2.1 * (twice - once)
    assert twice > once


def cells_and_lines(page: Document) -> tuple[int, int]:
    """How many cells of ours the tables have, and how many rows tell where these come from."""
    cells = sum(one.has("ours") for one in page.all("td"))
    tables = [one for one in page.all("table") if one.has("sources-table")]
    return cells, sum(one.tag == "tr" for table in tables for one in table.inside)


def test_a_page_takes_little_room_for_each_number(
    tree: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    for data_sets in (["digits"], ["digits", "mnist"]):
        folder = tmp_path / str(len(data_sets))
        folder.mkdir()
        monkeypatch.chdir(folder)
        made = tree(
            experiments=["table1"],
            likelihoods=["gaussian"],
            data_sets=data_sets,
            seeds=list(range(5)),
        )
        for one in made.plan.evaluations:
            made.measured(one, 2000.0)
        text = rendered(read_evidence(made.membership))["spvae.html"].decode()
        page = Document(text)
        (sources,) = re.findall(r'<table class="plain sources-table".*?</table>', text, re.DOTALL)
        (table,) = re.findall(r'<table class="comparison".*?</table>', text, re.DOTALL)
        found.append((*cells_and_lines(page), len(table), len(sources)))
    before, after = found
    cells, lines, table, sources = (b - a for a, b in zip(before, after, strict=True))
    assert (cells, lines) == (4, 4 * 5)
    assert table / cells < BYTES_OF_A_CELL
    assert sources / lines < BYTES_OF_A_LINE


@pytest.mark.parametrize(("scale", "told"), [("demo", True), ("paper", False)])
def test_the_demo_says_that_it_decides_nothing(winners: Any, scale: str, told: bool) -> None:
    evidence = read_evidence(winners.membership)
    settings = {**evidence.settings, "scale": scale}
    files = rendered(dataclasses.replace(evidence, settings=settings))
    overview = Document(files["index.html"].decode())
    assert ("neither confirm nor refute" in overview.by_id("overview").text) == told


def test_pages_have_no_room_between_lines(winners: Any) -> None:
    files = rendered(read_evidence(winners.membership))
    for name in ("index.html", "spvae.html"):
        lines = files[name].decode().splitlines()
        assert all(line and not line[0].isspace() for line in lines)


def test_a_table_without_published_numbers_has_no_columns_for_them(
    tree: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kinds = {}
    for data_set in ("digits", "mnist"):
        (tmp_path / data_set).mkdir()
        monkeypatch.chdir(tmp_path / data_set)
        made = tree(experiments=["table1"], likelihoods=["gaussian"], data_sets=[data_set])
        text = rendered(read_evidence(made.membership))["spvae.html"].decode()
        heads = [one.attributes.get("data-name", "") for one in Document(text).all("th")]
        kinds[data_set] = {name.rpartition(".")[2] for name in heads if "." in name}
        told = "has published no number for" in text
        assert told == (data_set == "digits")
    # The paper has numbers for MNIST and none for the small images that come with scikit-learn.
    assert kinds == {"digits": {"ours"}, "mnist": {"ours", "published", "difference"}}


def test_pages_name_no_folder_of_this_machine(winners: Any, tmp_path: Path) -> None:
    winners.measured(winners.one(model="spvae", stream="full", seed=0), 2000.0)
    for name, data in rendered(read_evidence(winners.membership)).items():
        if name.endswith((".html", ".json")):
            assert not re.search(re.escape(str(tmp_path)), data.decode()), name
