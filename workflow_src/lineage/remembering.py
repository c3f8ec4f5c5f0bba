"""Results whose records are read once, for whoever looks at many of them several times.

Thousands of records are held at a time; what most of them say alike, such as the environment, the
machine and the digests of modules, is held once.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results, making_anew, record_name
from workflow_src.errors import UserError
from workflow_src.provenance.record import record_is_whole, refuse_newer_record
from workflow_src.storage import read_json_object

_ALIKE = ("determinism", "environment", "git", "machine", "slurm")
_ALIKE_IN_CONTENT = ("code", "data_recipe", "measures", "seed_derivation", "settings")


class RememberedResults(Results):
    """Results as they were when they were first asked for; records are not to be altered."""

    def __init__(self, root: Path, *, from_packs: Collection[str] = ()) -> None:
        super().__init__(root, from_packs=from_packs)
        self._records: dict[str, dict[str, Any]] = {}
        self._whole: set[str] = set()
        self._alike: dict[str, Any] = {}
        self._files: dict[Path, dict[str, Any] | None] = {}
        self._directories = functools.cache(super().directories)

    def directories(self, kind: str) -> list[str]:
        """All complete directories of a kind, sorted, as they were at the first time."""
        return self._directories(kind)

    def record(self, directory: str) -> dict[str, Any]:
        """The record of a directory, read once; a damaged one is a `UserError`."""
        if directory not in self._records:
            record = super().record(directory)
            self._share(record, _ALIKE)
            if isinstance(content := record.get("content"), dict):
                self._share(content, _ALIKE_IN_CONTENT)
            self._records[directory] = record
        return self._records[directory]

    def whole_record(self, directory: str) -> dict[str, Any] | None:
        """A record that says what it said when it was written; None where there is none.

        Raises
        ------
        UserError
            A record that is damaged, was changed, or is of a newer version of this project.
        """
        if not self.is_loose(directory) and not self.is_packed(directory):
            return None
        record = self.record(directory)
        if directory not in self._whole:
            _whole(record, self.root / directory / record_name(directory), making_anew(directory))
            self._whole.add(directory)
        return record

    def whole_file(self, path: Path) -> dict[str, Any] | None:
        """As `whole_record`, for a record beside the results, such as one of data."""
        if path not in self._files:
            self._files[path] = _whole(read_json_object(path), path) if path.is_file() else None
        return self._files[path]

    def _share(self, parts: dict[str, Any], names: Collection[str]) -> None:
        for name in names:
            if name in parts:
                text = json.dumps(parts[name], sort_keys=True)
                parts[name] = self._alike.setdefault(text, parts[name])


def _whole(
    record: dict[str, Any], place: Path, remedy: str = "`python -m workflow_src audit` tells more"
) -> dict[str, Any]:
    refuse_newer_record(record, place)
    if not record_is_whole(record):
        raise UserError(
            "the record was changed after it was written", place=str(place), remedy=remedy
        )
    return record
