"""Both themes can be read, and all of it can be reached with the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from support.chromium import Visit
from support.page_world import Report

Reader = Callable[..., Visit]
SCHEMES = ["light", "dark"]

TEXTS = """() => {
  // Every element with text of its own that is shown, with its colour and those that lie below it.
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !one.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const below = [];
    for (let place = one; place; place = place.parentElement) {
      const style = getComputedStyle(place);
      below.push(style.backgroundColor);
      if (style.backgroundImage !== "none") below.push(style.backgroundImage);
    }
    found.push({
      colour: getComputedStyle(one).color,
      below,
      name: `${one.tagName.toLowerCase()}.${one.className}: ${one.textContent.trim().slice(0, 40)}`,
    });
  }
  return found;
}"""

PAINT = """(colours) => {
  // Colours as the browser itself paints them: red, green, blue, opacity, each from 0 to 255.
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  return colours.map((colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  });
}"""

Colour = tuple[float, float, float]


def luminance(colour: Colour) -> float:
    """The relative luminance of WCAG 2.2, of red, green and blue in [0, 255]."""
    parts = [value / 255 for value in colour]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def over(above: list[int], below: Colour) -> Colour:
    """A colour with opacity painted on another."""
    share = above[3] / 255
    red, green, blue = (
        share * new + (1 - share) * old for new, old in zip(above[:3], below, strict=True)
    )
    return red, green, blue


def colours_of(image: str) -> list[str]:
    """The colours of a gradient."""
    return re.findall(r"(?:rgba?|color|oklab|oklch|lab|color-mix)\([^()]*\)", image)


def poor_texts(page: Page, least: float) -> set[str]:
    """Texts that have less contrast to what lies below them, with their contrast."""
    texts = page.evaluate(TEXTS)
    known = {text["colour"] for text in texts}
    for text in texts:
        text["below"] = [
            colour
            for layer in text["below"]
            for colour in (colours_of(layer) if "gradient" in layer else [layer])
        ]
        known.update(text["below"])
    painted = dict(zip(known, page.evaluate(PAINT, list(known)), strict=True))
    canvas = page.evaluate(
        "() => matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255]"
    )
    poor = set()
    for text in texts:
        ground: Colour = tuple(canvas)
        for layer in reversed(text["below"]):
            ground = over(painted[layer], ground)
        ratio = contrast(over(painted[text["colour"]], ground), ground)
        if ratio < least:
            poor.add(f"{ratio:.2f} {text['name']}")
    return poor


def test_the_formula_is_that_of_wcag() -> None:
    black, white, grey = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), (118.0, 118.0, 118.0)
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, white) == pytest.approx(1)
    # The lightest grey that may stand on white: 4.54 by WCAG's own examples (#767676).
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_stand_out_from_what_is_below_them(
    report: Report, reader: Reader, scheme: str
) -> None:
    visit = reader(color_scheme=scheme)
    for path in report.pages:
        page = visit.open(path)
        page.evaluate(
            "() => document.querySelectorAll('details').forEach((d) => { d.open = true; })"
        )
        assert page.locator(".badge").count() > 0
        assert poor_texts(page, least=4.5) == set()


@pytest.mark.parametrize("heat", [-1, 1])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_numbers_can_be_read_on_the_strongest_tint(
    report: Report, reader: Reader, scheme: str, heat: int
) -> None:
    page = reader(color_scheme=scheme).open(report.study)
    assert page.locator(".heat").count() > 0
    page.evaluate(
        """(heat) => document.querySelectorAll(".heat")
          .forEach((one) => one.style.setProperty("--heat", heat))""",
        heat,
    )
    assert poor_texts(page, least=4.5) == set()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_origins_of_a_number_can_be_read(report: Report, reader: Reader, scheme: str) -> None:
    page = reader(color_scheme=scheme).open(report.study)
    page.locator("a.number[data-evaluations]").first.click()
    page.locator("dialog#provenance section").first.wait_for()
    assert poor_texts(page, least=4.5) == set()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_button_switches_the_theme(report: Report, reader: Reader, scheme: str) -> None:
    page = reader(color_scheme=scheme).open(report.study)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    other = SCHEMES[1 - SCHEMES.index(scheme)]
    before = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == other
    after = page.evaluate(ground)
    assert after != before
    assert poor_texts(page, least=4.5) == set()
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == scheme
    assert page.evaluate(ground) == before


def test_the_two_themes_are_dark_and_light(report: Report, reader: Reader) -> None:
    grounds = []
    for scheme in SCHEMES:
        page = reader(color_scheme=scheme).open(report.study)
        colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        (painted,) = page.evaluate(PAINT, [colour])
        grounds.append(luminance(tuple(painted[:3])))
    assert grounds[0] > 0.7
    assert grounds[1] < 0.05


def test_a_chosen_theme_lasts_on_the_next_page(report: Report, reader: Reader) -> None:
    visit = reader(color_scheme="light")
    page = visit.open(report.study)
    page.locator("#theme").click()
    page.goto((report.folder / "index.html").as_uri())
    # Pages from disk share their storage in Chromium; a browser where they have none forgets it.
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_the_keyboard_reaches_everything_in_its_order(report: Report, reader: Reader) -> None:
    page = reader().open(report.study)
    page.keyboard.press("Tab")
    first = page.evaluate("() => document.activeElement.getAttribute('href')")
    assert first == "#content"
    assert page.locator("a.skip").is_visible()
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"
    steps = 0
    while not page.evaluate("() => document.activeElement.matches('table.comparison *')"):
        page.keyboard.press("Tab")
        steps += 1
        assert steps < 20
    reached = set()
    wanted = page.locator("table[data-table='tiny-widths'] a.number").count()
    for _ in range(80):
        here = page.evaluate(
            """() => {
              const one = document.activeElement;
              const style = getComputedStyle(one);
              return one.matches("a.number")
                ? [one.getAttribute("href"), style.outlineStyle, parseFloat(style.outlineWidth)]
                : null;
            }"""
        )
        if here is not None and here[0].startswith("#tiny-widths"):
            reached.add(here[0])
            assert here[1] != "none"
            assert here[2] >= 1
        page.keyboard.press("Tab")
    assert len(reached) == wanted


def test_nothing_is_taken_out_of_order_and_everything_has_a_name(
    report: Report, reader: Reader
) -> None:
    visit = reader()
    for path in report.pages:
        page = visit.open(path)
        assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
        for control in page.locator("button, input, select").all():
            named = control.evaluate(
                "one => one.getAttribute('aria-label') || one.textContent.trim() || one.title"
                " || (one.labels && one.labels.length)"
            )
            assert named
        assert page.locator("html[lang]").count() == 1
        for name in ("main", "header"):
            assert page.locator(name).count() == 1


def test_badges_lead_from_the_overview_to_the_claims(report: Report, reader: Reader) -> None:
    visit = reader()
    page = visit.open(report.folder / "index.html")
    rows = page.locator("table.claims tbody tr")
    said = {}
    for row in rows.all():
        link = row.locator("a").first
        badges = [one.inner_text() for one in row.locator(".badge").all()]
        said[(link.get_attribute("href") or "").partition("#")[2]] = badges
    assert said.keys() == {f"tiny-claim-{name}" for name in ("larger", "smaller", "better")}
    # Nine hidden units have more parameters than two, whatever is learned.
    assert "holds" in " ".join(said["tiny-claim-larger"])
    assert "fails" in " ".join(said["tiny-claim-smaller"])
    for place, anchor in enumerate(said):
        page.goto((report.folder / "index.html").as_uri())
        rows.nth(place).locator("a").first.click()
        page.wait_for_url(f"**/tiny.html#{anchor}")
        claim = page.locator(f"section#{anchor}")
        assert claim.is_visible()
        top = claim.evaluate("one => one.getBoundingClientRect().top")
        assert 0 <= top < page.viewport_size["height"] if page.viewport_size else False
        shown = [one.inner_text() for one in claim.locator(".verdicts .badge").all()]
        assert set(shown) == set(said[anchor])
