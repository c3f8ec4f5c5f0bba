"""Snakemake's own report (`snakemake --report`) holds every figure and table of ours."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import chromium
from support.checkout import Checkout

pytestmark = pytest.mark.workflow

NOTHING = "Nothing to be done"
NO_NETWORK = "http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1"
STUDY = "A study for tests"


@dataclass(frozen=True)
class Shown:
    """What a report of Snakemake shows."""

    results: dict[str, dict[str, Any]]
    """By the file that it is made from."""
    categories: dict[str, dict[str, list[str]]]
    """Files by category and subcategory."""
    description: str
    said: str
    """What Snakemake said while it made it."""
    page: Path | None = None

    def bytes_of(self, name: str) -> bytes:
        return base64.b64decode(self.results[name]["data_uri"].partition("base64,")[2])


def read(page: str, said: str = "") -> Shown:
    decoder = json.JSONDecoder()

    def value(script: str, name: str) -> Any:
        before = f'<script id="{script}">\n    var {name} = '
        return decoder.raw_decode(page, page.index(before) + len(before))[0]

    return Shown(
        value("results", "results"),
        value("categories", "categories"),
        value("workflow-desc", "workflow_desc"),
        said,
    )


def made(checkout: Checkout, folder: Path, words: str = "") -> Shown:
    said = checkout.must(f"{NO_NETWORK} snakemake --profile local --report {folder}/a.html {words}")
    return replace(read((folder / "a.html").read_text(), said), page=folder / "a.html")


def plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def figures(checkout: Checkout) -> dict[str, Path]:
    """Every figure of our report's folder by its path in the checkout."""
    (folder,) = checkout.folder.glob("results/report/figures/*/")
    found = [path for path in folder.rglob("*") if path.suffix in (".svg", ".png")]
    return {path.relative_to(checkout.folder).as_posix(): path for path in found}


def tables(checkout: Checkout) -> dict[str, Path]:
    found = checkout.folder.glob("results/tables/*/*/*.html")
    return {path.relative_to(checkout.folder).as_posix(): path for path in found}


def captions(checkout: Checkout) -> dict[str, dict[str, str]]:
    (path,) = checkout.folder.glob("results/report/figures/*/captions.json")
    said: dict[str, dict[str, str]] = json.loads(path.read_text())
    return said


@pytest.fixture(scope="module")
def shown(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return made(finished, tmp_path_factory.mktemp("shown"))


def test_every_figure_is_in_it_with_its_title_and_caption(finished: Checkout, shown: Shown) -> None:
    said = captions(finished)
    assert len(figures(finished)) == len(said) >= 3
    for name, path in figures(finished).items():
        key = "/".join(path.with_suffix("").parts[-3:])
        assert shown.bytes_of(name) == path.read_bytes()
        assert plain(shown.results[name]["caption"]) == plain(
            f"{said[key]['title']} {said[key]['caption']}"
        )
        assert shown.results[name]["labels"]["Result"].startswith(said[key]["title"])


def test_tables_and_verdicts_are_in_it(finished: Checkout, shown: Shown) -> None:
    assert {Path(name).name for name in tables(finished)} == {"claims.html", "comparison.html"}
    for name, path in tables(finished).items():
        assert shown.bytes_of(name) == path.read_bytes()
        assert shown.results[name]["mime_type"] == "text/html"
    texts = {Path(name).stem: plain(path.read_text()) for name, path in tables(finished).items()}
    markdown = (finished.folder / "results/tables/tiny_comparison.md").read_text()
    rows = [line for line in markdown.splitlines() if line.startswith(("| SPVAE", "| VAE"))]
    cells = [cell.strip() for row in rows for cell in row.split("|") if cell.strip()]
    assert len(cells) == 2 * 5
    for cell in cells:
        number = re.sub(r"^-", "\N{MINUS SIGN}", cell.replace("**", ""))
        assert number in texts["comparison"]
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    for claim in study["claims"].values():
        assert claim["statement"] in texts["claims"]


def test_nothing_else_is_in_it(finished: Checkout, shown: Shown) -> None:
    assert shown.results.keys() == figures(finished).keys() | tables(finished).keys()


def test_results_stand_under_their_paper_and_experiment(finished: Checkout, shown: Shown) -> None:
    of_experiment = {*figures(finished), *tables(finished)}
    of_claims = {name for name in tables(finished) if name.endswith("claims.html")}
    of_study = {name for name in figures(finished) if "/learning_curves/" in name}
    found = {part: set(names) for part, names in shown.categories[STUDY].items()}
    assert found.pop("A comparison") == of_experiment - of_claims - of_study
    assert found.pop("Claims") == of_claims
    assert found.pop("Learning curves", set()) == of_study
    assert found == {}
    assert shown.categories.keys() == {STUDY}


def test_no_two_results_of_an_experiment_have_one_label(shown: Shown) -> None:
    # Snakemake's page lists one of them and hides the others.
    for parts in shown.categories.values():
        for names in parts.values():
            labels = Counter(shown.results[name]["labels"]["Result"] for name in names)
            assert set(labels.values()) == {1}


def test_it_tells_what_was_run(shown: Shown) -> None:
    told = plain(shown.description)
    assert "studies : ['tiny.yaml']" in told
    assert "seeds : [0]" in told
    assert f"{STUDY}: {len(shown.results)} figures and tables" in told


def test_no_network_is_needed(shown: Shown) -> None:
    assert "download" not in shown.said.lower()
    assert "Report created" in shown.said


@pytest.mark.skipif(chromium.program() is None, reason="needs Chromium")
def test_a_browser_shows_it_without_a_network(shown: Shown) -> None:
    assert shown.page is not None
    with chromium.started() as browser, chromium.visit(browser) as reader:
        page = reader.open(shown.page)
        for folder in ("Results", STUDY, "A comparison"):
            page.get_by_text(folder, exact=True).first.click()
        labels = {
            shown.results[name]["labels"]["Result"]
            for name in shown.categories[STUDY]["A comparison"]
        }
        rows = page.locator("table tbody tr")
        rows.first.wait_for()
        assert {text.strip() for text in rows.all_inner_texts()} == labels
        for place in range(len(labels)):
            rows.nth(place).locator("a").first.click()
            page.locator("iframe, #app img[src^='data:image']").last.wait_for()
        # Snakemake's own style sheet comes with a warning that it is meant for trying out.
        assert [
            text for text in reader.complaints if "cdn.tailwindcss.com should" not in text
        ] == []


def test_the_archive_holds_the_same(finished: Checkout, shown: Shown, tmp_path: Path) -> None:
    finished.must(f"{NO_NETWORK} snakemake --report {tmp_path}/a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        inside = read(archive.read("a/report.html").decode())
        assert inside.categories == shown.categories
        for name in shown.results:
            held = archive.read(f"a/{inside.results[name]['data_uri']}")
            assert held == (finished.folder / name).read_bytes()


def test_without_snakemakes_memory_it_shows_the_same(
    copy_of_finished: Checkout, shown: Shown, tmp_path: Path
) -> None:
    shutil.rmtree(copy_of_finished.folder / ".snakemake")
    here = made(copy_of_finished, tmp_path)
    assert "Missing metadata" in here.said
    assert here.results == shown.results
    assert here.categories == shown.categories


def test_it_is_made_without_running_anything(copy_of_finished: Checkout, tmp_path: Path) -> None:
    before = copy_of_finished.files()
    made(copy_of_finished, tmp_path)
    assert copy_of_finished.files() == before
    assert NOTHING in copy_of_finished.snakemake()


def test_lost_figures_and_tables_are_made_again(
    copy_of_finished: Checkout, shown: Shown, tmp_path: Path
) -> None:
    for folder in ("results/report/figures", "results/tables"):
        (lost,) = (copy_of_finished.folder / folder).glob("*/")
        shutil.rmtree(lost)
        told = copy_of_finished.snakemake()
        assert "rule report:" in told
        assert "rule evaluate_group:" not in told
        assert NOTHING in copy_of_finished.snakemake()
    assert made(copy_of_finished, tmp_path).results == shown.results


def test_an_interim_report_is_shown_and_then_made_whole(
    copy_of_finished: Checkout, shown: Shown, tmp_path: Path
) -> None:
    lost = sorted(copy_of_finished.folder.glob("results/evaluations/vae/*/*"))[0]
    shutil.rmtree(lost)
    (membership,) = copy_of_finished.folder.glob("results/plan/reports/*.json")
    copy_of_finished.must(f"python -m workflow_src report --report {membership}")
    assert not list(copy_of_finished.folder.glob("results/report/manifest-*.json"))
    interim = made(copy_of_finished, tmp_path)
    there = figures(copy_of_finished).keys() | tables(copy_of_finished).keys()
    assert interim.results.keys() == there
    (folder,) = copy_of_finished.folder.glob("results/tables/*/")
    assert "not evaluated" in (folder / "tiny" / "comparison.html").read_text()
    copy_of_finished.snakemake()
    whole = made(copy_of_finished, tmp_path)
    assert whole.results.keys() == shown.results.keys()


def test_another_report_leaves_nothing_of_the_one_before(
    copy_of_finished: Checkout, tmp_path: Path
) -> None:
    study = copy_of_finished.folder / "tiny.yaml"
    study.write_text(study.read_text().replace(f"title: {STUDY}", 'title: "Another: again"'))
    before = {*figures(copy_of_finished), *tables(copy_of_finished)}
    told = copy_of_finished.snakemake()
    assert "rule evaluate_group:" not in told
    after = {*figures(copy_of_finished), *tables(copy_of_finished)}
    assert len(after) == len(before)
    assert not after & before
    for folder in ("results/report/figures", "results/tables"):
        assert len(list((copy_of_finished.folder / folder).glob("*/"))) == 1
    assert list(made(copy_of_finished, tmp_path).categories) == ["Another - again"]
