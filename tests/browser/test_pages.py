"""Every page opens from disk wherever the folder lies, whole, on any screen and on paper."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page
from support.chromium import Visit
from support.page_world import Report

Reader = Callable[..., Visit]
SCHEMES = ["light", "dark"]
NARROW = {"width": 360, "height": 740}


def scrolled_through(page: Page) -> Page:
    """The page after all of it was seen, so that what waits for that is there."""
    page.evaluate(
        """async () => {
          for (let y = 0; y < document.scrollingElement.scrollHeight; y += innerHeight / 2) {
            scrollTo({top: y, behavior: "instant"});
            await new Promise((done) => setTimeout(done, 50));
          }
          scrollTo({top: 0, behavior: "instant"});
        }"""
    )
    page.wait_for_function(
        """() => [...document.querySelectorAll("table.comparison[data-table]")]
          .every((table) => table.querySelector("th[aria-sort], th.dt-orderable-asc"))"""
    )
    return page


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_open_without_a_complaint(report: Report, reader: Reader, scheme: str) -> None:
    assert len(report.pages) == 2
    visit = reader(color_scheme=scheme)
    for path in report.pages:
        page = scrolled_through(visit.open(path))
        assert page.title()
        assert page.locator("main h1").count() == 1
        page.close()


def test_all_images_are_there(report: Report, reader: Reader) -> None:
    visit = reader()
    shown = set()
    for path in report.pages:
        page = scrolled_through(visit.open(path))
        page.wait_for_function("() => [...document.images].every((one) => one.complete)")
        for image in page.locator("img").all():
            assert image.evaluate("one => one.naturalWidth") > 0
            assert image.get_attribute("alt")
            shown.add(unquote(urlsplit(image.evaluate("one => one.src")).path))
    drawn = {
        path.as_posix()
        for path in report.folder.rglob("figures/**/*")
        if path.suffix in (".png", ".svg")
    }
    assert len(drawn) >= 3
    assert shown == drawn


def test_captions_are_those_of_the_figures(report: Report, reader: Reader) -> None:
    (path,) = report.folder.glob("figures/*/captions.json")
    page = reader().open(report.study)
    for name, said in json.loads(path.read_text()).items():
        figure = page.locator(f"figure:has(img[src*='{name}.'])")
        told = " ".join(figure.locator("figcaption").inner_text().split())
        assert told.startswith(said["title"])
        assert told.endswith(said["caption"].replace("-", "\N{MINUS SIGN}")) or (
            said["caption"] in told
        )


def test_every_link_stays_in_the_folder_and_leads_somewhere(report: Report, reader: Reader) -> None:
    visit = reader()
    pages = {path: visit.open(path) for path in report.pages}
    anchors = {
        path: set(page.evaluate("() => [...document.querySelectorAll('[id]')].map((e) => e.id)"))
        for path, page in pages.items()
    }
    followed = 0
    for page in pages.values():
        targets = page.evaluate(
            """() => [...document.querySelectorAll("[href], [src]")]
              .map((one) => one.href || one.src)"""
        )
        for target in targets:
            parts = urlsplit(target)
            if parts.scheme in ("data", "blob"):
                continue
            place = Path(unquote(parts.path))
            assert parts.scheme == "file"
            assert place.is_relative_to(report.folder)
            assert place.is_file()
            if parts.fragment:
                assert unquote(parts.fragment) in anchors[place], target
            followed += 1
    assert followed > 50


def test_names_of_places_are_not_given_twice(report: Report, reader: Reader) -> None:
    visit = reader()
    for path in report.pages:
        names = visit.open(path).evaluate(
            "() => [...document.querySelectorAll('[id]')].map((e) => e.id)"
        )
        assert len(names) == len(set(names))


def test_nothing_tells_of_this_machines_folders(report: Report) -> None:
    # But for settings in the manifest as they were given, and for the commands that make a number
    # again, which begin with the repository that was at hand.
    told = [path for path in report.folder.rglob("*") if path.suffix in (".html", ".svg")]
    for path in [*told, *report.folder.glob("figures/*/captions.json")]:
        assert str(report.root) not in path.read_text()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_narrow_screen_scrolls_down_alone(report: Report, reader: Reader, scheme: str) -> None:
    visit = reader(viewport=NARROW, color_scheme=scheme, is_mobile=True, has_touch=True)
    for path in report.pages:
        page = scrolled_through(visit.open(path))
        for detail in page.locator("details").all():
            detail.evaluate("one => { one.open = true; }")
        width, seen = page.evaluate("() => [document.scrollingElement.scrollWidth, innerWidth]")
        assert seen == NARROW["width"]
        assert width <= seen


def test_wide_tables_scroll_within_themselves(report: Report, reader: Reader) -> None:
    page = scrolled_through(reader(viewport=NARROW).open(report.study))
    box = page.locator("table[data-table='tiny-widths']").locator(
        "xpath=ancestor::*[@tabindex='0'][1]"
    )
    inside, shown = box.evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert inside > shown
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.activeElement.scrollLeft > 0")


def test_paper_has_the_tables_and_no_buttons(report: Report, reader: Reader) -> None:
    visit = reader(color_scheme="dark")
    for path in report.pages:
        page = visit.open(path)
        page.emulate_media(media="print")
        assert not page.locator("#theme").is_visible()
        assert not page.locator("header nav").is_visible()
        assert page.locator("main h1").is_visible()
        for button in page.locator("button").all():
            assert not button.is_visible()
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(255, 255, 255)"
        for table in page.locator("table.comparison").all():
            assert table.is_visible()
            # What would scroll on a screen is cut off on paper.
            box = table.locator("xpath=ancestor::*[@tabindex='0'][1]")
            assert box.evaluate("one => getComputedStyle(one).overflowX") == "visible"
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_who_wants_no_motion_has_none(report: Report, reader: Reader) -> None:
    visit = reader(reduced_motion="reduce")
    for path in report.pages:
        moving = visit.open(path).evaluate(
            """() => [...document.querySelectorAll("*")].filter((one) => {
              const style = getComputedStyle(one);
              const lasts = (text) => text.split(",").some((part) => parseFloat(part) > 0.01);
              return lasts(style.transitionDuration) || lasts(style.animationDuration)
                || style.scrollBehavior === "smooth";
            }).length"""
        )
        assert moving == 0


def test_contents_tell_where_the_reader_is(report: Report, reader: Reader) -> None:
    visit = reader(viewport={"width": 1280, "height": 700}, reduced_motion="reduce")
    current = """() => [...document.querySelectorAll(".contents a[aria-current]")]
      .map((one) => one.hash)"""
    for path in report.pages:
        page = scrolled_through(visit.open(path))
        links = page.evaluate(
            "() => [...document.querySelectorAll('.contents a')].map((a) => a.hash)"
        )
        page.evaluate("() => scrollTo(0, document.scrollingElement.scrollHeight)")
        page.wait_for_function(f"(last) => String(({current})()) === last", arg=links[-1])
        for place in links:
            tops = page.evaluate(
                """(place) => {
                  document.querySelector(place).scrollIntoView({behavior: "instant"});
                  const page = document.scrollingElement;
                  return page.scrollTop + innerHeight < page.scrollHeight - 3;
                }""",
                place,
            )
            expected = place if tops else links[-1]
            page.wait_for_function(f"(one) => String(({current})()) === one", arg=expected)


def test_an_address_that_is_none_harms_nothing(report: Report, reader: Reader) -> None:
    page = reader().context.new_page()
    page.goto(f"{report.study.as_uri()}#%")
    # What listens to addresses is there all the same.
    folded = page.locator("#tiny-widths details.sources")
    assert folded.get_attribute("open") is None
    row = folded.locator("tr[id]").first.get_attribute("id")
    page.evaluate("(row) => { location.hash = row; }", row)
    page.wait_for_function("() => document.querySelector('#tiny-widths details.sources').open")


def test_all_pages_are_in_sight_on_a_narrow_screen(report: Report, reader: Reader) -> None:
    visit = reader(viewport=NARROW)
    page = visit.open(report.study)
    # As many as the demo has, and more.
    page.evaluate(
        """() => {
          const nav = document.querySelector("header nav");
          for (let i = 0; i < 6; i += 1) nav.append(nav.lastElementChild.cloneNode(true));
        }"""
    )
    for link in page.locator("header nav a").all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= NARROW["width"]
