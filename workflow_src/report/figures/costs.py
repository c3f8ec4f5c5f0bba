"""Seconds that exact inference takes, against width, depth or latent dimensions; on log axes.

Appendix I of the EM-DGN paper: how many regions there are is what costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from workflow_src.config.metrics import metric
from workflow_src.report.evidence import Group
from workflow_src.report.figures.curves import is_numeric
from workflow_src.report.figures.lines import Gap, Labels, Mark, Point, draw_panels, panels_of
from workflow_src.report.figures.style import Figure, Styles
from workflow_src.report.wording import axis_title

_DRAWN = ("region_count", "enumeration_seconds", "expectation_seconds", "reference_seconds")


def draw_costs(prefix: str, groups: Sequence[Group], styles: Styles, across: str) -> list[Figure]:
    """A figure per cost that is measured; none where the values of ``across`` are no numbers."""
    if not is_numeric(groups, across):
        return []
    figures = (_figure(prefix, groups, styles, name, across) for name in _DRAWN)
    return [figure for figure in figures if figure is not None]


def marks_of(name: str, across: str) -> Callable[[Group], Iterable[Mark]]:
    """A group's value of a metric at its value of ``across``.

    What was not measured has no mark, and what could not be has a gap; nor can an axis of
    logarithms show zero.
    """

    def marks(group: Group) -> Iterable[Mark]:
        x = group.value_of(across)
        if x is None:
            return
        one = group.evaluation.metric(name)
        if group.evaluation.reason is not None:
            yield Gap(float(x), group.evaluation.reason)
        elif one is not None and math.isfinite(one.value) and one.value > 0:
            yield Point(float(x), one.value, None)

    return marks


def _figure(
    prefix: str, groups: Sequence[Group], styles: Styles, name: str, across: str
) -> Figure | None:
    panels = panels_of(groups, marks_of(name, across), across)
    if not any(line.points for lines in panels.values() for line in lines):
        return None
    title = metric(name).title
    heading = f"{title[:1].upper()}{title[1:]}, by {axis_title(across).lower()}"
    return draw_panels(
        f"{prefix}_{name}",
        heading,
        f"{heading}.",
        panels,
        styles,
        [group.evaluation.fingerprint for group in groups],
        Labels(axis_title(across).lower(), "{:g}", metric(name).unit, logarithmic=True),
    )
