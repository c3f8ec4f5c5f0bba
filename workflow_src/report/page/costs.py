"""What training and measuring took, laid out for a study's page and, in short, for the overview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_src.report.evidence import Evidence
from workflow_src.report.page.chapters import Chapter
from workflow_src.report.training_costs import PEAK_NOTE, CostRow, total_costs, training_costs
from workflow_src.report.wording import NOTHING, axis_value, duration

_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000.0

_HEADS = ("Runs", "Training", "Steps", "Evaluations", "Evaluating", "Parameters", "Peak memory")


def costs_values(evidence: Evidence, study: str) -> dict[str, Any]:
    """A row per model and data set of one study, and their total."""
    rows = training_costs(evidence, study)
    total = total_costs(evidence, study)
    return _values(
        ("Model", "Data set"),
        [(_titles(row), row) for row in rows],
        (("Total", ""), total),
    )


def overview_costs(evidence: Evidence, chapters: Sequence[Chapter]) -> dict[str, Any]:
    """A row per study, and the total in which runs that studies share count once."""
    rows = [
        ((chapter.study.title,), total_costs(evidence, chapter.study.name)) for chapter in chapters
    ]
    return _values(("Paper",), rows, (("Total, each run once",), total_costs(evidence)))


def _values(
    titles: tuple[str, ...],
    rows: Sequence[tuple[tuple[str, ...], CostRow]],
    total: tuple[tuple[str, ...], CostRow],
) -> dict[str, Any]:
    shown = [row for _, row in rows] + [total[1]]
    on_device = any(row.peak_device_bytes is not None for row in shown)
    more = ("Peak on device",) if on_device else ()
    return {
        "heads": [*titles, *_HEADS, *more],
        "titles": len(titles),
        "rows": [[*named, *_texts(row, on_device)] for named, row in rows],
        "total": [*total[0], *_texts(total[1], on_device)],
        "notes": [
            "Training is the runs' shares of their devices' time, evaluating is wall time of "
            "choosing winners and measuring them; a measurement that several evaluations use "
            "counts once.",
            PEAK_NOTE,
        ],
    }


def _titles(row: CostRow) -> tuple[str, str]:
    return axis_value("model", row.model), axis_value("data_set", row.data_set)


def _texts(row: CostRow, on_device: bool) -> list[str]:
    texts = [
        _runs(row),
        duration(row.device_seconds),
        f"{row.steps:,}",
        f"{row.evaluations:,}",
        duration(row.evaluation_seconds),
        _parameters(row.parameters),
        bytes_text(row.peak_host_bytes),
    ]
    return [*texts, bytes_text(row.peak_device_bytes)] if on_device else texts


def _runs(row: CostRow) -> str:
    """How many, and how many of these have no result to choose from."""
    others = [
        f"{count:,} {word}"
        for count, word in ((row.diverged, "diverged"), (row.missing, "missing"))
        if count
    ]
    return f"{row.runs:,}" + (f" ({', '.join(others)})" if others else "")


def _parameters(found: tuple[int, int] | None) -> str:
    if found is None:
        return NOTHING
    fewest, most = found
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"


def bytes_text(count: int | None) -> str:
    """A size in the unit that suits it, of thousands; a dash for none."""
    if count is None:
        return NOTHING
    size, units = float(count), list(_UNITS)
    while size >= _THOUSAND and len(units) > 1:
        size /= _THOUSAND
        units.pop(0)
    return f"{size:.3g} {units[0]}"
