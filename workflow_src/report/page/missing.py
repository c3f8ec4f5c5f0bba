"""What is not there and why: cells that lack the number of a planned seed, runs that diverged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from workflow_src.report.evaluations import Run
from workflow_src.report.evidence import Evidence, runs_of
from workflow_src.report.page.addresses import experiment_anchor
from workflow_src.report.page.chapters import Chapter
from workflow_src.report.tables import Key, Table
from workflow_src.report.training_costs import DIVERGED
from workflow_src.report.wording import axis_value, counted, described, heading_text


def missing_values(evidence: Evidence, chapter: Chapter) -> dict[str, Any]:
    """What the templates of missing cells and of diverged runs show of a study."""
    experiments = [one for name in chapter.tables if (one := _experiment(chapter, name))["cells"]]
    diverged = [run for run in study_runs(evidence, chapter.study.name) if run.state == DIVERGED]
    return {
        "experiments": experiments,
        "count": sum(len(one["cells"]) for one in experiments),
        "diverged": [_diverged(run) for run in diverged],
    }


def study_runs(evidence: Evidence, study: str) -> tuple[Run, ...]:
    """Every run that a study's evaluations chose from or were judged by, once."""
    groups = evidence.study_groups(study)
    return runs_of(tuple({one.evaluation.fingerprint: one.evaluation for one in groups}.values()))


def _experiment(chapter: Chapter, name: str) -> dict[str, Any]:
    table = chapter.tables[name]
    cells = list(_cells(table))
    reasons = Counter(cell["reason"] for cell in cells)
    return {
        "id": experiment_anchor(table.study, name),
        "title": chapter.study.experiments[name].title,
        "cells": cells,
        "of": len(table.cells),
        "reasons": [
            {"text": text, "count": counted(count, "cell")} for text, count in reasons.most_common()
        ],
    }


def _cells(table: Table) -> Iterator[dict[str, str]]:
    for place, cell in table.cells.items():
        if cell.is_incomplete:
            yield _missing(table, place)


def _missing(table: Table, place: tuple[Key, Key]) -> dict[str, str]:
    cell = table.cells[place]
    axes = [*zip(table.row_axes, place[0], strict=True)]
    axes += zip(table.column_axes, place[1], strict=True)
    lacking = [one for one in cell.sources if one.value is None and not one.never]
    reasons = {source.reason for source in lacking if source.reason} or {cell.reason or ""}
    return {
        "cell": ", ".join(heading_text(axis, value) for axis, value in axes),
        "seeds": ", ".join(source.told for source in lacking),
        "reason": "; ".join(sorted(reasons)),
    }


def _diverged(run: Run) -> dict[str, str]:
    spec = run.spec
    return {
        "fingerprint": run.fingerprint,
        "model": axis_value("model", spec["model"]),
        "data_set": axis_value("data_set", spec["data_set"]),
        "likelihood": axis_value("likelihood", spec["likelihood"]),
        "seed": str(spec["seed"]),
        "hyperparameters": described(run.hyperparameters or {}),
        "reason": run.reason or "",
    }
