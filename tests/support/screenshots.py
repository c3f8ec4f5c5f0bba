"""Pictures of a report for the documents, taken in Chromium: ``make screenshots``.

Names the folder of a report on the command line; writes `PICTURES` to docs/images, unless a page
shows what is of one machine, or numbers of code that is in no commit.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import chromium
from workflow_src.storage import replacing_file

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = ("report", "study", "provenance", "dark", "narrow")
LARGEST = 200_000
"""Bytes of one picture."""

OF_A_MACHINE = re.compile(r"(?<![\w.~-])/(?:root|tmp|work|home)\b[^\s'\"]*|\b[Nn]o commit\b")
"""What no picture may show: a path of one machine, or a number whose code cannot be had again."""

_COLOURS = (256, 128, 64, 32)
# Images further down are loaded when the reader comes there.
_SEEN = """() => [...document.images].every((one) => {
  const place = one.getBoundingClientRect();
  return one.complete || place.bottom < 0 || place.top > innerHeight;
})"""
_WINDOW = {"width": 1280, "height": 860}
_TELEPHONE = {"width": 390, "height": 844}


def main(words: list[str]) -> int:
    """Take all pictures of the report in the folder that the one word names."""
    folder = Path(words[0] if words else "results/report").resolve()
    overview = folder / "index.html"
    if len(words) > 1 or not overview.is_file():
        print(f"{overview} is not there; name the folder of a report", file=sys.stderr)
        return 2
    if chromium.program() is None:
        print(f"needs one of {', '.join(chromium.PROGRAMS)}", file=sys.stderr)
        return 2
    with chromium.started() as browser:
        try:
            pictures = taken(browser, folder)
        except NotToBeShownError as error:
            print(error, file=sys.stderr)
            return 2
    for name, data in pictures.items():
        with replacing_file(IMAGES / f"{name}.png") as temporary:
            temporary.write_bytes(data)
        print(f"{IMAGES / name}.png: {len(data):,} bytes")
    return 0


class NotToBeShownError(Exception):
    """A page holds a text that belongs into no picture."""


def refuse(page: str, text: str) -> None:
    """Raise `NotToBeShownError` if the text of a page holds what `OF_A_MACHINE` finds."""
    found = sorted(set(OF_A_MACHINE.findall(text)))
    if found:
        raise NotToBeShownError(
            f"{page} shows {', '.join(found)}; take the pictures of a report of results that were "
            "made in a clean clone, with paths relative to it"
        )


def taken(browser: Browser, folder: Path) -> dict[str, bytes]:
    """The pictures as files, by name."""
    overview = folder / "index.html"
    study = next(path for path in sorted(folder.glob("*.html"), reverse=True) if path != overview)
    made = {}
    with chromium.visit(browser, viewport=_WINDOW, color_scheme="light") as light:
        made["report"] = shot(light.open(overview))
        made["study"] = shot(at_first_table(light.open(study)))
        page = at_first_table(light.open(study))
        page.locator("a.number[data-evaluations]").first.click()
        page.locator("dialog#provenance section").first.wait_for()
        made["provenance"] = shot(page)
    with chromium.visit(browser, viewport=_WINDOW, color_scheme="dark") as dark:
        page = dark.open(study)
        page.locator("figure").first.evaluate("one => one.scrollIntoView({block: 'center'})")
        made["dark"] = shot(page)
    with chromium.visit(browser, viewport=_TELEPHONE, color_scheme="light") as narrow:
        made["narrow"] = shot(at_first_table(narrow.open(study)))
    return made


def at_first_table(page: Page) -> Page:
    """The page where its first experiment begins, when that can be sorted."""
    article = page.locator("article:has(table.comparison)").first
    article.evaluate("one => one.scrollIntoView({behavior: 'instant', block: 'start'})")
    page.locator("table.comparison[data-upgraded='done']").first.wait_for()
    return page


def shot(page: Page) -> bytes:
    """What the window shows, as a small PNG file, when nothing in it moves any more.

    Raises
    ------
    NotToBeShownError
        If the page's text, also below the window, holds what no picture may show.
    """
    refuse(Path(page.url).name, page.locator("body").inner_text())
    page.wait_for_function(_SEEN)
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as image:
        return smallest(image.convert("RGB"))


def smallest(image: Image.Image) -> bytes:
    """As a PNG with a palette: the most colours with which it stays below `LARGEST`."""
    for colours in _COLOURS:
        stream = io.BytesIO()
        # Rare colours, such as those of lines, stay what they are.
        way = Image.Quantize.MAXCOVERAGE
        palette = image.quantize(colours, way, kmeans=2, dither=Image.Dither.NONE)
        palette.save(stream, "PNG", optimize=True)
        if stream.tell() < LARGEST:
            break
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
