"""A guide as a reader follows it: the files that it says to write and the commands, in its order.

Of a document, a code block with a title is a file: all of it, or what is added where the title says
"at its end". Rendered, titles are not shown, so the line before the block names the file as well.
Lines of a block of ``sh`` are commands. Other blocks are for reading.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.checkout import ROOT, Checkout
from support.studies import take_joins_out

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
    """

    checkout: Checkout
    said: dict[str, list[str]] = field(default_factory=dict)

    def only(self, part: str) -> str:
        """What the only command with this part said."""
        (found,) = [text for line, texts in self.said.items() if part in line for text in texts]
        return found


def steps_of(document: str) -> Iterator[Step]:
    """The steps of a guide in ``docs``."""
    return steps_in((ROOT / "docs" / document).read_text())


def steps_in(text: str) -> Iterator[Step]:
    """The steps of a guide with this text."""
    for block in _BLOCK.finditer(text):
        language, title, content = block.groups()
        if title:
            file = title.removesuffix(_AT_ITS_END)
            adds = file != title
            before = text[: block.start()].rstrip().splitlines()[-1:]
            named = f"t the end of `{file}`:" if adds else f"`{file}`"
            assert any(named in line for line in before), f"no line before it names {title}"
            yield Step(file, content, adds)
        elif language == "sh":
            for line in content.splitlines():
                yield Step(None, line)


def follow(document: str, folder: Path) -> Followed:
    """Follow a guide in a committed copy of the project in ``folder``; every command must succeed.

    What commands said is in ``said``; files that it made lie in the copy.
    """
    steps = list(steps_of(document))
    followed = Followed(project(folder, steps))
    for step in steps:
        if step.file is None:
            said = followed.checkout.must(step.text)
            followed.said.setdefault(step.text, []).append(said)
        else:
            write(step, folder)
    return followed


def write(step: Step, folder: Path) -> None:
    """Write or add to the file of a step; one is new, the other there."""
    assert step.file is not None
    path = folder / step.file
    assert path.exists() == step.adds, f"the guide says to write {step.file} anew"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(step.text)


def project(folder: Path, steps: Iterable[Step]) -> Checkout:
    """A copy of the whole project, as a clone has it but without documents, committed.

    What a guide with these steps makes is not in it, and no model joins a study, so that guides
    can be followed anew where somebody has followed them.
    """
    checkout = Checkout(folder)
    (folder / "tiny.yaml").unlink()
    shutil.copy(ROOT / "config.yaml", folder)
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=hidden)
    take_joins_out(folder / "workflow_src")
    for step in steps:
        if step.file is not None:
            _undo(step, folder / step.file)
    checkout.commit("The project")
    return checkout


def _undo(step: Step, path: Path) -> None:
    """Bring a file to what it was before the step."""
    if step.adds:
        path.write_text(path.read_text().replace(step.text, ""))
    else:
        path.unlink(missing_ok=True)
