"""The numbers of a commit: the evaluations that its own plan names, as far as they are here.

Results lie under fingerprints, so those of earlier code are found beside those of now, loose or
packed. What is not here keeps its place, so that it is told as not here and not as gone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes.revisions import plan_of_revision
from workflow_src.compare.names import Kind
from workflow_src.compare.reading import rows_frame
from workflow_src.compare.sources import Source, results_records
from workflow_src.errors import UserError
from workflow_src.plan.layout import EVALUATION_RECORD
from workflow_src.report.evidence import read_groups
from workflow_src.report.metrics import group_rows

_SHORT = 12
_NOT_MEASURED = "evaluation"
"""The metric of rows that say no more than that an evaluation has no numbers."""


def source_of_commit(revision: str, files: Sequence[Path], results: Path) -> Source:
    """The side of a git revision; ``results`` is the folder that is searched.

    Raises
    ------
    UserError
        For a revision that cannot be planned, and for records that are damaged.
    """
    place = f"{Kind.COMMIT}:{revision}"
    try:
        commit, plan = plan_of_revision(revision, files)
    except UserError as error:
        raise UserError(
            error.problem, place=place, expected=error.expected, remedy=error.remedy
        ) from None
    return source_of_plan(revision, commit, plan, results)


def source_of_plan(revision: str, commit: str, plan: Mapping[str, Any], results: Path) -> Source:
    """The same from a plan as `workflow_src.changes.description.described` gives it."""
    place = f"{Kind.COMMIT}:{revision}"
    archive = Results(results)
    try:
        members = list(_members(plan, archive))
        settings, closures = plan["settings"], plan["closures"]
        code = {step: one["modules"] for step, one in closures.items()}
        groups = read_groups(members, archive)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"its plan or records are of another form than now ({type(error).__name__}: {error})",
            place=place,
            expected="a revision whose `plan --json` this version can read",
            remedy="make a release there (`python -m workflow_src release NAME`), and compare "
            "with its metrics.parquet",
        ) from None
    rows = [row for group in groups for row in group_rows(group, _NOT_MEASURED)]
    short = commit[:_SHORT]
    return Source(
        name=f"commit {short}" if commit.startswith(revision) else f"commit {revision} ({short})",
        stem=short,
        kind=Kind.COMMIT.value,
        place=place,
        rows=rows_frame(rows, place),
        commit=commit,
        uncommitted=False,
        settings={
            key: one for key, one in settings.items() if key not in ("directories", "mirror")
        },
        records=results_records(archive),
        code=code,
        remedy=f"`dvc pull` where results were pushed, or make them: `git worktree add "
        f"../{short} {short}` and start Snakemake there with `directories.results` "
        "set to these results",
    )


def _members(plan: Mapping[str, Any], archive: Results) -> list[dict[str, Any]]:
    """The rows of a membership of a report, from a plan."""
    rows = []
    for fingerprint, one in plan["evaluations"].items():
        directory = archive.root / os.path.join(*Path(one["directory"]).parts[-4:])
        rows += [
            {
                "study": group["study"],
                "experiment": group["experiment"],
                "axes": one["axes"],
                "variant": group["variant"],
                "evaluation": fingerprint,
                "path": (directory / EVALUATION_RECORD).as_posix(),
            }
            for group in one["groups"]
        ]
    return rows
