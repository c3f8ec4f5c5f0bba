"""What a set of evaluations leads to: their candidates, measurements, winners and judges.

This decides what is packed, and whose checkpoint. Directories are named as in
`workflow_src.archive.results`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workflow_src.archive.results import KINDS, Results, fingerprint_of, making_anew
from workflow_src.errors import UserError
from workflow_src.storage import read_json_object

_DEPTH = 4
"""Parts of a directory's name: kind, model, data set with likelihood, and its own name."""


@dataclass(frozen=True)
class References:
    """Directories that are referred to, and the runs whose checkpoint somebody needs."""

    directories: frozenset[str]
    needs_checkpoint: frozenset[str]

    def __or__(self, other: References) -> References:
        return References(
            self.directories | other.directories, self.needs_checkpoint | other.needs_checkpoint
        )


@dataclass(frozen=True)
class Parts:
    """What an evaluation's record says that it chose among, what it chose, and measured.

    ``judges`` are runs that judged what the winner draws; they are no candidates.
    """

    candidates: tuple[str, ...]
    winner: str | None
    measurement: str | None
    judges: tuple[str, ...] = ()

    @property
    def directories(self) -> tuple[str, ...]:
        """All of it."""
        measured = [self.measurement] if self.measurement else []
        return (*self.candidates, *measured, *self.judges)


def follow(
    results: Results,
    evaluations: Iterable[str],
    runs: Iterable[str] = (),
    awaited: Iterable[str] = (),
) -> References:
    """What ``evaluations`` and ``runs`` refer to, as far as it exists.

    The checkpoints of winners and of their judges are needed, and of the runs ``awaited`` by
    evaluations to come.

    Raises
    ------
    UserError
        An evaluation whose record is damaged.
    """
    directories = set(runs)
    needed = set(awaited)
    for evaluation in evaluations:
        if not _exists(results, evaluation):
            continue
        parts = parts_of(results, evaluation)
        directories |= {evaluation, *parts.directories}
        needed |= {parts.winner, *parts.judges} if parts.winner else set()
    there = frozenset(name for name in directories if _exists(results, name))
    return References(there, there & needed)


def parts_of(results: Results, evaluation: str) -> Parts:
    """What an evaluation was made from; a damaged record is a `UserError`."""
    record = results.record(evaluation)
    try:
        return Parts(
            tuple(candidates(record)),
            winner_of(record),
            measurement_of(record),
            tuple(judges_of(record)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"the evaluation is damaged ({type(error).__name__}: {error})",
            place=str(results.root / evaluation),
            remedy=making_anew(evaluation),
        ) from None


def refuse_incomplete(results: Results, evaluations: Iterable[str]) -> None:
    """Raise a `UserError` where what an evaluation was made from is neither loose nor packed."""
    for evaluation in evaluations:
        if not _exists(results, evaluation):
            continue
        absent = [
            name for name in parts_of(results, evaluation).directories if not _exists(results, name)
        ]
        if absent:
            runs = all(name.startswith("runs/") for name in absent)
            again = "start Snakemake, which makes the runs again, or " if runs else ""
            raise UserError(
                f"{results.root / evaluation} was made from what is not there: {', '.join(absent)}",
                place=str(results.root),
                remedy=f"fetch it (`dvc pull`), or {again}drop what was made from it with "
                f"`python -m workflow_src pack --forget {fingerprint_of(absent[0])}`",
            )


def released(root: Path, results: Results) -> References:
    """What the releases below ``root`` refer to, as far as it lies here."""
    found = listed_in_releases(root)
    evaluations = {name for name in found if name.startswith("evaluations/")}
    return follow(results, sorted(evaluations), found - evaluations)


def listed_in_releases(root: Path) -> set[str]:
    """The directories that the releases below ``root`` list, here or not."""
    found: set[str] = set()
    for path in sorted((root / "releases").glob("*/release.json")):
        listed = read_json_object(path).get("directories", [])
        if not isinstance(listed, list | dict):
            raise UserError("the release is damaged", place=str(path), expected="its directories")
        found |= {directory_name(str(name)) for name in listed}
    return found


def candidates(evaluation: Mapping[str, Any]) -> list[str]:
    """The runs that an evaluation's record chose among."""
    return [directory_name(one["directory"]) for one in evaluation["content"]["candidates"]]


def judges_of(evaluation: Mapping[str, Any]) -> list[str]:
    """The runs that judged what the winner of an evaluation's record draws; mostly none."""
    judges = evaluation["content"].get("judges", [])
    return [directory_name(one["directory"]) for one in judges]


def winner_of(evaluation: Mapping[str, Any]) -> str | None:
    """The run that an evaluation's record chose; None where it chose none."""
    chosen = evaluation["content"]["winner"]
    for one in evaluation["content"]["candidates"]:
        if one["fingerprint"] == chosen:
            return directory_name(one["directory"])
    return None


def measurement_of(evaluation: Mapping[str, Any]) -> str | None:
    """The measurement that an evaluation's record took its metrics from."""
    measured = evaluation["content"]["measurement"]
    return directory_name(measured["directory"]) if measured else None


def sources_of(record: Mapping[str, Any]) -> set[str]:
    """The file names below ``sources`` that a record refers to."""
    content = record.get("content", {})
    modules = {
        digest
        for name in ("code", "measurement_code")
        for digest in content.get(name, {}).get("modules", {}).values()
    }
    names = {
        sys.intern(f"{digest}.py")
        for digest in modules
        if re.fullmatch(r"[0-9a-f]{64}", str(digest))
    }
    difference = record.get("git", {}).get("difference_file")
    return names | ({difference} if difference else set())


def directory_name(path: str) -> str:
    """A directory's name within its results, from a path that may begin elsewhere."""
    parts = PurePosixPath(path).parts[-_DEPTH:]
    if len(parts) != _DEPTH or parts[0] not in KINDS:
        raise UserError(
            f"{path} is no directory of a result", expected=f"one of {', '.join(KINDS)}"
        )
    return "/".join(parts)


def _exists(results: Results, directory: str) -> bool:
    return results.is_loose(directory) or results.is_packed(directory)
