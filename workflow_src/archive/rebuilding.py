"""Makes the index of the packs anew from the packs: the records inside say what belongs to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow_src.archive.dvc_lock import without_dvc
from workflow_src.archive.packs import (
    FETCH,
    FOLDER,
    INDEX,
    SOURCES_PACK,
    Index,
    PackedDirectory,
    PackedFile,
    Packs,
    files_of,
    index_content,
)
from workflow_src.archive.references import directory_name
from workflow_src.archive.results import record_name
from workflow_src.archive.writing import pack_name
from workflow_src.errors import UserError
from workflow_src.storage import sha256_file, write_json

IsWhole = Callable[[Mapping[str, Any]], bool]
"""Whether a record says what it said when written; `provenance.record.record_is_whole`."""


def rebuild_index(root: Path, is_whole: IsWhole) -> Index:
    """Write the index of all packs that are there, after every byte in them was checked.

    Raises
    ------
    UserError
        If a pack is damaged, or holds what its records do not vouch for; then nothing was changed.
    """
    folder = root / FOLDER
    packs = Packs(folder)
    directories: dict[str, PackedDirectory] = {}
    facts: dict[str, PackedFile] = {}
    with without_dvc(root):
        for path in sorted(folder.glob("*.zip")):
            if path.name == SOURCES_PACK:
                for name in packs.names(path.name):
                    packs.read(path.name, name)
            else:
                directories |= _directories(packs, path, is_whole)
            facts[path.name] = PackedFile(sha256_file(path), path.stat().st_size)
        if not facts:
            raise UserError("there are no packs", place=str(folder), remedy=FETCH)
        index = Index(dict(sorted(directories.items())), facts)
        write_json(folder / INDEX, index_content(index))
    return index


def _directories(packs: Packs, path: Path, is_whole: IsWhole) -> dict[str, PackedDirectory]:
    members: dict[str, dict[str, PackedFile]] = {}
    for name in sorted(packs.names(path.name)):
        directory, _, file = name.rpartition("/")
        data = packs.read(path.name, name)
        facts = PackedFile(hashlib.sha256(data).hexdigest(), len(data))
        members.setdefault(directory, {})[file] = facts
    return {name: _directory(packs, path, name, files, is_whole) for name, files in members.items()}


def _directory(
    packs: Packs, path: Path, directory: str, files: Mapping[str, PackedFile], is_whole: IsWhole
) -> PackedDirectory:
    """The entry of one directory: its files, and of those its record vouches for, the others."""
    name = record_name(directory_name(directory))
    if name not in files or pack_name(directory) != path.name:
        raise _unknown(path, directory)
    try:
        record = json.loads(packs.read(path.name, f"{directory}/{name}"))
        vouched = files_of(record["outputs"])
        whole = is_whole(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unknown(path, f"{directory}/{name}") from None
    wrong = [file for file, facts in files.items() if file != name and vouched.get(file) != facts]
    if wrong or not whole:
        raise _unknown(path, f"{directory}/{wrong[0] if wrong else name}")
    not_kept = {file: facts for file, facts in vouched.items() if file not in files}
    return PackedDirectory(path.name, files, not_kept)


def _unknown(path: Path, what: str) -> UserError:
    return UserError(
        f"the pack holds what no whole record vouches for: {what}",
        place=str(path),
        remedy=f"{FETCH}, or remove this pack and rebuild the index again; what the pack held is "
        "then made anew",
    )
