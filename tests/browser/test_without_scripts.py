"""Without JavaScript the pages hold the same, and numbers lead to the rows of their origin."""

from __future__ import annotations

import json
from collections.abc import Callable

from support.chromium import Visit
from support.page_world import SEEDS, WIDTHS, Report

Reader = Callable[..., Visit]


def test_tables_claims_and_figures_are_there(report: Report, reader: Reader) -> None:
    visit = reader(java_script_enabled=False)
    page = visit.open(report.study)
    assert page.locator("table[data-table='tiny-widths'] tbody tr").count() == len(WIDTHS)
    assert page.locator("section.claim").count() == 3
    assert page.locator("figure img").count() >= 3
    assert not page.locator("#theme").is_visible()
    assert not page.locator("dialog#provenance").is_visible()
    for path in report.pages:
        assert visit.open(path).locator("main h1").is_visible()


def test_a_number_leads_to_its_rows(report: Report, reader: Reader) -> None:
    page = reader(java_script_enabled=False).open(report.study)
    sources = page.locator("#tiny-widths details.sources")
    sources.locator("summary").click()
    for link in page.locator("table[data-table='tiny-widths'] a.number").all()[:4]:
        anchor = (link.get_attribute("href") or "").removeprefix("#")
        link.click()
        assert page.url.endswith(f"#{anchor}")
        row = page.locator(f"[id='{anchor}']")
        assert row.is_visible()
        names = (link.get_attribute("data-evaluations") or "").split()
        assert len(names) == len(SEEDS)
        block = sources.text_content() or ""
        for name in names:
            (path,) = report.root.glob(f"results/evaluations/*/*/*-{name}/evaluation.json")
            assert name in block
            winner = json.loads(path.read_text())["content"]["winner"]
            assert winner in block
        assert names[0] in (row.text_content() or "")


def test_dark_readers_have_a_dark_page(report: Report, reader: Reader) -> None:
    grounds = {
        scheme: reader(java_script_enabled=False, color_scheme=scheme)
        .open(report.study)
        .screenshot(clip={"x": 2, "y": 300, "width": 2, "height": 2})
        for scheme in ("light", "dark")
    }
    assert grounds["light"] != grounds["dark"]
