"""Loose directories beside packs: what leaves a pack lies loose again, what is in one may go."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from workflow_src.archive.contents import Contents
from workflow_src.archive.packs import (
    FETCH,
    FOLDER,
    SOURCES_PACK,
    Index,
    PackedDirectory,
    PackedFile,
    Packs,
)
from workflow_src.archive.removal import clear_rests, remove, remove_empty
from workflow_src.archive.results import KINDS, NOT_KEPT, SOURCES, Results, record_name
from workflow_src.errors import UserError
from workflow_src.jobs.bars import bar
from workflow_src.storage import sha256_file, write_bytes

log = logging.getLogger(__name__)


def put_back(
    results: Results, packs: Packs, contents: Mapping[str, Contents], sources: Collection[str]
) -> int:
    """Put what the new packs will not hold, and lies nowhere else, in its place; how much that is.

    These are directories that are no longer referred to, checkpoints that are no longer needed, and
    texts of code.
    """
    count = 0
    for directory, packed in results.index.directories.items():
        kept = contents[directory].members if directory in contents else {}
        leaving = packed.files.keys() - kept.keys()
        if not leaving:
            continue
        if not results.is_loose(directory):
            results.bring(directory)
            count += 1
        elif _is_the_packed_one(results, directory, packed):
            count += _complete(results.root / directory, directory, packed, leaving, packs)
    folder = results.root / SOURCES
    for name in packs.names(SOURCES_PACK).difference(sources):
        if not (folder / name).exists():
            write_bytes(folder / name, packs.read(SOURCES_PACK, name))
    return count


def _complete(
    place: Path, directory: str, packed: PackedDirectory, names: Collection[str], packs: Packs
) -> bool:
    """Add the packed files that a directory lacks; whether it lacked any."""
    absent = [name for name in sorted(names) if not (place / name).exists()]
    for name in absent:
        write_bytes(place / name, packs.read(packed.pack, f"{directory}/{name}"))
    if absent and not packed.not_kept:
        (place / NOT_KEPT).unlink(missing_ok=True)
    return bool(absent)


def _is_the_packed_one(results: Results, directory: str, packed: PackedDirectory) -> bool:
    record = record_name(directory)
    return results.sha256(directory, record) == packed.files[record].sha256


def remove_loose(root: Path) -> int:
    """Remove the loose copies of what is packed, after the packs were read back; their number.

    Raises
    ------
    UserError
        If a pack does not hold what the index says; then nothing was removed.
    """
    results = Results(root)
    verify_packs(root, results.index)
    clear_rests(root, KINDS)
    removed = 0
    with bar("removing", len(results.index.directories), "directories") as shown:
        for directory, packed in results.index.directories.items():
            shown.advance()
            place = root / directory
            if not results.is_loose(directory):
                continue
            if not _is_the_packed_one(results, directory, packed):
                log.warning("%s is not the one that was packed and stays", place)
                continue
            remove(place)
            removed += 1
    for kind in KINDS:
        remove_empty(root / kind)
    return removed


def verify_packs(root: Path, index: Index) -> None:
    """Read every file of every pack; a `UserError` names the first that is not as indexed."""
    packs = Packs(root / FOLDER)
    for pack, facts in index.packs.items():
        if not is_as_indexed(root / FOLDER / pack, facts):
            raise _not_as_indexed(root, pack)
    with bar("reading packs back", len(index.directories), "directories") as shown:
        for directory, packed in index.directories.items():
            for name, file in packed.files.items():
                data = packs.read(packed.pack, f"{directory}/{name}")
                if hashlib.sha256(data).hexdigest() != file.sha256:
                    raise _not_as_indexed(root, f"{packed.pack}: {directory}/{name}")
            shown.advance()


def is_as_indexed(path: Path, facts: PackedFile) -> bool:
    try:
        return path.stat().st_size == facts.bytes and sha256_file(path) == facts.sha256
    except OSError:
        return False


def _not_as_indexed(root: Path, what: str) -> UserError:
    return UserError(
        "the pack does not hold what the index says",
        place=str(root / FOLDER / what),
        remedy=f"{FETCH}; what lies loose as well, `python -m workflow_src pack` writes anew",
    )
