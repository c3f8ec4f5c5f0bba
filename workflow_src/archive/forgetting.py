"""Drops a result and what was made from it, from packs and from what lies loose, to be made anew.

Evaluations that lie loose go first, then everything packed at once, with the index, then the rest:
whenever this is killed, no evaluation is left without what it was made from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from workflow_src.archive.contents import Contents, Member, source_members
from workflow_src.archive.dvc_lock import without_dvc
from workflow_src.archive.packs import (
    FOLDER,
    INDEX,
    SOURCES_PACK,
    Index,
    PackedDirectory,
    Packs,
    index_content,
)
from workflow_src.archive.references import parts_of
from workflow_src.archive.removal import clear_rests, remove
from workflow_src.archive.results import KINDS, Results, fingerprint_of
from workflow_src.archive.writing import write
from workflow_src.errors import UserError
from workflow_src.storage import read_json_object, write_json


def forget(root: Path, fingerprint: str, *, released: Collection[str] = ()) -> list[str]:
    """Drop a run, a measurement or an evaluation, with all that was made from it; what was dropped.

    Evaluations that chose among a run and measurements of it go as well, and the report of these
    evaluations: their records name the record of a run that is to be made anew. A run or a
    measurement may be gone already.

    Parameters
    ----------
    root:
        The results directory.
    fingerprint:
        The end of the name of the result's directory.
    released:
        Directories that releases refer to.

    Raises
    ------
    UserError
        If there is no such result, or a release refers to what would be dropped.
    """
    results = Results(root)
    dropped = _made_from(results, fingerprint)
    _refuse_released(root, fingerprint, sorted({*dropped}.intersection(released)))
    clear_rests(root, KINDS)
    with without_dvc(root):
        for path in _reports_of(root, dropped):
            path.unlink(missing_ok=True)
        evaluations = [name for name in dropped if name.startswith("evaluations/")]
        _remove_loose(root, evaluations)
        kept = _without(results.index, dropped)
        if kept != results.index:
            write_json(root / FOLDER / INDEX, index_content(kept))
        _remove_loose(root, dropped)
        if kept != results.index:
            _write_what_is_left(root, kept)
    return dropped


def _made_from(results: Results, fingerprint: str) -> list[str]:
    """The result and what was made from it: evaluations, measurements, runs, each sorted."""
    runs, measurements, evaluations = (
        {name for name in results.directories(kind) if fingerprint_of(name) == fingerprint}
        for kind in ("runs", "measurements", "evaluations")
    )
    measurements |= {
        name
        for name in results.directories("measurements")
        if name.rpartition("/")[2].startswith(f"{fingerprint}-")
    }
    if runs or measurements or not evaluations:
        evaluations |= {
            name
            for name in results.directories("evaluations")
            if name not in evaluations and _is_made_from(results, name, fingerprint)
        }
        # A measurement is named after the run that was measured, and not after its judges.
        measurements |= {
            parts.measurement
            for parts in (parts_of(results, name) for name in evaluations)
            if parts.measurement and runs.intersection(parts.judges)
        }
    if not fingerprint or not (runs or measurements or evaluations):
        raise UserError(
            f"there is no run, measurement or evaluation {fingerprint or '(nothing)'}",
            place=str(results.root),
            expected="the fingerprint at the end of the name of its directory",
        )
    return [*sorted(evaluations), *sorted(measurements), *sorted(runs)]


def _is_made_from(results: Results, evaluation: str, fingerprint: str) -> bool:
    parts = parts_of(results, evaluation).directories
    return any(fingerprint_of(name) == fingerprint for name in parts)


def _refuse_released(root: Path, fingerprint: str, released: list[str]) -> None:
    if released:
        raise UserError(
            f"a release refers to {released[0]}, which goes with {fingerprint}",
            place=str(root),
            remedy="remove that folder of releases/ first, if the release is to be given up",
        )


def _remove_loose(root: Path, directories: Iterable[str]) -> None:
    for directory in directories:
        if (root / directory).exists():
            remove(root / directory)


def _without(index: Index, dropped: Collection[str]) -> Index:
    """The index of the same packs, in which these directories are not looked for."""
    gone = frozenset(dropped)
    kept = {name: one for name, one in index.directories.items() if name not in gone}
    return Index(kept, index.packs)


def _write_what_is_left(root: Path, index: Index) -> None:
    packs = Packs(root / FOLDER)
    contents = {
        name: Contents(_still_packed(one), one.not_kept, frozenset())
        for name, one in sorted(index.directories.items())
    }
    sources = source_members(Results(root), packs, packs.names(SOURCES_PACK))
    write(root, index, packs, contents, sources)


def _still_packed(one: PackedDirectory) -> dict[str, Member]:
    return {name: Member(facts, one.pack) for name, facts in one.files.items()}


def _reports_of(root: Path, directories: Iterable[str]) -> list[Path]:
    """Manifests of reports that show one of these evaluations, or are damaged."""
    gone = {fingerprint_of(name) for name in directories if name.startswith("evaluations/")}
    paths = sorted((root / "report").glob("manifest-*.json"))
    return [path for path in paths if gone and _shows(path, gone)]


def _shows(manifest: Path, evaluations: Collection[str]) -> bool:
    try:
        parents = read_json_object(manifest).get("parents", [])
        return any(one["fingerprint"] in evaluations for one in parents)
    except (UserError, KeyError, TypeError, AttributeError):
        return True
