"""The report's folder is whole by itself: all that its pages refer to is in it, and no more."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from support.documents import Document

from workflow_src.report.report import write_report

FOLDER = Path("results/report")


@pytest.fixture
def pages(reported: Any) -> dict[str, Document]:
    """Every page by its name; reading one checks that its elements nest."""
    return {path.name: Document.of(path) for path in FOLDER.glob("*.html")}


def test_there_is_an_overview_and_a_page_per_study(pages: dict[str, Document]) -> None:
    assert pages.keys() == {"index.html", "spvae.html"}
    for page in pages.values():
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
        assert page.all("html")[0].attributes["lang"] == "en"


def test_no_place_has_the_name_of_another(pages: dict[str, Document]) -> None:
    for page in pages.values():
        assert len(page.ids) == len(set(page.ids))


def test_every_address_leads_to_a_place_in_the_folder(pages: dict[str, Document]) -> None:
    followed = 0
    for name, page in pages.items():
        for address in page.addresses:
            if address == "data:,":
                continue
            file, _, anchor = unquote(address).partition("#")
            assert not re.match(r"[a-z]+:|//|/|\.\.", file), address
            assert (FOLDER / (file or name)).is_file(), address
            if anchor:
                assert anchor in pages[file or name].ids, address
            followed += 1
    assert followed > 100


def test_nothing_is_loaded_from_elsewhere(reported: Any) -> None:
    for path in FOLDER.rglob("*"):
        if path.suffix in (".html", ".css") or path.name == "report.js":
            text = path.read_text()
            assert not re.search(r"""(src|href|url\(|@import)\s*[=(]?\s*["']?(https?:)?//""", text)
            assert "fetch(" not in text
            assert "innerHTML" not in text


def test_every_figure_is_shown_and_told(pages: dict[str, Document], reported: Any) -> None:
    (folder,) = (FOLDER / "figures").iterdir()
    assert folder.name in reported.manifest.name
    drawn = {path for path in folder.rglob("*") if path.suffix in (".png", ".svg")}
    shown = {FOLDER / one.attributes["src"]: one for one in pages["spvae.html"].all("img")}
    assert drawn == set(shown)
    assert len(drawn) > 5
    captions = json.loads((folder / "captions.json").read_text())
    assert {folder / name for name in captions} == {path.with_suffix("") for path in drawn}
    told = [one.text for one in pages["spvae.html"].all("figcaption")]
    for path, image in shown.items():
        said = captions[path.relative_to(folder).with_suffix("").as_posix()]
        assert image.attributes["alt"] == said["title"]
        assert f"{said['title']}. {said['caption']}" in told
        assert image.attributes["loading"] == "lazy"
        assert 100 < int(image.attributes["width"]) < 2000
        assert 50 < int(image.attributes["height"]) < 4000


def test_the_origins_of_every_number_are_beside_its_page(pages: dict[str, Document]) -> None:
    text = (FOLDER / "assets/provenance-spvae.js").read_text()
    found = re.fullmatch(r'densityBench\.provenance\("(.*)"\);\n', text)
    assert found is not None
    known = json.loads(gzip.decompress(base64.b64decode(found[1])))["evaluations"]
    numbers = pages["spvae.html"].all("a", "number")
    assert len(numbers) > 10
    for one in numbers:
        names = one.attributes["data-evaluations"].split()
        assert names
        assert set(names) <= known.keys()


def test_files_of_an_earlier_report_go_with_it(full: Any) -> None:
    write_report(full.membership)
    older = full.manifest.with_name("manifest-0123456789abcdef.json")
    record = json.loads(full.manifest.read_text())
    before, stale = (FOLDER / "figures" / name for name in (full.plan.report, "0123456789abcdef"))
    shutil.copytree(before, stale)
    moved = {
        name.replace(full.plan.report, stale.name): facts
        for name, facts in record["outputs"].items()
    }
    older.write_text(json.dumps(record | {"outputs": moved}))
    write_report(full.membership)
    assert [path.name for path in (FOLDER / "figures").iterdir()] == [before.name]


def test_folders_of_interim_reports_go_with_the_next_whole_one(full: Any) -> None:
    tables = Path("results/tables")
    stale = [place / "0123456789abcdef" / "spvae" for place in (FOLDER / "figures", tables)]
    others = [FOLDER / "figures" / "mine", tables / "0123456789abcdef.md"]
    for path in (*stale, *others):
        path.mkdir(parents=True)
        (path / "one.svg").write_text("<svg/>")
    write_report(full.membership)
    assert [path.exists() for path in stale] == [False, False]
    assert not [path for path in stale if path.parent.exists()]
    assert all((path / "one.svg").is_file() for path in others)
    assert (FOLDER / "figures" / full.plan.report / "captions.json").is_file()


def test_what_was_changed_in_an_earlier_report_stays(full: Any) -> None:
    write_report(full.membership)
    older = full.manifest.with_name("manifest-0123456789abcdef.json")
    record = json.loads(full.manifest.read_text())
    before, stale = (FOLDER / "figures" / name for name in (full.plan.report, "0123456789abcdef"))
    shutil.copytree(before, stale)
    moved = {
        name.replace(full.plan.report, stale.name): facts
        for name, facts in record["outputs"].items()
    }
    older.write_text(json.dumps(record | {"outputs": moved}))
    (stale / "captions.json").write_text("{}")
    write_report(full.membership)
    assert [path.name for path in stale.rglob("*")] == ["captions.json"]


def test_an_interim_report_has_its_pages_too(winners: Any) -> None:
    winners.measured(winners.one(model="vae", stream="full", seed=0), 2600.0)
    write_report(winners.membership)
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {"index.html", "spvae.html", "assets", "figures"}
    assert (FOLDER / "figures" / winners.plan.report / "captions.json").is_file()
