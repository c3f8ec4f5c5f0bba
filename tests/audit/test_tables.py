"""Every word and every picture of the page is the one that the report's code puts there."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from support.forging import settle
from support.spoiling import World

pytestmark = pytest.mark.workflow

PAGE = Path("results/report/index.html")


def forged(world: World, text: str) -> bool:
    """Whether a page with that text, which everything vouches for, is found."""
    before = PAGE.read_text()
    assert text != before
    PAGE.write_text(text)
    settle()
    findings = [one for one in world.audit().findings if one.place.startswith(str(PAGE))]
    PAGE.write_text(before)
    settle()
    return bool(findings)


def test_nothing_of_the_page_can_be_forged(world: World) -> None:
    page = PAGE.read_text()
    claim = "<p>The bound of the VAE is 1.0 nats.</p>"
    samples = f'  <p class="files">Samples and {claim}</p>\n</article>'
    assert forged(world, page.replace('<div class="figures">', f'<div class="figures">{claim}', 1))
    assert forged(world, page.replace("</article>", samples, 1))
    assert forged(world, page.replace("<figcaption><strong>", "<figcaption><strong>Best ", 1))
    assert forged(world, re.sub(r'(href="\.\./figures/)[^"]*', r"\1other.png", page, count=1))
    picture = base64.b64encode(b"another picture").decode()
    assert forged(world, re.sub(r"(;base64,)[^\"]*", rf"\g<1>{picture}", page, count=1))
    assert world.audit().findings == ()
