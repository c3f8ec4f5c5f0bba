"""Results that the plan does not name: those of earlier code, data or settings.

They are found by listing folders, since names carry fingerprints; the few that are read are chosen
by their reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property

from workflow_src.archive.results import Results
from workflow_src.plan.fingerprints import LENGTH
from workflow_src.plan.plan import Plan


class Orphans:
    """Directories of one kind by family (``<model>/<data set>-<likelihood>``), the latest first."""

    def __init__(self, results: Results, kind: str, planned: Iterable[str]) -> None:
        self._results = results
        self._kind = kind
        self._planned = frozenset(planned)

    def of(self, family: str) -> Mapping[str, str]:
        """The directories of a family by fingerprint; times of files decide their order alone."""
        folder = self._results.root / self._kind / family
        dated: dict[str, tuple[int, str]] = {
            fingerprint_of(name): (0, name)
            for name in self._packed.get(family, ())
            if fingerprint_of(name) not in self._planned
        }
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = fingerprint_of(entry.name)
                    if name not in self._planned and not entry.name.startswith("."):
                        directory = f"{self._kind}/{family}/{entry.name}"
                        dated[name] = (entry.stat().st_mtime_ns, directory)
        except (FileNotFoundError, NotADirectoryError):
            pass
        ordered = sorted(dated.items(), key=lambda item: item[1], reverse=True)
        return {name: directory for name, (_, directory) in ordered}

    def families(self, model: str) -> list[str]:
        """The families of a model that have results, loose or packed."""
        folder = self._results.root / self._kind / model
        try:
            loose = {f"{model}/{name}" for name in os.listdir(folder) if not name.startswith(".")}
        except (FileNotFoundError, NotADirectoryError):
            loose = set()
        packed = {family for family in self._packed if family.partition("/")[0] == model}
        return sorted(loose | packed)

    @cached_property
    def _packed(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for directory in self._results.index.directories:
            kind, _, rest = directory.partition("/")
            if kind == self._kind:
                found.setdefault(rest.rpartition("/")[0], []).append(directory)
        return found


def family_of(axes: Mapping[str, object]) -> str:
    """The folder of a model's results on one data set, inside that of their kind."""
    return f"{axes['model']}/{axes['data_set']}-{axes['likelihood']}"


def fingerprint_of(directory: str) -> str:
    """The fingerprint that a result directory's name ends with."""
    return directory.rstrip("/")[-LENGTH:]


def results_of(plan: Plan) -> Results:
    """The results that the plan looks at."""
    return Results(plan.root / plan.layout.results)
