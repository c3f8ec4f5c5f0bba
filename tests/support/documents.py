"""An HTML page as a test reads it: whether its elements nest, and what they are and refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Self

VOID = {"meta", "link", "br", "img", "hr", "input", "col"}
OF_ADDRESSES = {"href", "src", "action", "poster", "data-provenance", "data-tables"}


@dataclass
class Element:
    """One element with its attributes and all text inside of it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def has(self, word: str) -> bool:
        """Whether it is of that class."""
        return word in self.attributes.get("class", "").split()


class Document(HTMLParser):
    """Every element in the order of the text; an element that is not closed is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert [one.tag for one in self._open] == []

    @classmethod
    def of(cls, path: Path) -> Self:
        return cls(path.read_text())

    @property
    def ids(self) -> list[str]:
        return [one.attributes["id"] for one in self.elements if "id" in one.attributes]

    @property
    def addresses(self) -> list[str]:
        """Everything that a browser would follow or load."""
        return [
            value
            for one in self.elements
            for name, value in one.attributes.items()
            if name in OF_ADDRESSES
        ]

    def all(self, tag: str, word: str | None = None) -> list[Element]:
        """The elements of that tag, and of that class where one is given."""
        found = (one for one in self.elements if one.tag == tag)
        return [one for one in found if word is None or one.has(word)]

    def by_id(self, name: str) -> Element:
        (found,) = [one for one in self.elements if one.attributes.get("id") == name]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        for one in self._open:
            one.inside.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.text += data
