"""The real SLURM tools behind the commands of this project."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from workflow_src.errors import UserError

COMMANDS = Path(__file__).parent / "commands"
_DEFAULTS_OF_USERS = ("SACCT_", "SINFO_", "SQUEUE_")


class NoAnswerError(Exception):
    """A tool is not there, failed or took too long; the text says which."""


def real_tool(name: str) -> str | None:
    """The path of SLURM's own tool, or None where this machine has none."""
    return shutil.which(name, path=real_path())


def real_path() -> str:
    """PATH without the commands of this project, which jobs do not inherit either."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    own = os.path.realpath(COMMANDS)
    return os.pathsep.join(one for one in folders if one and os.path.realpath(one) != own)


def stand_before_slurm() -> None:
    """Put the commands of this project before SLURM's on the PATH of this process."""
    os.environ["PATH"] = os.pathsep.join([str(COMMANDS), real_path()])


def environment() -> dict[str, str]:
    """The environment that real tools run in."""
    return {**os.environ, "PATH": real_path()}


def question_environment() -> dict[str, str]:
    """That of questions: without the user's own defaults, such as `SQUEUE_STATES`."""
    kept = environment()
    return {name: kept[name] for name in kept if not name.startswith(_DEFAULTS_OF_USERS)}


def run_real(
    name: str, words: Sequence[str], *, timeout: float, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a real tool that answers a question to its end.

    Raises
    ------
    NoAnswerError
        If there is no such tool, or it takes longer than ``timeout`` seconds; it is then killed.
    """
    path = real_tool(name)
    if path is None:
        raise NoAnswerError(f"there is no {name} on this machine")
    try:
        return subprocess.run(
            [path, *words],
            env=question_environment(),
            capture_output=True,
            timeout=max(timeout, 0.1),
            input=b"" if stdin is None else stdin,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"{name} did not answer within {timeout:.0f} seconds") from None
    except OSError as error:
        raise NoAnswerError(f"{name} could not be started ({error.strerror})") from None


def ask(name: str, words: Sequence[str], *, timeout: float) -> str:
    """What a real tool prints.

    Raises
    ------
    NoAnswerError
        As `run_real`, and if the tool fails.
    """
    done = run_real(name, words, timeout=timeout)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise NoAnswerError(f"{name}: {' '.join(said.split())}")
    return done.stdout.decode(errors="replace")


def become_real(name: str, words: Sequence[str]) -> NoReturn:
    """Replace this process by the real tool.

    Raises
    ------
    UserError
        If there is none.
    """
    path = real_tool(name)
    if path is None:
        raise UserError(f"{name}: this machine has no such tool of SLURM")
    os.execve(path, [path, *words], environment())
