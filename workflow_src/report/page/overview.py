"""What the first page says of the whole report: what ran, how much of it is there, at what cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_src.report.evaluations import MEASURED
from workflow_src.report.evidence import Evidence
from workflow_src.report.page.addresses import study_page
from workflow_src.report.page.chapters import Chapter
from workflow_src.report.page.costs import overview_costs
from workflow_src.report.page.missing import study_runs
from workflow_src.report.schema import METRICS
from workflow_src.report.training_costs import COMPLETED, DIVERGED
from workflow_src.report.wording import axis_title, axis_value, counted, duration, listed

_SCOPE = ("model", "data_set", "likelihood", "fraction", "protocol", "stream")
_TIME = 16
"""Characters of a time in ISO 8601 down to the minute."""


def overview_values(
    evidence: Evidence, chapters: Sequence[Chapter], studies: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the template of the overview shows beside the studies' own values."""
    missing = sum(study["missing"]["count"] for study in studies)
    diverged = sum(run.state == DIVERGED for run in evidence.runs)
    return {
        "tiles": _tiles(evidence, missing, diverged),
        "is_demo": evidence.settings.get("scale") == "demo",
        "scope": [
            {"term": axis_title(axis), "values": listed(_values(evidence, axis))} for axis in _SCOPE
        ],
        "evaluated": _span([one.ended for one in evidence.evaluations if one.ended]),
        "cards": [
            _card(evidence, chapter, study)
            for chapter, study in zip(chapters, studies, strict=True)
        ],
        "missing": missing,
        "diverged": diverged,
        "costs": overview_costs(evidence, chapters),
        "columns": [
            {"name": c.name, "type": c.type, "unit": c.unit or "", "meaning": c.meaning}
            for c in METRICS
        ],
    }


def _tiles(evidence: Evidence, missing: int, diverged: int) -> list[dict[str, str]]:
    evaluations, runs = evidence.evaluations, evidence.runs
    measured = sum(one.state == MEASURED for one in evaluations)
    states = Counter(run.state for run in runs)
    cut = sum(run.ended_by_maximum_steps for run in runs)
    seconds = sum(run.device_seconds or 0.0 for run in runs)
    seeds = sorted({group.axes["seed"] for group in evidence.groups})
    return [
        _tile(
            f"{measured:,} of {len(evaluations):,}",
            "winners measured",
            "all there" if measured == len(evaluations) else "see what is missing",
        ),
        _tile(
            f"{len(runs):,}",
            "runs",
            ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "none",
        ),
        _tile(
            f"{missing:,}",
            "cells lacking a seed's number" if missing != 1 else "cell lacking a seed's number",
            f"{counted(diverged, 'run')} diverged",
            href="#missing",
        ),
        _tile(f"{cut:,}", "runs ended by maximum_steps", "before their stopping rule"),
        _tile(
            duration(seconds),
            "device time of training",
            f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds))})",
            href="#costs",
        ),
    ]


def _tile(value: str, label: str, detail: str, href: str = "") -> dict[str, str]:
    return {"value": value, "label": label, "detail": detail, "href": href}


def _card(evidence: Evidence, chapter: Chapter, study: Mapping[str, Any]) -> dict[str, Any]:
    """How much of a study there is."""
    cells = [cell for table in chapter.tables.values() for cell in table.cells.values()]
    runs = study_runs(evidence, chapter.study.name)
    figures = sum(len(gallery.figures) for gallery in chapter.galleries.values())
    filled = sum(cell.ours is not None for cell in cells)
    planned = sum(bool(cell.sources) for cell in cells)
    compared = sum(cell.difference is not None for cell in cells)
    done = sum(run.state == COMPLETED for run in runs)
    return {
        "name": study["name"],
        "title": study["title"],
        "reference": study["reference"],
        "address": study_page(study["name"]),
        "facts": [
            counted(len(chapter.tables), "experiment"),
            f"{filled:,} of {counted(planned, 'cell')} filled",
            f"{compared:,} beside a published number",
            f"{done:,} of {counted(len(runs), 'run')} completed",
            counted(figures + len(chapter.learning_curves), "figure"),
        ],
        "counts": study["claims"]["counts"] if study["claims"] else [],
    }


def _values(evidence: Evidence, axis: str) -> list[str]:
    values = dict.fromkeys(group.axes[axis] for group in evidence.groups)
    return [axis_value(axis, value) for value in values]


def _span(times: Sequence[str]) -> str:
    if not times:
        return "not yet"
    first, last = (one(times)[:_TIME].replace("T", " ") for one in (min, max))
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"
