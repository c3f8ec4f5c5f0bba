"""A number leads to the very runs, files and commands that it was made with."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support import chromium
from support.chromium import Visit
from support.page_world import SEEDS, Report

Reader = Callable[..., Visit]


def winners(report: Report, link: Locator) -> list[Mapping[str, Any]]:
    """The records of the runs behind a number, by the way of its evaluations' records."""
    names = (link.get_attribute("data-evaluations") or "").split()
    assert len(names) == len(SEEDS)
    found = []
    for name in names:
        (path,) = report.root.glob(f"results/evaluations/*/*/*-{name}/evaluation.json")
        winner = json.loads(path.read_text())["content"]["winner"]
        (path,) = report.root.glob(f"results/runs/*/*/*-{winner}/run.json")
        record = json.loads(path.read_text())
        assert record["fingerprint"] == winner
        found.append(record)
    return found


def opened(page: Page) -> Locator:
    dialog = page.locator("dialog#provenance[open]")
    dialog.locator("section").first.wait_for()
    for detail in dialog.locator("details").all():
        detail.evaluate("one => { one.open = true; }")
    return dialog


@pytest.fixture
def page(report: Report, reader: Reader) -> Page:
    made = reader().open(report.study)
    tables = made.locator("table.comparison[data-table]")
    for table in tables.all():
        table.scroll_into_view_if_needed()
        expect(table).to_have_attribute("data-upgraded", "done")
    return made


@pytest.mark.parametrize("by", ["click", "Enter"])
def test_it_names_run_checkpoint_seed_commit_and_data(report: Report, page: Page, by: str) -> None:
    link = page.locator("a.number[data-evaluations]").first
    if by == "click":
        link.click()
    else:
        link.focus()
        page.keyboard.press(by)
    dialog = opened(page)
    records = winners(report, link)
    sections = dialog.locator(".origins > section").all()
    assert len(sections) == len(records)
    for section, record in zip(sections, records, strict=True):
        told = section.inner_text()
        content = record["content"]
        assert record["fingerprint"] in told
        assert record["outputs"]["checkpoint.safetensors"]["sha256"] in told
        assert f"Seed {content['spec']['seed']}" in told
        assert content["code"]["digest"] in told
        assert content["data"] in told
        assert record["machine"]["host"] in told
        commit = record["git"]["commit"]
        if commit is not None:
            assert commit in told
            assert ("uncommitted" in told.lower()) or not record["git"]["dirty"]
        directory = next(report.root.glob(f"results/runs/*/*/*-{record['fingerprint']}"))
        assert directory.relative_to(report.root).as_posix() in told
    assert [record["content"]["spec"]["seed"] for record in records] == SEEDS


def test_all_numbers_lead_to_their_own_evaluations(report: Report, page: Page) -> None:
    links = page.locator("a.number[data-evaluations]").all()
    assert len(links) == 2 * 8 + 2
    for link in links[:3] + links[-2:]:
        link.scroll_into_view_if_needed()
        link.click()
        told = opened(page).inner_text()
        for record in winners(report, link):
            assert record["outputs"]["checkpoint.safetensors"]["sha256"] in told
        page.keyboard.press("Escape")


def test_the_value_is_the_mean_of_what_the_evaluations_say(report: Report, page: Page) -> None:
    for link in page.locator("a.number[data-evaluations]").all():
        values = []
        for name in (link.get_attribute("data-evaluations") or "").split():
            (path,) = report.root.glob(f"results/evaluations/*/*/*-{name}/evaluation.json")
            rows = [
                row
                for row in json.loads(path.read_text())["content"]["metrics"]
                if row["metric"] == "test_bound"
            ]
            values.append(max(rows, key=lambda row: row["importance_samples"])["value"])
        shown = float(link.inner_text().replace("\N{MINUS SIGN}", "-").replace(",", ""))
        assert shown == pytest.approx(sum(values) / len(values), abs=0.005001)


def test_it_begins_with_the_mean_and_what_it_is_the_mean_of(report: Report, page: Page) -> None:
    link = page.locator("a.number[data-evaluations]").first
    link.click()
    dialog = opened(page)
    values = []
    for name in (link.get_attribute("data-evaluations") or "").split():
        (path,) = report.root.glob(f"results/evaluations/*/*/*-{name}/evaluation.json")
        rows = json.loads(path.read_text())["content"]["metrics"]
        bounds = [row for row in rows if row["metric"] == "test_bound"]
        values.append(max(bounds, key=lambda row: row["importance_samples"])["value"])
    texts = [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in values]
    parts = [f"{text} (seed {seed})" for text, seed in zip(texts, SEEDS, strict=True)]
    first = dialog.locator(".origins > :first-child").inner_text()
    assert first == f"{link.inner_text()} nats = mean of {' and '.join(parts)}"
    summaries = dialog.locator(".origins > section > details > summary").all_inner_texts()
    for seed, text, told in zip(SEEDS, texts, summaries, strict=True):
        assert told.startswith(f"Seed {seed}: {text} ")
        assert "nats" in told


def test_what_could_not_be_read_is_read_at_the_next_time(
    report: Report, browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    shutil.copytree(report.folder, folder)
    script = folder / "assets" / "provenance-tiny.js"
    script.rename(tmp_path / "away.js")
    with chromium.visit(browser) as visit:
        page = visit.open(folder / "tiny.html")
        page.locator("a.number[data-evaluations]").first.click()
        page.get_by_text("is not beside this page").wait_for()
        page.keyboard.press("Escape")
        (tmp_path / "away.js").rename(script)
        page.locator("a.number[data-evaluations]").first.click()
        assert opened(page).locator("section").count() == len(SEEDS)


def test_escape_and_the_button_close_it_and_the_number_is_focused_again(page: Page) -> None:
    link = page.locator("a.number[data-evaluations]").nth(3)
    focused = "() => document.activeElement.getAttribute('href')"
    for leave in (
        lambda dialog: page.keyboard.press("Escape"),
        lambda dialog: dialog.locator("button.close").click(),
    ):
        link.focus()
        page.keyboard.press("Enter")
        dialog = opened(page)
        inside = "() => document.querySelector('#provenance').contains(document.activeElement)"
        assert page.evaluate(inside)
        leave(dialog)
        page.locator("dialog#provenance:not([open])").wait_for(state="attached")
        assert page.evaluate(focused) == link.get_attribute("href")


def test_what_lies_below_cannot_be_reached_meanwhile(page: Page) -> None:
    page.locator("a.number[data-evaluations]").first.click()
    opened(page)
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(
            """() => document.activeElement === document.body
              || document.querySelector("#provenance").contains(document.activeElement)"""
        )


def test_commands_that_make_it_again_can_be_copied(report: Report, reader: Reader) -> None:
    visit = reader(permissions=["clipboard-read", "clipboard-write"])
    page = visit.open(report.study)
    link = page.locator("a.number[data-evaluations]").first
    link.click()
    box = opened(page).locator(".commands").first
    text = box.locator("pre").inner_text()
    assert "python -m workflow_src" in text or "snakemake" in text
    box.locator("button").click()
    box.get_by_text("Copied").wait_for()
    assert page.evaluate("() => navigator.clipboard.readText()").strip() == text.strip()


def test_a_cell_without_a_number_says_why(report: Report, page: Page) -> None:
    (row,) = [
        one
        for one in page.locator("table[data-table='tiny-rates'] tbody tr").all()
        if one.locator("a.number").count() == 0
    ]
    assert "diverged" in row.inner_text()
    told = page.locator("#missing").inner_text()
    assert "diverged" in told
    for path in report.root.glob("results/runs/*/*/*/run.json"):
        record = json.loads(path.read_text())
        if record["content"]["status"]["state"] == "diverged":
            assert record["content"]["spec"]["learning_rate"] == 1e30


def test_what_the_page_loads_is_what_the_records_say(report: Report) -> None:
    text = (report.folder / "assets" / "provenance-tiny.js").read_text()
    packed = text[text.index('("') + 2 : text.rindex('")')]
    known = json.loads(gzip.decompress(base64.b64decode(packed)))
    records = [
        json.loads(path.read_text())
        for path in report.root.glob("results/evaluations/*/*/*/evaluation.json")
    ]
    assert set(known["evaluations"]) == {one["fingerprint"] for one in records}
    for one in records:
        winner = one["content"]["winner"]
        line = known["evaluations"][one["fingerprint"]]
        assert (line["run"] or {}).get("fingerprint") == winner
        assert line["seed"] == one["content"]["axes"]["seed"]


def test_the_folder_is_read_from_the_copy(report: Report) -> None:
    assert not report.folder.is_relative_to(report.root)
    assert not (report.folder.parent / "tables").exists()
    assert Path(report.folder / "assets" / "report.js").is_file()
