"""The documents of the project as tests read them: code blocks, headings and links."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its language ("" if none), its text, and the line of its fence."""

    language: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """The lines of a block for a shell, without comments."""
        lines = (line.strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order, also those in lists."""
    text = page.read_text()
    fence = r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$"
    return [
        Block(found[2], textwrap.dedent(found[3]), text.count("\n", 0, found.start()) + 1)
        for found in re.finditer(fence, text, flags=re.DOTALL | re.MULTILINE)
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get where such pages are shown."""
    found: dict[str, int] = {}
    names = set()
    for title in re.findall(r"^#+ +(.+?) *$", prose(page), flags=re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        times = found.get(name, 0)
        found[name] = times + 1
        names.add(f"{name}-{times}" if times else name)
    return names


def links(page: Path) -> list[tuple[str, str]]:
    """Text and target of every link and picture of a page."""
    return re.findall(r"\[([^]]*)\]\(([^)\s]+)\)", prose(page))
