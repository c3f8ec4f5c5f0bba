"""A report stays small: what it is made of is bounded part by part, and the demo's as a whole."""

from __future__ import annotations

import importlib.resources
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.chromium import Visit
from support.page_world import Report

Reader = Callable[..., Visit]

LARGEST_DEMO = 3_000_000
REAL = Path(__file__).parents[2] / "results" / "report"


def bytes_of(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def test_every_part_of_the_folder_has_its_bound(report: Report) -> None:
    evaluations = len(list(report.root.glob("results/evaluations/*/*/*/evaluation.json")))
    files = {path for path in report.folder.rglob("*") if path.is_file()}

    def taken(pattern: str) -> list[Path]:
        found = sorted(files & set(report.folder.glob(pattern)))
        files.difference_update(found)
        return found

    library = importlib.resources.files("itables") / "html"
    shipped = sum(len((library / name).read_bytes()) for name in ("dt_bundle.js", "dt_bundle.css"))
    assert bytes_of(taken("assets/tables.*")) <= shipped + 2_000
    assert bytes_of(taken("assets/provenance-*.js")) <= 4_000 + 1_000 * evaluations
    assert bytes_of(taken("assets/*")) <= 60_000
    assert bytes_of(taken("*.html")) <= 40_000 + 2_000 * evaluations
    assert bytes_of(taken("manifest-*.json")) <= 10_000 + 1_000 * evaluations
    assert bytes_of(taken("figures/*/captions.json")) <= 20_000
    for path in taken("figures/*/*/*/*"):
        assert path.stat().st_size <= 100_000
    assert files == set()


@pytest.mark.skipif(
    not os.environ.get("DENSITY_BENCH_LONG"),
    reason="of the report in results/report alone; DENSITY_BENCH_LONG=1 runs it",
)
class TestTheReportHere:
    """Of what `make demo` has left in this checkout."""

    @pytest.fixture
    def folder(self) -> Path:
        found = list(REAL.glob("manifest-*.json"))
        if not found:
            pytest.skip("results/report has no report; `make demo` makes one")
        settings = json.loads(found[0].read_text())["content"]["settings"]
        if settings["scale"] != "demo":
            pytest.skip(f"the report in results/report is of scale {settings['scale']}")
        return REAL

    def test_the_demo_is_small_enough(self, folder: Path) -> None:
        assert bytes_of([one for one in folder.rglob("*") if one.is_file()]) <= LARGEST_DEMO

    def test_its_pages_open_without_a_complaint(self, folder: Path, reader: Reader) -> None:
        visit = reader(viewport={"width": 360, "height": 740})
        pages = sorted(folder.glob("*.html"))
        assert len(pages) > 1
        for path in pages:
            page = visit.open(path)
            width = page.evaluate("() => document.scrollingElement.scrollWidth")
            assert width <= 360, path.name
            page.close()
