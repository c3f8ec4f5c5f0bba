"""The one place that runs git: without questions, in English, as free as can be of own settings.

A person's settings stay in force where they say how files are stored (line endings, ignored files,
trusted folders), and are overruled where they would change the form of what git prints. Variables
of a git command that runs around this process, such as a hook's, are kept away.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from workflow_src.errors import UserError

TIMEOUT = 60.0
"""Seconds that git has for an answer, where no others are given."""

_SETTINGS = (
    "color.ui=false",
    "core.fsmonitor=false",
    "core.quotePath=true",
    "diff.mnemonicPrefix=false",
    "diff.noprefix=false",
    f"diff.orderFile={os.devnull}",
    "diff.suppressBlankEmpty=false",
    "log.showSignature=false",
)
_OF_OTHERS = (
    "GIT_COMMON_DIR",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)


def git(
    root: Path,
    *words: str,
    text: bytes = b"",
    index: Path | None = None,
    timeout: float = TIMEOUT,
) -> bytes | None:
    """What git prints in the folder ``root``; None where it fails, is late, or is not there.

    Parameters
    ----------
    root:
        The folder to run in.
    words:
        The command with its options.
    text:
        What git reads.
    index:
        An index to use in the place of the repository's own.
    timeout:
        Seconds for the answer.
    """
    try:
        done = _run(root, words, text, index, timeout)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def git_text(root: Path, *words: str) -> str:
    """As `git`, as text without blanks around it; empty where git does not answer."""
    return (git(root, *words) or b"").decode(errors="replace").strip()


def has_commit(root: Path, commit: str) -> bool:
    """Whether the repository has a commit of this name."""
    return git(root, "cat-file", "-e", f"{commit}^{{commit}}") is not None


def must_git(root: Path, *words: str, timeout: float = TIMEOUT) -> bytes:
    """As `git`, where there is no way on without an answer.

    Raises
    ------
    UserError
        With git's own words in one line.
    """
    try:
        done = _run(root, words, b"", None, timeout)
    except FileNotFoundError:
        raise UserError("git is not installed", remedy="install git 2.25 or later") from None
    except subprocess.TimeoutExpired:
        problem = f"git {words[0]} did not end within {timeout:g} s"
        raise UserError(problem, place=str(root), remedy="start again") from None
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror})", place=str(root)) from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
        reason = "; ".join(line for line in said if line) or f"exit code {done.returncode}"
        raise UserError(f"git {words[0]} failed ({reason})", place=str(root))
    return done.stdout


def _run(
    root: Path, words: tuple[str, ...], text: bytes, index: Path | None, timeout: float
) -> subprocess.CompletedProcess[bytes]:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", "-C", str(root), "--no-optional-locks", "--no-pager", *settings, *words]
    environment = {name: value for name, value in os.environ.items() if name not in _OF_OTHERS}
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    return subprocess.run(
        command, input=text, capture_output=True, timeout=timeout, env=environment
    )
