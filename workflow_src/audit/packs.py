"""The packs of results/packed and their index: every byte, every member, nothing beside them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from workflow_src.archive.packs import FOLDER, INDEX, SOURCES_PACK, Index, PackedFile, index_content
from workflow_src.audit.files import is_leftover, json_text, listed, read_bytes
from workflow_src.audit.findings import Notes
from workflow_src.storage import sha256_file


def examine_pack(results: Path, shown: Path, name: str, facts: PackedFile) -> tuple[str, Notes]:
    """Whether a pack is byte for byte the one that the index names."""
    notes = Notes()
    path, place = results / FOLDER / name, (shown / FOLDER / name).as_posix()
    if not path.is_file():
        notes.find("missing", place, "the pack is missing; expected it as the index says")
        return name, notes
    with notes.reading(place):
        notes.counted["bytes in packs"] += path.stat().st_size
        if (found := sha256_file(path)) != facts.sha256:
            notes.find("changed", place, f"sha256 {found}; expected {facts.sha256} (the index)")
        elif path.stat().st_size != facts.bytes:
            notes.find("changed", place, f"expected {facts.bytes} bytes (the index)")
    return name, notes


def check_packs(results: Path, shown: Path, index: Index, notes: Notes) -> None:
    """The index's own text, the members of every pack, and the folder's listing."""
    folder = results / FOLDER
    if not folder.is_dir():
        return
    place = shown / FOLDER / INDEX
    if not (folder / INDEX).is_file():
        notes.find("missing", place, "the index of the packs is missing; expected it beside them")
    elif json_text(index_content(index)) != read_bytes(folder / INDEX):
        notes.find("changed", place, "its text was changed; expected it as `pack` wrote it")
    for entry in listed(folder):
        if is_leftover(entry.name):
            notes.remark(shown / FOLDER / entry.name, "left by a job that was killed")
        elif entry.name != INDEX and entry.name not in index.packs:
            notes.find("extra", shown / FOLDER / entry.name, "the index knows of no such pack")
    for pack in sorted({one.pack for one in index.directories.values()} - index.packs.keys()):
        notes.find("missing", place, f"it says no digest of {pack}; expected one of every pack")
    for name, expected in _members(index).items():
        if name != SOURCES_PACK:
            _check_members(folder / name, shown / FOLDER / name, expected, notes)


def _members(index: Index) -> dict[str, set[str]]:
    """What every pack is to hold, by its name."""
    members: dict[str, set[str]] = {name: set() for name in index.packs}
    for directory, one in index.directories.items():
        names = (f"{directory}/{name}" for name in one.files)
        members.setdefault(one.pack, set()).update(names)
    return members


def _check_members(path: Path, place: Path, expected: Iterable[str], notes: Notes) -> None:
    if not path.is_file():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        notes.find("changed", place, f"it cannot be read ({error}); expected a zip file")
        return
    if sorted(found) != sorted(expected):
        wrong = sorted(set(found) ^ set(expected)) or sorted(found)
        notes.find(
            "extra", place, f"it does not hold the files that the index names, such as {wrong[0]}"
        )
