"""A metric against something it depends on: importance samples, or what a table has in its rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from workflow_src.config.metrics import metric
from workflow_src.report.evidence import Group
from workflow_src.report.figures.lines import (
    Gap,
    Labels,
    Line,
    Mark,
    Panels,
    Point,
    draw_panels,
    line_title,
    panel_title,
    panels_of,
)
from workflow_src.report.figures.style import Figure, Styles
from workflow_src.report.metrics import not_finite
from workflow_src.report.wording import axis_title, number

_BOUND = "test_bound"
_ENOUGH = 1.0
"""A gain in nats beyond which more importance samples still matter."""
_MOST = 6


def draw_importance_samples(prefix: str, groups: Sequence[Group], styles: Styles) -> list[Figure]:
    """The test bound against the number of importance samples it was estimated with."""

    def marks(group: Group) -> Iterable[Mark]:
        for one in group.evaluation.metrics:
            if one.name == _BOUND and one.importance_samples and math.isfinite(one.value):
                yield Point(one.importance_samples, one.value, one.standard_error)

    panels = panels_of(groups, marks)
    if not any(len(line.summary()) > 1 for lines in panels.values() for line in lines):
        return []
    return [
        draw_panels(
            f"{prefix}_importance_samples",
            "Bound against importance samples",
            "Test bound of the winners by the number of importance samples per image, and per leaf "
            "where models have leaves, that it is estimated with; where lines still rise, the "
            "bound is not tight. "
            f"{_told(panels)}",
            panels,
            styles,
            _evaluations(groups),
            Labels("importance samples", "{:,.0f}", metric(_BOUND).unit),
            hollow=lambda line: last_gain(line)[1] > _ENOUGH,
        )
    ]


def last_gain(line: Line) -> tuple[float, float]:
    """From which number of samples to the largest, and by how much the mean bound rises so.

    The number is the largest that is at most a tenth of the largest, or else the next smaller one;
    the gain is 0 where there is none.
    """
    rows = line.summary()
    if len(rows) < 2:
        return (rows[-1][0] if rows else 0.0), 0.0
    most, bound, _ = rows[-1]
    x, before, _ = next((row for row in reversed(rows[:-1]) if row[0] <= most / 10), rows[-2])
    return x, bound - before


def _told(panels: Panels) -> str:
    """What the last tenfold still gains, line by line where it matters."""
    rising, count = [], 0
    for place, lines in panels.items():
        for line in lines:
            x, gain = last_gain(line)
            count += 1
            if gain > _ENOUGH:
                title = f"{line_title(line, panels)} on {panel_title(place)}"
                rising.append(f"{title} {number(gain, 'nats')} nats from {x:,.0f} samples on")
    if not rising:
        return "The last step up gains at most 1 nat on every line."
    rest = f" and {len(rising) - _MOST} more" if len(rising) > _MOST else ""
    return (
        f"Empty marks: the last step up still gains more than 1 nat ({len(rising)} of {count} "
        f"lines): {'; '.join(rising[:_MOST])}{rest}."
    )


def draw_curve(
    prefix: str, groups: Sequence[Group], styles: Styles, metric_name: str, across: str
) -> list[Figure]:
    """A metric against ``across``: the part of the training images, or a compared hyperparameter.

    There is none where its values are no numbers. Models without that hyperparameter are left out.
    """
    scale = 100 if across == "fraction" else 1

    def marks(group: Group) -> Iterable[Mark]:
        value = group.value_of(across)
        if value is None:
            return
        x = float(value) * scale
        one = group.evaluation.metric(metric_name)
        if one is None:
            yield Gap(x, group.evaluation.why_without(metric_name))
        elif not math.isfinite(one.value):
            yield Gap(x, not_finite(one))
        else:
            yield Point(x, one.value, one.standard_error)

    if not is_numeric(groups, across):
        return []
    panels = panels_of(groups, marks, across)
    if not any(line.points for lines in panels.values() for line in lines):
        return []
    title = metric(metric_name).title
    words = (
        ("Test performance against training images", "as the training set shrinks")
        if across == "fraction"
        else (f"{title[:1].upper()}{title[1:]}", f"by {axis_title(across).lower()}")
    )
    label = "training images, % of all" if across == "fraction" else axis_title(across).lower()
    return [
        draw_panels(
            f"{prefix}_curve",
            words[0] if across == "fraction" else f"{words[0]}, {words[1]}",
            f"{title[:1].upper()}{title[1:]}, {words[1]}.",
            panels,
            styles,
            _evaluations(groups),
            Labels(label, "{:g}", metric(metric_name).unit),
        )
    ]


def is_numeric(groups: Sequence[Group], across: str) -> bool:
    """Whether the values of that axis or hyperparameter are numbers, and there are any."""
    values = {group.value_of(across) for group in groups} - {None}
    return bool(values) and all(_is_number(value) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _evaluations(groups: Sequence[Group]) -> list[str]:
    return [group.evaluation.fingerprint for group in groups]
