"""Text files that git left with an unresolved merge conflict: refused by name, before parsing."""

from __future__ import annotations

import re

from workflow_src.errors import UserError

_BEGIN = re.compile(r"^<{7} .*$", re.MULTILINE)
_END = re.compile(r"^>{7} .*$", re.MULTILINE)


def conflict_line(text: str) -> int | None:
    """The line, counted from one, where the first conflict begins; None where there is none."""
    begin = _BEGIN.search(text)
    if begin is None or _END.search(text, begin.end()) is None:
        return None
    return text.count("\n", 0, begin.start()) + 1


def refuse_conflict(text: str, path: str, *, line_sign: str = ", line ") -> None:
    """Raise a `UserError` where ``text``, the content of ``path``, holds conflict markers."""
    line = conflict_line(text)
    if line is not None:
        raise UserError(
            "unresolved merge conflict",
            place=f"{path}{line_sign}{line}",
            remedy="choose what to keep, take the marker lines away, and `git add` the file; "
            "or `git merge --abort`",
        )
