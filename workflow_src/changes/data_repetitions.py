"""Prepares data of earlier code again, and compares every array."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes import differences
from workflow_src.changes.earlier import Record
from workflow_src.changes.orphans import Orphans
from workflow_src.changes.samples import Candidate, Difference
from workflow_src.changes.trials import incomparable, is_of
from workflow_src.config.models import model_declarations
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import PREPARATION, Code, data_recipe, prepared_fingerprint
from workflow_src.plan.layout import PREPARED_RECORD, RAW_RECORD
from workflow_src.plan.plan import Plan
from workflow_src.storage import read_json_object


@dataclass(frozen=True)
class DataRepeater:
    """Prepares data again in ``folder``."""

    plan: Plan
    results: Results
    folder: Path

    def candidates(self, codes: frozenset[str]) -> Iterator[Candidate]:
        """Data that one of ``codes`` prepared; also those that are gone and that runs stand on."""
        families = set()
        folder = self.plan.root / self.plan.layout.data / "prepared"
        for path in sorted(folder.glob(f"*/{PREPARED_RECORD}")):
            try:
                record = read_json_object(path)
                recipe = record["content"]["recipe"]
                family = f"{recipe['data_set']}-{recipe['likelihood']}"
                if not is_of(record, codes):
                    continue
            except (UserError, KeyError, TypeError, AttributeError):
                continue
            families.add(family)
            yield Candidate(
                family,
                (str(record["fingerprint"]),),
                repr(recipe),
                _seconds(record),
                self._repeat(path.parent, record),
            )
        for family in self._families_of_runs(codes, families):
            yield Candidate(family, (), None, 0.0, "the prepared data are not here")

    def _families_of_runs(self, codes: frozenset[str], known: set[str]) -> Iterator[str]:
        """Families beside ``known`` with runs on data that one of ``codes`` prepared."""
        orphans = Orphans(self.results, "runs", ())
        found = set(known)
        for model in model_declarations():
            for folder in orphans.families(model):
                family = folder.partition("/")[2]
                if family not in found and self._stands_on(orphans.of(folder).values(), codes):
                    found.add(family)
                    yield family

    def _stands_on(self, runs: Any, codes: frozenset[str]) -> bool:
        for directory in runs:
            try:
                content = self.results.record(directory)["content"]
                recipe, name = content["data_recipe"], content["data"]
            except (UserError, KeyError, TypeError):
                continue
            ways = (Code(PREPARATION, code, {}, code) for code in codes)
            if name in {prepared_fingerprint(recipe, code) for code in ways}:
                return True
        return False

    def _repeat(self, directory: Path, record: Record) -> Callable[[], Difference] | str:
        from workflow_src.config.data_sets import data_set

        recipe = record["content"]["recipe"]
        layout, root = self.plan.layout, self.plan.root
        try:
            known = data_set(recipe["data_set"])
        except UserError:
            return "the registry does not know the data set any more"
        if data_recipe(known, recipe["likelihood"]) != recipe:
            return "the recipe changed too"
        if not (root / layout.raw(known.raw_name) / RAW_RECORD).is_file():
            return "the published files are not here"
        return incomparable(record, None, None) or functools.partial(
            self._prepare, directory, record
        )

    def _prepare(self, directory: Path, record: Record) -> Difference:
        from workflow_src.config.data_sets import data_set
        from workflow_src.data.job import current_fingerprint, prepare_data_set

        content = record["content"]
        known = data_set(content["data_set"])
        again = self.folder / directory.name
        raw = self.plan.root / self.plan.layout.raw(known.raw_name)
        name = current_fingerprint(known, content["likelihood"])
        prepare_data_set(known, content["likelihood"], name, raw, again)
        found = differences.of_prepared(directory, record, again)
        shutil.rmtree(again)
        label = str(record["fingerprint"])
        outputs = {f"{label}/{file}": one["sha256"] for file, one in record["outputs"].items()}
        return outputs, found


def _seconds(record: Record) -> float:
    """How long the preparation took; 0 where its record does not tell."""
    return float((record.get("time") or {}).get("seconds", 0.0))
