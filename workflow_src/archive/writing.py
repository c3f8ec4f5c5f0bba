"""Writes results/packed: one zip file per kind, model, data set and likelihood, and their index.

The bytes of a pack follow from its content, and a pack whose content stays is left alone, so that
DVC stores what is new and no more. The index is written after the packs that it names and before
those that it no longer names go. What leaves the packs without being loose is first put in its
place, so nothing is lost at any moment.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workflow_src.archive.choosing import settled
from workflow_src.archive.contents import (
    Contents,
    Member,
    Verify,
    contents_of,
    source_members,
)
from workflow_src.archive.dvc_lock import without_dvc
from workflow_src.archive.loose import is_as_indexed, put_back
from workflow_src.archive.packs import (
    FETCH,
    FOLDER,
    INDEX,
    SOURCES_PACK,
    Index,
    PackedFile,
    Packs,
    index_content,
)
from workflow_src.archive.references import References
from workflow_src.archive.results import Results, making_anew
from workflow_src.errors import UserError
from workflow_src.jobs.bars import bar
from workflow_src.storage import explain, replacing_file, sha256_file, write_json

_COMPRESSED = (".json", ".py", ".patch")
"""Text; all else holds compressed data or noise, which does not get smaller."""

_SHOWN = 5
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


@dataclass(frozen=True)
class Summary:
    """What was done, for people.

    ``outvoted`` are directories that lie loose and differ from the packed ones, which stay packed.
    """

    directories: int
    packs: int
    written: int
    bytes: int
    not_kept: int
    put_back: int
    outvoted: tuple[str, ...] = ()


def write_packs(
    root: Path,
    wanted: References,
    verify: Verify,
    *,
    all_checkpoints: bool = False,
    other_sources: Collection[str] = (),
) -> Summary:
    """Pack what ``wanted`` refers to.

    Parameters
    ----------
    root:
        The results directory.
    wanted:
        Directories to hold; of the runs among them, whose checkpoint is needed.
    verify:
        Checks a loose directory, as `workflow_src.provenance.record.verify_outputs`.
    all_checkpoints:
        Whether checkpoints are kept that nobody needs.
    other_sources:
        Texts of code to keep beside those that the packed records name, as file names.

    Raises
    ------
    UserError
        If a loose directory is damaged, or differs from the packed one where neither is the one
        that was evaluated; then nothing was changed. If a pack that content has to be taken from is
        damaged, or DVC does not end its work.
    """
    results = settled(root, sorted(name for name in wanted.directories if _is_evaluation(name)))
    kept = wanted.directories if all_checkpoints else wanted.needs_checkpoint
    directories = wanted.directories | results.from_packs
    contents = _checked(results, sorted(directories), kept, verify)
    packs = Packs(root / FOLDER)
    named = {name for one in contents.values() for name in one.sources}
    sources = source_members(results, packs, named.union(other_sources))
    with without_dvc(root):
        lying_again = put_back(results, packs, contents, sources)
        done = write(root, results.index, packs, contents, sources)
    return replace(done, put_back=lying_again, outvoted=tuple(sorted(results.from_packs)))


def pack_name(directory: str) -> str:
    """The pack that a directory belongs to."""
    return "-".join(directory.split("/")[:3]) + ".zip"


def _checked(
    results: Results, directories: Iterable[str], kept: Collection[str], verify: Verify
) -> dict[str, Contents]:
    contents, findings = {}, []
    ways: dict[str, None] = {}
    wanted = list(directories)
    with bar("verifying", len(wanted), "directories") as shown:
        for directory in wanted:
            without = directory.startswith("runs/") and directory not in kept
            contents[directory], wrong = contents_of(
                results, directory, verify, without_checkpoint=without
            )
            findings += wrong
            if wrong:
                ways[_way_out(results, directory)] = None
            shown.advance()
    if findings:
        more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
        raise UserError(
            f"damaged results are not packed: {'; '.join(findings[:_SHOWN])}{more}",
            place=str(results.root),
            remedy="; ".join(list(ways)[:_SHOWN]),
        )
    return contents


def _way_out(results: Results, directory: str) -> str:
    if results.is_packed(directory):
        return f"remove {results.root / directory}, the packed one takes its place"
    return making_anew(directory)


def _is_evaluation(directory: str) -> bool:
    return directory.startswith("evaluations/")


def write(
    root: Path,
    before: Index,
    packs: Packs,
    contents: Mapping[str, Contents],
    sources: Mapping[str, Member],
) -> Summary:
    """Write the packs that change, the index, and remove the packs that it no longer names."""
    by_pack: dict[str, dict[str, Member]] = {}
    for directory, one in contents.items():
        members = by_pack.setdefault(pack_name(directory), {})
        members |= {f"{directory}/{name}": member for name, member in one.members.items()}
    if sources:
        by_pack[SOURCES_PACK] = dict(sources)
    after, written = {}, 0
    with bar("packing", sum(map(len, by_pack.values())), "files") as shown:
        for pack, members in by_pack.items():
            known = before.packs.get(pack)
            if known is None or not _holds(root, pack, known, before, packs, members):
                known = _write_pack(root / FOLDER / pack, members, packs)
                written += 1
            after[pack] = known
            shown.advance(len(members))
    index = Index({name: one.directory(pack_name(name)) for name, one in contents.items()}, after)
    write_json(root / FOLDER / INDEX, index_content(index))
    _remove_stale(root / FOLDER, after)
    return Summary(
        directories=len(contents),
        packs=len(after),
        written=written,
        bytes=sum(one.bytes for one in after.values()),
        not_kept=sum(len(one.not_kept) for one in contents.values()),
        put_back=0,
    )


def _holds(
    root: Path,
    pack: str,
    known: PackedFile,
    before: Index,
    packs: Packs,
    members: Mapping[str, Member],
) -> bool:
    """Whether a pack that is there holds exactly these files."""
    if not is_as_indexed(root / FOLDER / pack, known) or packs.names(pack) != members.keys():
        return False
    if pack == SOURCES_PACK:
        held = {
            name: PackedFile(hashlib.sha256(data).hexdigest(), len(data))
            for name in packs.names(pack)
            for data in (packs.read(pack, name),)
        }
    else:
        held = {
            f"{directory}/{name}": facts
            for directory, one in before.directories.items()
            if one.pack == pack
            for name, facts in one.files.items()
        }
    return held == {name: member.facts for name, member in members.items()}


def _write_pack(path: Path, members: Mapping[str, Member], packs: Packs) -> PackedFile:
    with replacing_file(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(members):
                archive.writestr(_entry(name), _bytes(name, members[name], packs))
        return PackedFile(sha256_file(temporary), temporary.stat().st_size)


def _entry(name: str) -> zipfile.ZipInfo:
    """The same for every writer: no times, users and systems."""
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = 3
    entry.external_attr = _MODE
    compressed = name.endswith(_COMPRESSED)
    entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    return entry


def _bytes(name: str, member: Member, packs: Packs) -> bytes:
    if isinstance(member.source, str):
        place = packs.folder / member.source
        data = packs.read(member.source, name)
    else:
        place = member.source
        try:
            data = place.read_bytes()
        except OSError as error:
            raise explain(error, place) from error
    if hashlib.sha256(data).hexdigest() != member.facts.sha256:
        raise UserError(
            f"{name} is not what its record says",
            place=str(place),
            remedy=FETCH,
        )
    return data


def _remove_stale(folder: Path, packs: Collection[str]) -> None:
    for path in folder.iterdir():
        half_written = path.name.startswith(".") and ".partial-" in path.name
        if half_written or (path.suffix == ".zip" and path.name not in packs):
            path.unlink(missing_ok=True)
