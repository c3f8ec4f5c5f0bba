"""A guide as a reader follows it: the files that it says to write and the commands, in its order.

Of a document, a code block with a title is a file: all of it, or what is added where the title says
"at its end". Lines of a block of ``sh`` are commands. Other blocks are for reading.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.checkout import ROOT, Checkout

_BLOCK = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_AT_ITS_END = ", at its end"


@dataclass(frozen=True)
class Step:
    """A file to write, or to add to, or a command to run."""

    file: str | None
    text: str
    adds: bool = False


@dataclass
class Followed:
    """A checkout in which a guide was followed, and what its commands said.

    Attributes
    ----------
    said:
        Of every command, in order.
    seconds:
        What each took.
    """

    checkout: Checkout
    said: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def only(self, part: str) -> str:
        """What the only command with this part said."""
        (found,) = [text for line, texts in self.said.items() if part in line for text in texts]
        return found


def steps_of(document: str) -> Iterator[Step]:
    """The steps of a guide in ``docs``."""
    for language, title, text in _BLOCK.findall((ROOT / "docs" / document).read_text()):
        if title:
            file = title.removesuffix(_AT_ITS_END)
            yield Step(file, text, adds=file != title)
        elif language == "sh":
            for line in text.splitlines():
                yield Step(None, line)


def follow(document: str, folder: Path) -> Followed:
    """Follow a guide in a committed copy of the project in ``folder``; every command must succeed.

    What commands said is in ``said``; files that it made lie in the copy.
    """
    checkout = project(folder)
    followed = Followed(checkout)
    for step in steps_of(document):
        if step.file is None:
            started = time.perf_counter()
            said = checkout.must(step.text)
            taken = time.perf_counter() - started
            followed.said.setdefault(step.text, []).append(said)
            followed.seconds[step.text] = followed.seconds.get(step.text, 0) + taken
            continue
        path = checkout.folder / step.file
        assert path.exists() == step.adds, f"{document} says to write {step.file} anew"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(step.text)
    return followed


def project(folder: Path) -> Checkout:
    """A copy of the whole project, as a clone has it but without documents, committed."""
    checkout = Checkout(folder)
    (folder / "tiny.yaml").unlink()
    shutil.copy(ROOT / "config.yaml", folder)
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=hidden)
    checkout.commit("The project")
    return checkout
