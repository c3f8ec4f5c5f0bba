"""The state of the source tree that a result was made from: commit and uncommitted changes.

Asked of git once per process, since a process runs the code that it started with. A tree without
git, or a machine without it, is a fact too and no error; so are changes that cannot be copied.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow_src.provenance.git import git

_COPIED_LIMIT = 1_000_000
_STATUS = ("--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
_DIFF = (
    # In full and with fixed context, whatever a person set: the same changes are the same bytes.
    "--binary",
    "--diff-algorithm=myers",
    "--dst-prefix=b/",
    "--full-index",
    "--indent-heuristic",
    "--inter-hunk-context=0",
    "--no-color",
    "--no-ext-diff",
    "--no-relative",
    "--no-renames",
    "--no-textconv",
    "--src-prefix=a/",
    "--submodule=short",
    "--unified=3",
)


class _CopyError(Exception):
    """Why there is no copy of the changes."""


@functools.cache
def describe_repository(root: Path) -> dict[str, Any]:
    """Commit, and where the tree differs from it a digest, the file names and a copy.

    ``commit`` is None before the first commit; the whole answer is ``{"commit": None, "reason":
    ...}`` where git does not answer. ``difference`` is the copy, as ``git apply`` takes it, with
    bytes that are no UTF-8 as surrogates; where none can be made, ``reason`` says why, and there
    is no ``changes_digest``. Not in it, but in ``left_out_files``, are new files above 1 MB and
    repositories inside of this one (names that end in a slash, 0 bytes); the digest covers name
    and size of them.
    """
    if git(root, "rev-parse", "--is-inside-work-tree") is None:
        return {"commit": None, "reason": "not a git work tree, or git does not answer"}
    commit = git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    status = git(root, "status", *_STATUS)
    base = commit.decode().strip() if commit else None
    facts: dict[str, Any] = {"commit": base, "dirty": bool(status)}
    if status is None:
        return facts | {"dirty": None, "reason": "git status did not answer"}
    if status:
        facts |= _changes(root, base, status)
    return facts


def _changes(root: Path, base: str | None, status: bytes) -> dict[str, Any]:
    entries = sorted(os.fsdecode(entry) for entry in status.split(b"\0") if entry)
    new = [entry[3:] for entry in entries if entry.startswith("??")]
    facts: dict[str, Any] = {
        "changed_files": [_printable(e[3:]) for e in entries if not e.startswith("??")],
        "new_files": [_printable(name) for name in new],
    }
    try:
        top = Path(os.fsdecode(_asked(root, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
        sizes = {name: _size(top, name) for name in new}
        small = [n for n in new if sizes[n] <= _COPIED_LIMIT and not n.endswith("/")]
        left_out = [{"name": _printable(n), "bytes": sizes[n]} for n in new if n not in small]
        facts["left_out_files"] = left_out
        difference = _difference(root, top, base, small)
    except _CopyError as error:
        return facts | {"reason": f"the uncommitted changes could not be copied: {error}"}
    return facts | {
        "changes_digest": changes_digest(difference, left_out),
        "difference": difference.decode(errors="surrogateescape"),
        "difference_bytes": len(difference),
    }


def changes_digest(difference: bytes, left_out: Iterable[Mapping[str, Any]] = ()) -> str:
    """The digest of uncommitted changes: of the copy, and of names and sizes of files not in it."""
    total = hashlib.sha256(difference)
    for one in left_out:
        total.update(os.fsencode(f"{one['name']}\0{one['bytes']}\0"))
    return total.hexdigest()


def _difference(root: Path, top: Path, base: str | None, new: list[str]) -> bytes:
    """The changes as ``git apply`` takes them, new files with them; the real index is untouched."""
    if base is None:
        base = _asked(root, "hash-object", "-t", "tree", "--stdin").decode().strip()
    path = _asked(root, "rev-parse", "--path-format=absolute", "--git-path", "index")
    real = Path(os.fsdecode(path.removesuffix(b"\n")))
    with tempfile.TemporaryDirectory(prefix="density-bench-") as folder:
        index = Path(folder) / "index"
        try:
            if real.exists():
                # With its time: git compares the content of files that are no older than the index.
                shutil.copy2(real, index)
        except OSError as error:
            raise _CopyError(f"the index cannot be read ({error.strerror})") from None
        if names := b"\0".join(os.fsencode(f":(top,literal){name}") for name in new):
            listed = ("--pathspec-from-file=-", "--pathspec-file-nul")
            _asked(top, "add", "--intent-to-add", *listed, index=index, text=names)
        difference = _asked(top, "diff", *_DIFF, base, index=index)
        if difference:
            _try(top, base, difference, Path(folder) / "tried")
    return difference


def _try(top: Path, base: str, difference: bytes, index: Path) -> None:
    """Whether git takes the copy on top of the commit."""
    _asked(top, "read-tree", base, index=index)
    check = ("apply", "--check", "--cached", "--whitespace=nowarn")
    _asked(top, *check, index=index, text=difference)


def _asked(
    root: Path, command: str, *words: str, index: Path | None = None, text: bytes = b""
) -> bytes:
    answer = git(root, command, *words, index=index, text=text)
    if answer is None:
        raise _CopyError(f"git {command} failed")
    return answer


def _size(top: Path, name: str) -> int:
    if name.endswith("/"):
        return 0
    try:
        return (top / name).lstat().st_size
    except OSError as error:
        raise _CopyError(f"{_printable(name)} cannot be read ({error.strerror})") from None


def _printable(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")
