"""Fake SLURM tools on PATH, and a driver of the test."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from workflow_src.cluster import drivers, status, submission
from workflow_src.cluster.drivers import Driver
from workflow_src.jobs.journal import DRIVER_VARIABLE

RUN = "density-bench_0b0e0d0c"
DIGEST = "0123456789abcdef"
COMMENT = f"rule_train_shard_wildcards_{DIGEST}"

_SCRIPT = """#!/bin/sh
here={here}
for word in "$@"; do printf '%s\\037' "$word"; done >> $here/{name}.calls
echo >> $here/{name}.calls
at=$(($(cat $here/{name}.count 2>/dev/null || echo 0) + 1))
echo $at > $here/{name}.count
[ -e $here/{name}.$at.code ] || at=last
cat > $here/{name}.stdin
cat $here/{name}.$at.out
cat $here/{name}.$at.err >&2
exit $(cat $here/{name}.$at.code)
"""


class Tools:
    """Programs that answer what a test wants and remember how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def answer(self, name: str, *answers: str | tuple[str, int]) -> None:
        """Let ``name`` answer these in turn, the last for ever.

        A text is printed; a text with a code is an error.
        """
        for path in self.folder.glob(f"{name}.*"):
            path.unlink()
        for at, given in enumerate(answers, start=1):
            text, code = (given, 0) if isinstance(given, str) else given
            for number in [str(at)] + ["last"] * (at == len(answers)):
                (self.folder / f"{name}.{number}.out").write_text("" if code else text)
                (self.folder / f"{name}.{number}.err").write_text(text if code else "")
                (self.folder / f"{name}.{number}.code").write_text(str(code))
        path = self.folder / name
        path.write_text(_SCRIPT.format(here=shlex.quote(str(self.folder)), name=name))
        path.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        """The words of every call."""
        path = self.folder / f"{name}.calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split("\037")[:-1] for line in lines]

    def stdin(self, name: str) -> str:
        """What the last call was given on its standard input."""
        return (self.folder / f"{name}.stdin").read_text()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """The fakes; there is no other SLURM on PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    for name in ("sh", "cat"):
        found = next(Path(f) / name for f in os.get_exec_path() if (Path(f) / name).exists())
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    return Tools(folder)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """This process as a driver; PATH and environment are as before afterwards."""
    monkeypatch.setenv(DRIVER_VARIABLE, "")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    return drivers.register(tmp_path / "results", [])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses, and little patience."""
    monkeypatch.setattr(submission, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(submission, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(submission, "UNREACHABLE_PATIENCE", 5.0)
    monkeypatch.setattr(status, "_PAUSE", 0.01)


def line(
    job: str, state: str, comment: str = COMMENT, run: str = RUN, directory: str = "/work"
) -> str:
    """A line of squeue as it is asked for."""
    return f"{job}|{state}|{run}|{comment}|{directory}\n"
