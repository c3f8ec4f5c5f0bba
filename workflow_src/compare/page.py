"""A comparison as a page of its own that opens from disk, with the looks of the report."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_src.compare import wording
from workflow_src.compare.comparison import Comparison
from workflow_src.compare.noise import ERRORS, ONE_SEED, PAIRED, PREDICTION, WELCH
from workflow_src.compare.reading import CELL
from workflow_src.compare.telling import facts, notes
from workflow_src.compare.verdicts import EXACT, Verdict
from workflow_src.report.page.addresses import SCRIPT, STYLE, TABLES_SCRIPT
from workflow_src.report.page.templating import template_environment

TEMPLATES = Path(__file__).parent / "templates"
ROWS_SHOWN = 2000
"""More rows make a page slow; the rest is in the CSV file alone."""

_APART = ("study", "experiment", "model")
_AXES = tuple(name for name in CELL if name not in _APART)
_NUMBERS = (
    ("before", "Before"),
    ("after", "After"),
    ("difference", "Difference, 95 % interval"),
)
_LAST = (
    ("relative", "Relative"),
    ("p_adjusted", "p, adjusted"),
    ("seeds_common", "Seeds"),
)
_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "before": functools.partial(wording.value, side="before"),
    "after": functools.partial(wording.value, side="after"),
    "difference": wording.difference,
    "relative": wording.relative,
    "p_adjusted": wording.p_value,
    "seeds_common": wording.seeds,
}
_GUIDE = (
    ("better, worse, changed beyond noise", "The difference is larger than noise explains, after "
     "adjusting for the number of differences that were tested; changed where neither direction is "
     "better."),
    (Verdict.WITHIN, "Noise of this size is to be expected. It does not say that nothing changed."),
    (Verdict.SAME, "Equal numbers in all common seeds, but for rounding."),
    (Verdict.REASON, "A seed has a number on one side alone, or none for different reasons; the "
     "common seeds are not beyond noise."),
    (Verdict.UNTOLD, "Nothing says how large noise is: no standard error, or seeds that do not "
     "vary. Or the sides have different units."),
    (f"{Verdict.LARGER}; {Verdict.INSIDE}", "One seed of different trainings: the error of the "
     "estimates is known, how trainings vary is not. No test and no finding."),
    (Verdict.NOT_HERE, "The evaluation is planned, and its result is not here."),
    (PAIRED, "Two or more common seeds: paired t test."),
    (WELCH, "Seeds that differ, two or more on each side: Welch's t test."),
    (PREDICTION, "One seed on one side, several on the other: a t test of whether the one is to be "
     "expected of the spread of the others."),
    (ERRORS, "Both sides measured the same run: the errors of the estimates. On the same test "
     "images they are too large for a difference, which is conservative."),
    (ONE_SEED, "One run each, trained apart: the interval is that of the estimates alone."),
    (EXACT, "Counts: any change is one."),
)  # fmt: skip


def page_text(comparison: Comparison, *, made: datetime) -> str:
    """The page as HTML; it needs the assets of the report beside it."""
    rows = comparison.sorted_rows(every=True)
    shown = rows.head(ROWS_SHOWN)
    words = tuple(name for name in _AXES if rows[name].nunique() > 1)
    scale = _scale(shown)
    return (
        template_environment(TEMPLATES)
        .get_template("comparison.html")
        .render(
            before=facts(comparison.before),
            after=facts(comparison.after),
            addresses={"style": STYLE, "script": SCRIPT, "tables_script": TABLES_SCRIPT},
            made=made.strftime("%Y-%m-%d %H:%M UTC"),
            tiles=list(_tiles(comparison)),
            notes=list(notes(comparison)),
            causes=list(_causes(comparison)),
            fixed=", ".join(wording.shared(rows, (*_APART, *words))),
            columns=_columns(words),
            rows=[_row(row, words, scale) for row in shown.to_dict("records")],  # type: ignore[arg-type]
            left_out=len(rows) - len(shown),
            legend=_legend(scale),
            guide=[{"term": term, "meaning": meaning} for term, meaning in _GUIDE],
        )
    )


def _tiles(comparison: Comparison) -> Iterator[dict[str, str]]:
    for verdict, count in comparison.counts.items():
        yield {"value": f"{count:,}", "label": verdict.value}


def _causes(comparison: Comparison) -> Iterator[dict[str, Any]]:
    causes = comparison.causes
    for steps, lines in causes.code:
        yield {"title": f"Code of {steps}", "lines": lines}
    others = (
        ("Settings", causes.settings),
        ("Training settings", causes.specs),
        ("Made on", causes.circumstances),
    )
    for title, lines in others:
        if lines:
            yield {"title": title, "lines": lines}


def _columns(words: tuple[str, ...]) -> list[dict[str, Any]]:
    where = [("place", "Experiment"), *((one, one.replace("_", " ").capitalize()) for one in words)]
    parts = (
        ([("verdict", "Verdict"), ("model", "Model"), ("metric", "Metric")], True),
        (_NUMBERS, False),
        (where, True),
        (_LAST, False),
        ([("how", "How")], True),
    )
    return [
        {"name": name, "title": title, "word": word}
        for titles, word in parts
        for name, title in titles
    ]


def _row(row: Mapping[str, Any], words: tuple[str, ...], scale: float) -> dict[str, Any]:
    return {
        "verdict": row["verdict"],
        "names": [row["model"], wording.metric(row)],
        "numbers": [_number(row, name, scale) for name, _ in _NUMBERS],
        "where": [wording.place(row), *(wording.axis(name, row[name]) for name in words)],
        "last": [_number(row, name, scale) for name, _ in _LAST],
        "method": row["method"] or "details",
        "told": wording.told_of(row),
    }


def _number(row: Mapping[str, Any], name: str, scale: float) -> dict[str, Any]:
    return {
        "text": _TEXTS[name](row),
        "order": "" if math.isnan(row[name]) else repr(float(row[name])),
        "heat": _heat(row, scale) if name in ("difference", "relative") else None,
    }


def _scale(rows: pd.DataFrame) -> float:
    """The relative difference of full tint: the largest of metrics that have a better direction."""
    sizes = rows.loc[rows["better"] != 0, "relative"].abs()
    return float(sizes.max()) if sizes.notna().any() else 0.0


def _heat(row: Mapping[str, Any], scale: float) -> float | None:
    """From -1, the worst, to 1, the best; None where neither direction is better."""
    if not scale or not row["better"] or math.isnan(row["relative"]):
        return None
    return round(float(row["better"] * row["relative"]) / scale, 4)


def _legend(scale: float) -> str:
    if not scale:
        return "Difference: after minus before."
    return (
        "Difference: after minus before. Blue is better and orange is worse, whichever direction "
        f"the metric has; the tint is full at a relative difference of {100 * scale:.2g} %, the "
        "largest here."
    )
