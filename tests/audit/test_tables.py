"""Every word and every picture of the pages is the one that the report's code puts there."""

from __future__ import annotations

import base64
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.forging import settle
from support.spoiling import World

pytestmark = pytest.mark.workflow

FOLDER = Path("results/report")
CLAIM = "<p>The bound of the VAE is 1.0 nats.</p>"


def forged(world: World, path: Path, data: bytes) -> bool:
    """Whether a file with that content, which everything vouches for, is found."""
    before = path.read_bytes()
    assert data != before
    path.write_bytes(data)
    settle()
    findings = [one for one in world.audit().findings if one.place.startswith(str(path))]
    path.write_bytes(before)
    settle()
    return bool(findings)


@pytest.mark.parametrize(
    ("name", "honest", "other"),
    [
        ("tiny.html", '<div class="figures">', f'<div class="figures">{CLAIM}'),
        ("tiny.html", "</article>", f"{CLAIM}</article>"),
        ("tiny.html", "<figcaption><strong>", "<figcaption><strong>Best "),
        ("tiny.html", 'class="number" href="#', 'class="number" href="#other-'),
        ("tiny.html", 'data-evaluations="', 'data-evaluations="0123456789abcdef '),
        ("tiny.html", 'src="figures/', 'src="figures/other/'),
        ("index.html", "</article>", f"{CLAIM}</article>"),
        ("index.html", 'class="badge ', 'class="badge best '),
        ("assets/style.css", "color-scheme: light dark;", "color-scheme: light;"),
        ("assets/report.js", "use strict", "use  strict"),
        ("assets/tables.js", 'densityBench.library("', 'alert(1);densityBench.library("'),
        ("assets/tables.js", 'densityBench.library("', 'densityBench.library( "'),
        ("figures/*/captions.json", '"caption": "', '"caption": "Best: '),
    ],
)
def test_nothing_of_the_pages_can_be_forged(
    world: World, name: str, honest: str, other: str
) -> None:
    path = world.file(f"{FOLDER}/{name}")
    text = path.read_text()
    assert forged(world, path, text.replace(honest, other, 1).encode())


@pytest.mark.parametrize(
    ("honest", "other"),
    [(b'"seed":0', b'"seed":1'), (b'"evaluations":{', b'"evaluations":{"a":{},')],
)
def test_origins_cannot_be_forged(world: World, honest: bytes, other: bytes) -> None:
    path = world.file(f"{FOLDER}/assets/provenance-tiny.js")
    call, packed, end = path.read_bytes().split(b'"')
    text = gzip.decompress(base64.b64decode(packed))
    assert honest in text
    again = base64.b64encode(gzip.compress(text.replace(honest, other, 1)))
    assert forged(world, path, b'"'.join((call, again, end)))


def test_origins_packed_otherwise_are_the_same(world: World) -> None:
    path = world.file(f"{FOLDER}/assets/provenance-tiny.js")
    call, packed, end = path.read_bytes().split(b'"')
    again = base64.b64encode(gzip.compress(gzip.decompress(base64.b64decode(packed)), 1, mtime=5))
    assert not forged(world, path, b'"'.join((call, again, end)))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_pictures_are_those_of_the_figures(world: World, kind: str) -> None:
    path = world.file(f"{FOLDER}/figures/*/*/*/*.{kind}")
    assert forged(world, path, path.read_bytes() + b"another picture")
    assert world.audit().findings == ()


def encoded(image: Image.Image, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="png", **settings)
    return stream.getvalue()


def test_pictures_are_compared_by_what_they_show(world: World) -> None:
    path = world.file(f"{FOLDER}/figures/*/*/*/*.png")
    with Image.open(path) as image:
        dots = image.info.get("dpi")
        colours = image.convert("RGB")
    told = {} if dots is None else {"dpi": dots}
    # Another version of Pillow or zlib packs the same pixels otherwise.
    assert not forged(world, path, encoded(colours, compress_level=1, **told))
    words = PngInfo()
    words.add_text("Comment", CLAIM)
    assert forged(world, path, encoded(colours, pnginfo=words, **told))
    assert forged(world, path, encoded(colours, dpi=(30, 30)))
    assert forged(world, path, encoded(colours.resize((9, 9)), **told))
    red, green, blue = colours.getpixel((3, 3))
    colours.putpixel((3, 3), (red, green, blue ^ 1))
    assert forged(world, path, encoded(colours, **told))
    assert forged(world, path, path.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [b"", b"no image", b"\x89PNG\r\n\x1a\nno image"])
def test_figures_that_are_no_images_are_told(world: World, damage: bytes) -> None:
    path = world.file("results/figures/*.png")
    path.write_bytes(damage)
    settle()
    texts = [one.text for one in world.audit().findings if one.place == str(path)]
    assert any("expected an image" in text for text in texts)
