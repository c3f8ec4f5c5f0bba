"""Loose directories beside packs: what leaves a pack lies loose again, what is in one may go."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from workflow_src.archive.contents import Contents
from workflow_src.archive.packs import (
    FOLDER,
    SOURCES_PACK,
    Index,
    PackedDirectory,
    PackedFile,
    Packs,
)
from workflow_src.archive.results import NOT_KEPT, RECORDS, SOURCES, Results
from workflow_src.errors import UserError
from workflow_src.storage import explain, replacing_file, sha256_file

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
            with replacing_file(folder / name) as temporary:
                temporary.write_bytes(packs.read(SOURCES_PACK, name))
    return count


def _complete(
    place: Path, directory: str, packed: PackedDirectory, names: Collection[str], packs: Packs
) -> bool:
    """Add the packed files that a directory lacks; whether it lacked any."""
    absent = [name for name in sorted(names) if not (place / name).exists()]
    for name in absent:
        with replacing_file(place / name) as temporary:
            temporary.write_bytes(packs.read(packed.pack, f"{directory}/{name}"))
    if absent and not packed.not_kept:
        (place / NOT_KEPT).unlink(missing_ok=True)
    return bool(absent)


def _is_the_packed_one(results: Results, directory: str, packed: PackedDirectory) -> bool:
    record = RECORDS[directory.partition("/")[0]]
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
    removed = 0
    for directory, packed in results.index.directories.items():
        place = root / directory
        if not results.is_loose(directory):
            continue
        if not _is_the_packed_one(results, directory, packed):
            log.warning("%s is not the one that was packed and stays", place)
            continue
        remove(place)
        removed += 1
    for kind in RECORDS:
        _remove_empty(root / kind)
    return removed


def verify_packs(root: Path, index: Index) -> None:
    """Read every file of every pack; a `UserError` names the first that is not as indexed."""
    packs = Packs(root / FOLDER)
    for pack, facts in index.packs.items():
        if not is_as_indexed(root / FOLDER / pack, facts):
            raise _not_as_indexed(root, pack)
    for directory, packed in index.directories.items():
        for name, file in packed.files.items():
            data = packs.read(packed.pack, f"{directory}/{name}")
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise _not_as_indexed(root, f"{packed.pack}: {directory}/{name}")


def is_as_indexed(path: Path, facts: PackedFile) -> bool:
    try:
        return path.stat().st_size == facts.bytes and sha256_file(path) == facts.sha256
    except OSError:
        return False


def _not_as_indexed(root: Path, what: str) -> UserError:
    return UserError(
        "the pack does not hold what the index says",
        place=str(root / FOLDER / what),
        remedy="fetch the packs again (`dvc checkout --force`), or write them anew with `pack`",
    )


def remove(directory: Path) -> None:
    # Renamed first: a directory that is there is whole.
    aside = directory.with_name(f".{directory.name}.removed")
    try:
        directory.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise explain(error, directory) from error


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.glob("*/*"), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()
    for path in [*folder.glob("*"), folder]:
        with contextlib.suppress(OSError):
            path.rmdir()
