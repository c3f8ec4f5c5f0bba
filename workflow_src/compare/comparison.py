"""A comparison of two sources as a whole: its rows, its counts and what may explain them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workflow_src.archive.results import Results
from workflow_src.compare.causes import Causes, causes
from workflow_src.compare.commits import source_of_commit
from workflow_src.compare.names import Kind, Name, release_folder, resolved
from workflow_src.compare.sources import NOW, Source, source_of_path, source_of_release
from workflow_src.compare.verdicts import BEYOND, FINDINGS, LEVEL, Verdict, judged
from workflow_src.config.loading import load_layered


@dataclass(frozen=True)
class Comparison:
    """Two sides, and one row per metric that either has; see `workflow_src.compare.verdicts`."""

    before: Source
    after: Source
    level: float
    rows: pd.DataFrame
    causes: Causes

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """The number of rows of every verdict that occurs."""
        found = self.rows["verdict"].value_counts()
        return {one: int(found[one.value]) for one in Verdict if one.value in found}

    @property
    def has_findings(self) -> bool:
        """Whether something is beyond noise, or lacks a number for another reason than before."""
        return any(one in self.counts for one in FINDINGS)

    @property
    def tests(self) -> int:
        """How many differences were tested together."""
        asked = self.rows[self.rows["p_adjusted"].notna()]
        names = ["key", "metric", "importance_samples", "difference", "p"]
        return len(asked.drop_duplicates(names))

    @property
    def absent(self) -> Mapping[str, int]:
        """How many evaluations each side plans that are not here; only sides that lack some."""
        counted = {}
        for side in (self.before, self.after):
            missing = side.rows.loc[side.rows["state"] == "missing", "evaluation"]
            if len(missing):
                counted[side.name] = int(missing.nunique())
        return counted

    def sorted_rows(self, *, every: bool) -> pd.DataFrame:
        """The rows to show: by verdict, the largest difference in units of its error first.

        Then the largest relative one: the zero of a log likelihood is arbitrary, so that its
        relative differences say little. Where not ``every``, those that are beyond noise or lack a
        number for another reason.
        """
        rows = self.rows
        if not every:
            rows = rows[rows["verdict"].isin([one.value for one in FINDINGS])]
        order = {one.value: place for place, one in enumerate(Verdict)}
        first = {one.value for one in BEYOND}
        place = rows["verdict"].map(lambda one: -1 if one in first else order[one])
        # What has no error, such as a count, comes after what has one.
        errors = (rows["difference"] / rows["error"]).abs().fillna(-1.0)
        # A change from zero has no relative size; nothing is larger.
        size = rows["relative"].abs().fillna(math.inf)
        ranked = rows.assign(_place=place, _errors=-errors, _size=-size)
        names = ["_place", "_errors", "_size"]
        return ranked.sort_values(names, kind="stable").drop(columns=names)


def compare(
    before: str,
    after: str | None,
    files: Sequence[Path],
    *,
    level: float = LEVEL,
    root: Path | None = None,
) -> Comparison:
    """Compare what two names mean; without ``after`` the results as they are now.

    Parameters
    ----------
    before, after:
        As `workflow_src.compare.names` reads them.
    files:
        The settings files, config.yaml first.
    level:
        The false discovery rate among the rows that are called beyond noise, in (0, 1).
    root:
        The project's folder; the working directory where it is left out.

    Raises
    ------
    UserError
        For a name that means nothing or two things, and for what cannot be read.
    """
    where = Path() if root is None else root
    results = where / load_layered(files).directories.results
    names = [resolved(text, root=where) for text in (before, after) if text is not None]
    sides = [_source(name, files, results, where) for name in names]
    if after is None:
        sides.append(source_of_path(results, NOW))
    return compared(*sides, level=level, results=results)


def _source(name: Name, files: Sequence[Path], results: Path, root: Path) -> Source:
    if name.kind is Kind.RELEASE:
        return source_of_release(release_folder(name.text, root))
    if name.kind is Kind.COMMIT:
        return source_of_commit(name.text, files, results)
    return source_of_path(root / name.text)


def compared(before: Source, after: Source, *, level: float, results: Path) -> Comparison:
    """The same of sources that are there; texts of code are looked for in ``results``."""
    rows = judged(before.rows, after.rows, level=level)
    # Of what one side has alone, or what is the same, there is nothing to explain.
    open_ = (rows["seeds_common"] > 0) & (rows["verdict"] != Verdict.SAME)
    differ = rows[open_ | (rows["verdict"] == Verdict.REASON)]
    found = causes(before, after, differ, Results(results).source)
    return Comparison(before, after, level, rows, found)
