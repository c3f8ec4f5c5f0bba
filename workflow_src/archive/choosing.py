"""Which of two a directory is, where it lies loose and a pack holds another under its name.

Both were made under one fingerprint, on two machines, say. The one that is named stays: a run or a
measurement by the evaluations, an evaluation by the reports. Where nothing names either, or both
came out equal, that is the packed one, which others may have.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow_src.archive.references import directory_name, parts_of
from workflow_src.archive.results import Results, fingerprint_of, record_name
from workflow_src.errors import UserError
from workflow_src.storage import read_json_object

_KINDS = ("run", "measurement", "evaluation")
_SHOWN = 3

Named = Mapping[str, list[Mapping[str, Any]]]
"""What names a directory: entries of records' ``parents``, by the directory's name."""


def settled(root: Path, evaluations: Iterable[str]) -> Results:
    """The results in which the directory that is named goes first, be it loose or packed.

    Parameters
    ----------
    root:
        The results directory.
    evaluations:
        Those whose word counts.

    Raises
    ------
    UserError
        Where neither fits what names it, or each fits another.
    """
    loose = Results(root)
    contested = _contested(loose)
    if not contested:
        return loose
    last = [name for name in contested if not name.startswith("evaluations/")]
    first = contested.keys() - last
    packed = _packed_ones(loose, {name: contested[name] for name in first}, _by_reports(root))
    chosen = Results(root, from_packs=packed)
    named = _by_evaluations(chosen, evaluations)
    packed |= _packed_ones(loose, {name: contested[name] for name in last}, named)
    return Results(root, from_packs=packed)


def _contested(results: Results) -> dict[str, bytes]:
    """The directories that lie loose and are packed with another record; the loose record."""
    found = {}
    for directory, packed in results.index.directories.items():
        if results.is_loose(directory):
            name = record_name(directory)
            data = results.read(directory, name)
            if hashlib.sha256(data).hexdigest() != packed.files[name].sha256:
                found[directory] = data
    return found


def _by_reports(root: Path) -> Named:
    named: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for path in sorted((root / "report").glob("manifest-*.json")):
        for one in _parents(read_json_object(path), path):
            named[_directory(one, path)].append(one)
    return named


def _by_evaluations(results: Results, evaluations: Iterable[str]) -> Named:
    named: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for evaluation in evaluations:
        if results.is_loose(evaluation) or results.is_packed(evaluation):
            parts_of(results, evaluation)
            place = results.root / evaluation
            for one in _parents(results.record(evaluation), place):
                named[_directory(one, place)].append(one)
    return named


def _parents(record: Mapping[str, Any], place: Path) -> list[Mapping[str, Any]]:
    parents = record.get("parents", [])
    if not isinstance(parents, list) or not all(isinstance(one, Mapping) for one in parents):
        raise _damaged(place)
    return [one for one in parents if one.get("kind") in _KINDS]


def _directory(parent: Mapping[str, Any], place: Path) -> str:
    path = parent.get("path")
    if not isinstance(path, str):
        raise _damaged(place)
    return directory_name(str(Path(path).parent))


def _damaged(place: Path) -> UserError:
    return UserError(
        "the record is damaged (its parents)",
        place=str(place),
        remedy="`python -m workflow_src audit` says what is wrong with it",
    )


def _packed_ones(results: Results, contested: Mapping[str, bytes], named: Named) -> set[str]:
    """Those of which the packed one goes first."""
    packed, torn = set(), []
    for directory, data in sorted(contested.items()):
        entries = named.get(directory, [])
        original = _packed_record(results, directory)
        if all(_fits(original, one) for one in entries):
            packed.add(directory)
        elif not all(_fits(data, one) for one in entries):
            torn.append(directory)
    if torn:
        raise _neither(results, torn)
    return packed


def _packed_record(results: Results, directory: str) -> bytes:
    name = record_name(directory)
    return Results(results.root, from_packs=[directory]).read(directory, name)


def _fits(record: bytes, parent: Mapping[str, Any]) -> bool:
    if hashlib.sha256(record).hexdigest() == parent.get("sha256"):
        return True
    expected = parent.get("result_digest")
    try:
        return bool(expected) and json.loads(record).get("result_digest") == expected
    except (ValueError, AttributeError):
        return False


def _neither(results: Results, torn: list[str]) -> UserError:
    more = f" and {len(torn) - _SHOWN} more" if len(torn) > _SHOWN else ""
    names = ", ".join(str(results.root / name) for name in torn[:_SHOWN])
    ways = "; ".join(
        f"`python -m workflow_src pack --forget {fingerprint_of(name)}`" for name in torn[:_SHOWN]
    )
    return UserError(
        f"{names}{more}: a loose directory and a packed one differ, and what was made from them "
        "names neither, or each in turn",
        place=str(results.root),
        expected="one of them as it was when it was evaluated",
        remedy=f"remove the loose one, if the other is the one to keep, or drop both with {ways} "
        "and start Snakemake",
    )
