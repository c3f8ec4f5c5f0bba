"""Removes whole directories: first out of sight by a rename, so that what is there is whole."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from workflow_src.storage import explain

REMOVED = ".removed"
"""In the hidden name of what is being removed."""


def remove(directory: Path) -> None:
    """Remove a directory; a kill leaves it whole, or a hidden rest that is in nobody's way."""
    unique = uuid.uuid4().hex[:8]
    aside = directory.with_name(f".{directory.name.lstrip('.')}{REMOVED}-{unique}")
    try:
        directory.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise explain(error, directory) from error


def clear_rests(root: Path, kinds: Iterable[str]) -> None:
    """Remove what killed removals left below ``root``, of result directories of these kinds."""
    for kind in kinds:
        for rest in (root / kind).glob(f"*/*/.*{REMOVED}*"):
            shutil.rmtree(rest, ignore_errors=True)


def remove_empty(folder: Path) -> None:
    """Remove a kind's folder and those in it, as far as nothing is left in them."""
    for path in [*folder.glob("*/*"), *folder.glob("*"), folder]:
        with contextlib.suppress(OSError):
            path.rmdir()
