"""Every word and every picture of the pages is the one that the report's code puts there."""

from __future__ import annotations

from pathlib import Path

import pytest
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
        ("assets/provenance-tiny.js", '"seed":0', '"seed":1'),
        ("figures/*/captions.json", '"caption": "', '"caption": "Best: '),
    ],
)
def test_nothing_of_the_pages_can_be_forged(
    world: World, name: str, honest: str, other: str
) -> None:
    path = world.file(f"{FOLDER}/{name}")
    text = path.read_text()
    assert forged(world, path, text.replace(honest, other, 1).encode())


def test_pictures_are_those_of_the_figures(world: World) -> None:
    path = world.file(f"{FOLDER}/figures/*/*/*/*.png", f"{FOLDER}/figures/*/*/*/*.svg")
    assert forged(world, path, path.read_bytes() + b"another picture")
    assert world.audit().findings == ()
