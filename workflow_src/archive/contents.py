"""What a pack is to hold: every file with its digest, and where its bytes are to be had.

A loose directory is taken after its record has been checked against every byte; of a packed one the
index is believed, and its bytes are checked when they are copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import SOURCES_PACK, PackedDirectory, PackedFile, Packs
from workflow_src.archive.references import sources_of
from workflow_src.archive.results import CHECKPOINT, NOT_KEPT, SOURCES, Results, record_name

Verify = Callable[[Mapping[str, Any], Path], list[str]]
"""Says what is wrong with a record and its directory; `provenance.record.verify_outputs`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a pack: what it is, and the loose file or the pack that has it now."""

    facts: PackedFile
    source: Path | str


@dataclass(frozen=True, slots=True)
class Contents:
    """A directory as it is to be packed, and the texts of code that its record names."""

    members: Mapping[str, Member]
    not_kept: Mapping[str, PackedFile]
    sources: frozenset[str]

    def directory(self, pack: str) -> PackedDirectory:
        """Its entry in the index."""
        files = {name: one.facts for name, one in self.members.items()}
        return PackedDirectory(pack, files, self.not_kept)


def contents_of(
    results: Results, directory: str, verify: Verify, *, without_checkpoint: bool
) -> tuple[Contents, list[str]]:
    """What is to be packed of a directory that exists, and what is wrong with it."""
    findings: list[str] = []
    name_of_record = record_name(directory)
    packed = results.index.directories.get(directory)
    if results.is_loose(directory):
        place = results.root / directory
        data = results.read(directory, name_of_record)
        members, not_kept, findings = _loose(place, data, name_of_record, verify)
        own = members[name_of_record].facts
        if packed is not None and packed.files.get(name_of_record) == own:
            # Brought out of a pack earlier: what was left there for others is still to be had.
            for name in not_kept.keys() & packed.files.keys():
                members[name] = Member(packed.files[name], packed.pack)
                del not_kept[name]
    else:
        assert packed is not None, directory
        data = results.read(directory, name_of_record)
        members = {name: Member(facts, packed.pack) for name, facts in packed.files.items()}
        not_kept = dict(packed.not_kept)
    # Where another lies loose in its place, what left the pack would be lost.
    if without_checkpoint and CHECKPOINT in members and directory not in results.from_packs:
        not_kept[CHECKPOINT] = members.pop(CHECKPOINT).facts
    ordered = {name: members[name] for name in sorted(members)}
    sources = frozenset() if findings else frozenset(sources_of(json.loads(data)))
    return Contents(ordered, not_kept, sources), findings


def _loose(
    place: Path, data: bytes, name_of_record: str, verify: Verify
) -> tuple[dict[str, Member], dict[str, PackedFile], list[str]]:
    members = {name_of_record: Member(_facts(data), place / name_of_record)}
    not_kept: dict[str, PackedFile] = {}
    try:
        record = json.loads(data)
        findings = verify(record, place)
        vouched = {
            name: PackedFile(one["sha256"], one["bytes"]) for name, one in record["outputs"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        return members, not_kept, [f"{place / name_of_record}: the record is damaged ({why})"]
    for name, facts in vouched.items():
        if (place / name).is_file():
            members[name] = Member(facts, place / name)
        else:
            not_kept[name] = facts
    known = {*vouched, name_of_record, NOT_KEPT}
    extra = sorted(one.name for one in place.iterdir() if one.name not in known)
    findings += [
        f"{place / name}: no record vouches for it, move it elsewhere"
        for name in extra
        if name[0] != "."
    ]
    return members, not_kept, findings


def source_members(results: Results, packs: Packs, wanted: Iterable[str]) -> dict[str, Member]:
    """The texts of code and changes that are to be had, of those that records name."""
    folder = results.root / SOURCES
    packed = packs.names(SOURCES_PACK)
    members = {}
    for name in sorted(wanted):
        path = folder / name
        if path.is_file():
            members[name] = Member(_facts(path.read_bytes()), path)
        elif name in packed:
            members[name] = Member(_facts(packs.read(SOURCES_PACK, name)), SOURCES_PACK)
    return members


def _facts(data: bytes) -> PackedFile:
    return PackedFile(hashlib.sha256(data).hexdigest(), len(data))
