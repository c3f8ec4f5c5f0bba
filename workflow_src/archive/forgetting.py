"""Drops a run and what it led to, from the packs and from what lies loose, to be made anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workflow_src.archive.contents import Contents, Member, source_members
from workflow_src.archive.dvc_lock import without_dvc
from workflow_src.archive.loose import remove
from workflow_src.archive.packs import FOLDER, SOURCES_PACK, PackedDirectory, Packs
from workflow_src.archive.references import candidates
from workflow_src.archive.results import Results
from workflow_src.archive.writing import write
from workflow_src.errors import UserError
from workflow_src.storage import read_json_object


def forget(root: Path, fingerprint: str) -> list[str]:
    """Drop a run from packs and loose results, with all that was made from it; what was dropped.

    Evaluations that chose among it and measurements of it go as well, and the report of these
    evaluations: their records name the record of a run that is to be made anew.

    Raises
    ------
    UserError
        If there is no such run.
    """
    results = Results(root)
    dropped = _made_from(results, fingerprint)
    packs = Packs(root / FOLDER)
    index = results.index
    contents = {
        name: Contents(_still_packed(one), one.not_kept, frozenset())
        for name, one in sorted(index.directories.items())
        if name not in dropped
    }
    reports = _reports_of(root, dropped)
    if index.directories:
        sources = source_members(results, packs, packs.names(SOURCES_PACK))
        with without_dvc(root):
            write(root, index, packs, contents, sources)
    for path in reports:
        path.unlink(missing_ok=True)
    for directory in dropped:
        if (root / directory).exists():
            remove(root / directory)
    return dropped


def _made_from(results: Results, fingerprint: str) -> list[str]:
    runs = {name for name in results.directories("runs") if name.endswith(f"-{fingerprint}")}
    if not runs:
        raise UserError(
            f"there is no run {fingerprint}",
            place=str(results.root),
            expected="the fingerprint at the end of the name of a run's directory",
        )
    measurements = {
        name
        for name in results.directories("measurements")
        if name.rpartition("/")[2].startswith(f"{fingerprint}-")
    }
    evaluations = {
        name
        for name in results.directories("evaluations")
        if not runs.isdisjoint(candidates(results.record(name)))
    }
    return sorted(evaluations) + sorted(measurements | runs)


def _still_packed(one: PackedDirectory) -> dict[str, Member]:
    return {name: Member(facts, one.pack) for name, facts in one.files.items()}


def _reports_of(root: Path, directories: Iterable[str]) -> list[Path]:
    """Manifests of reports that show one of these evaluations."""
    gone = {name.rpartition("-")[2] for name in directories if name.startswith("evaluations/")}
    return [
        path
        for path in sorted((root / "report").glob("manifest-*.json"))
        if any(one["fingerprint"] in gone for one in read_json_object(path).get("parents", []))
    ]
