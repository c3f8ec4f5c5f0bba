"""Tables sort by a click and by the keyboard, as an independent reading of their CSV says."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from support.chromium import Visit
from support.page_world import WIDTHS, Report

Reader = Callable[..., Visit]


def of_csv(report: Report, experiment: str) -> list[dict[str, str]]:
    path = report.root / "results" / "tables" / f"tiny_{experiment}.csv"
    with path.open() as stream:
        return list(csv.DictReader(stream))


def table(page: Page, experiment: str) -> Locator:
    """The table, once it can be sorted."""
    found = page.locator(f"table.comparison[data-table='tiny-{experiment}']")
    found.scroll_into_view_if_needed()
    expect(found).to_have_attribute("data-upgraded", "done")
    return found


def order(found: Locator) -> list[str]:
    """The texts of the rows as they stand."""
    return [" ".join(row.inner_text().split()) for row in found.locator("tbody tr").all()]


def head(found: Locator, name: str) -> Locator:
    return found.locator(f"th[data-name='{name}']")


def sorted_rows(rows: list[dict[str, str]], column: str, falling: bool) -> list[int]:
    """Places in the file of the rows that have a number in that column, in its order."""
    there = [place for place, row in enumerate(rows) if row[column]]
    return sorted(there, key=lambda place: float(rows[place][column]), reverse=falling)


COLUMNS = [
    ("widths", "gaussian.digits.ours"),
    ("widths", "binomial.digits.ours"),
    ("widths", "gaussian.digits.published"),
    ("widths", "binomial.digits.difference"),
    ("rates", "gaussian.digits.ours"),
]


@pytest.mark.parametrize(("experiment", "column"), COLUMNS)
@pytest.mark.parametrize("by", ["click", "Enter"])
def test_rows_follow_the_numbers(
    report: Report, reader: Reader, experiment: str, column: str, by: str
) -> None:
    rows = of_csv(report, experiment)
    found = table(reader().open(report.study), experiment)
    unsorted = order(found)
    assert len(unsorted) == len(rows) == len(set(unsorted))
    one = head(found, column)
    assert one.get_attribute("aria-sort") is None
    for falling, told in ((False, "ascending"), (True, "descending")):
        if by == "click":
            one.click()
        else:
            one.locator("[tabindex='0']").or_(one.and_(found.locator("[tabindex='0']"))).focus()
            found.page.keyboard.press(by)
        expect(one).to_have_attribute("aria-sort", told)
        expected = [unsorted[place] for place in sorted_rows(rows, column, falling)]
        assert order(found)[: len(expected)] == expected
        assert len(order(found)) == len(rows)
    others = found.locator("th[aria-sort]").count()
    assert others == 1


def test_cells_without_a_number_stay_last(report: Report, reader: Reader) -> None:
    rows = of_csv(report, "rates")
    lacking = [place for place, row in enumerate(rows) if not row["gaussian.digits.ours"]]
    assert len(lacking) == 1
    found = table(reader().open(report.study), "rates")
    one = head(found, "gaussian.digits.ours")
    for told in ("ascending", "descending"):
        one.click()
        expect(one).to_have_attribute("aria-sort", told)
        last = found.locator("tbody tr").last
        assert "diverged" in last.inner_text()
        assert last.locator("a.number").count() == 0
        assert found.locator("tbody tr").first.locator("a.number").count() == 1


def test_widths_sort_as_numbers(report: Report, reader: Reader) -> None:
    found = table(reader().open(report.study), "widths")
    one = head(found, "hidden_units")
    rising = [str(width) for width in WIDTHS]
    for told, expected in (("ascending", rising), ("descending", rising[::-1])):
        one.click()
        expect(one).to_have_attribute("aria-sort", told)
        shown = [row.locator("th").first.inner_text() for row in found.locator("tbody tr").all()]
        assert shown == expected


def test_every_number_is_that_of_the_file(report: Report, reader: Reader) -> None:
    page = reader().open(report.study)
    for experiment in ("widths", "rates"):
        found = table(page, experiment)
        names = [
            one.get_attribute("data-name") for one in found.locator("thead th[data-name]").all()
        ]
        compared = 0
        for row, line in zip(
            found.locator("tbody tr").all(), of_csv(report, experiment), strict=True
        ):
            cells = row.locator("th, td").all()
            for name, cell in zip(names, cells, strict=True):
                assert name is not None
                if name.rpartition(".")[2] not in ("ours", "published", "difference"):
                    continue
                if line[name]:
                    assert float(cell.get_attribute("data-order") or "nan") == float(line[name])
                    compared += 1
                else:
                    assert not cell.get_attribute("data-order")
        assert compared == sum(
            bool(line[name or ""])
            for line in of_csv(report, experiment)
            for name in names
            if (name or "").rpartition(".")[2] in ("ours", "published", "difference")
        )
        assert compared > 0


def test_differences_are_tinted_by_their_size(report: Report, reader: Reader) -> None:
    rows = of_csv(report, "widths")
    found = table(reader().open(report.study), "widths")
    differences = [
        float(row[f"{likelihood}.digits.difference"])
        for row in rows
        for likelihood in ("gaussian", "binomial")
        if row[f"{likelihood}.digits.difference"]
    ]
    largest = max(map(abs, differences))
    heats = found.locator(".heat")
    assert heats.count() == len(differences) == 8
    for cell in heats.all():
        heat = float(cell.evaluate("one => getComputedStyle(one).getPropertyValue('--heat')"))
        value = float(cell.get_attribute("data-order") or "nan")
        # Of bounds, the higher is the better.
        assert heat == pytest.approx(value / largest, abs=0.002)
        assert -1 <= heat <= 1
        sign = cell.inner_text().strip()[0]
        assert sign == ("+" if value > 0 else "\N{MINUS SIGN}")
    assert {
        cell.evaluate("one => getComputedStyle(one).backgroundColor") for cell in heats.all()
    } - {"rgba(0, 0, 0, 0)"}


def test_rows_can_be_searched(report: Report, reader: Reader) -> None:
    page = reader().open(report.study)
    found = table(page, "widths")
    field = page.locator("#tiny-widths input[type='search']")
    assert field.get_attribute("aria-label")
    field.fill("nothing like this")
    assert found.locator("a.number").count() == 0
    field.fill("")
    assert found.locator("tbody tr").count() == len(WIDTHS)
