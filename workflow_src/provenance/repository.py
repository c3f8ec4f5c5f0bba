"""The state of the source tree that a result was made from: commit and uncommitted changes.

Asked of git once per process, since a process runs the code that it started with. A tree without
git, or a machine without it, is a fact too and no error.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_COPIED_LIMIT = 1_000_000
_TIMEOUT = 20.0
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@functools.cache
def describe_repository(root: Path) -> dict[str, Any]:
    """Commit, and where the tree differs from it a digest, the file names and a copy.

    ``commit`` is None before the first commit; the whole answer is ``{"commit": None, "reason":
    ...}`` where git does not answer. ``difference`` is the copy, as ``git apply`` takes it, with
    bytes that are no UTF-8 as surrogates. New files above 1 MB are not in it, but in
    ``left_out_files``; of them the digest covers the name and the size.
    """
    if _git(root, "rev-parse", "--is-inside-work-tree") is None:
        return {"commit": None, "reason": "not a git work tree, or git does not answer"}
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    base = commit.decode().strip() if commit else None
    facts: dict[str, Any] = {"commit": base, "dirty": bool(status)}
    if status is None:
        return facts | {"dirty": None, "reason": "git status did not answer"}
    if status:
        facts |= _changes(root, base or _EMPTY_TREE, status)
    return facts


def _changes(root: Path, base: str, status: bytes) -> dict[str, Any]:
    top = Path(os.fsdecode((_git(root, "rev-parse", "--show-toplevel") or b".").strip()))
    entries = sorted(os.fsdecode(entry) for entry in status.split(b"\0") if entry)
    new = [entry[3:] for entry in entries if entry.startswith("??")]
    small = [name for name in new if _size(top / name) <= _COPIED_LIMIT]
    difference = _difference(root, top, base, small)
    left_out = [{"name": _printable(n), "bytes": _size(top / n)} for n in new if n not in small]
    return {
        "changes_digest": changes_digest(difference, left_out),
        "changed_files": [_printable(e[3:]) for e in entries if not e.startswith("??")],
        "new_files": [_printable(name) for name in new],
        "left_out_files": left_out,
        "difference": difference.decode(errors="surrogateescape"),
        "difference_bytes": len(difference),
    }


def changes_digest(difference: bytes, left_out: Iterable[Mapping[str, Any]] = ()) -> str:
    """The digest of uncommitted changes: of the copy, and of names and sizes of files not in it."""
    total = hashlib.sha256(difference)
    for one in left_out:
        total.update(os.fsencode(f"{one['name']}\0{one['bytes']}\0"))
    return total.hexdigest()


def _difference(root: Path, top: Path, base: str, new: list[str]) -> bytes:
    """The changes as ``git apply`` takes them, new files with them; the real index is untouched."""
    index = _git(root, "rev-parse", "--path-format=absolute", "--git-path", "index")
    with tempfile.TemporaryDirectory(prefix="density-bench-") as folder:
        copy = Path(folder) / "index"
        if index is not None:
            with contextlib.suppress(OSError):
                shutil.copyfile(os.fsdecode(index.strip()), copy)
        names = b"\0".join(os.fsencode(f":(top,literal){name}") for name in new)
        if names:
            listed = ("--pathspec-from-file=-", "--pathspec-file-nul")
            _git(top, "add", "--intent-to-add", *listed, index=copy, text=names)
        options = ("--no-color", "--no-ext-diff", "--binary")
        return _git(top, "diff", *options, base, index=copy) or b""


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _printable(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")


def _git(root: Path, *arguments: str, index: Path | None = None, text: bytes = b"") -> bytes | None:
    command = ["git", "-C", str(root), "--no-optional-locks", *arguments]
    # A person's own settings must not change what is recorded, nor may git ask for a password.
    environment = os.environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
            env=environment,
            input=text,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
