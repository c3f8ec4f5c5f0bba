"""Programs on a terminal of their own, as a person would see them."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Seen:
    """What a program wrote to its terminal, and how it ended."""

    raw: str
    code: int

    @property
    def text(self) -> str:
        """Without codes for places and colours."""
        return _CODES.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        """What stood in lines, one after another, though later ones may have replaced earlier."""
        return [line.strip() for line in re.split(r"[\r\n]+", self.text) if line.strip()]

    @property
    def colours(self) -> set[str]:
        """The codes for colours; bold and the like are none."""
        numbers = {n for code in _COLOURS.findall(self.raw) for n in code[2:-1].split(";")}
        return {n for n in numbers if re.fullmatch(r"3[0-8]|4[0-8]|9\d|10\d", n)}


def seen(
    words: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    press: Callable[[str], bytes | None] = lambda text: None,
    columns: int = 160,
) -> Seen:
    """Run ``python words...`` in a folder on a terminal until it ends.

    ``press`` is asked, with all that is to be read so far, which keys to press now; each answer
    counts once.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    asked = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50"}
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=inherited
        | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        | asked
        | dict(environment or {}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    said, pressed, end = b"", set(), time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < end, said.decode(errors="replace")
        if select.select([ours], [], [], 0.1)[0]:
            try:
                chunk = os.read(ours, 1 << 16)
            except OSError:
                break
            if not chunk:
                break
            said += chunk
        keys = press(_CODES.sub("", said.decode(errors="replace")))
        if keys is not None and keys not in pressed:
            pressed.add(keys)
            os.write(ours, keys)
    os.close(ours)
    return Seen(said.decode(errors="replace"), process.wait(timeout=PATIENCE))


def _take_terminal() -> None:
    """Make the terminal that of the new session, so that its Ctrl-C is ours."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
