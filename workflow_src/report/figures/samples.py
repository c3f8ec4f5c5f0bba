"""Images drawn from the winners, model beside model, with the expected pixels below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_src.report.evidence import Group, read_arrays
from workflow_src.report.figures.mosaics import Panel, enlarged, panels_png, square_tiling
from workflow_src.report.figures.style import Figure
from workflow_src.report.wording import axis_value

_SIZE = 420
_ACROSS = 4
_IMAGES = 64


def draw_samples(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without samples are left out."""
    by_data: dict[tuple[Any, Any], list[tuple[Group, dict[str, Any]]]] = {}
    seen = set()
    for group in groups:
        axes = group.axes
        key = (axes["data_set"], axes["likelihood"])
        way = (*key, axes["model"], axes["protocol"], axes["stream"])
        if way in seen:
            continue
        arrays = read_arrays(group.evaluation, "samples")
        if arrays is not None:
            seen.add(way)
            by_data.setdefault(key, []).append((group, arrays))
    return [_figure(prefix, *key, drawn) for key, drawn in by_data.items()]


def _figure(
    prefix: str,
    data_set: str,
    likelihood: str,
    drawn: Sequence[tuple[Group, dict[str, Any]]],
) -> Figure:
    several = len({(g.axes["protocol"], g.axes["stream"]) for g, _ in drawn}) > 1
    rows: list[list[Panel]] = []
    labels: list[str] = []
    for start in range(0, len(drawn), _ACROSS):
        part = drawn[start : start + _ACROSS]
        for name, label, titled in (("samples", "drawn", True), ("means", "expected", False)):
            rows.append([_panel(g, a[name], titled, several) for g, a in part])
            labels.append(label)
    title = f"Samples, {axis_value('data_set', data_set)}, {axis_value('likelihood', likelihood)}"
    seeds = sorted({group.axes["seed"] for group, _ in drawn})
    return Figure(
        name=f"{prefix}_samples-{data_set}-{likelihood}",
        title=title,
        caption=(
            "Images drawn from the winners, and below them the pixels expected given the same "
            f"latent codes and components (seed {', '.join(map(str, seeds))}; {_ways(drawn)})."
        ),
        images={".png": panels_png(rows, labels)},
        evaluations=tuple(group.evaluation.fingerprint for group, _ in drawn),
    )


def _panel(group: Group, images: Any, titled: bool, several: bool) -> Panel:
    title = axis_value("model", group.axes["model"])
    if several:
        title += f"\n{group.axes['protocol']}, {group.axes['stream']}"
    return Panel(title if titled else "", enlarged(square_tiling(images[:_IMAGES]), _SIZE))


def _ways(drawn: Sequence[tuple[Group, Any]]) -> str:
    ways = dict.fromkeys((g.axes["protocol"], g.axes["stream"]) for g, _ in drawn)
    return "; ".join(f"protocol {protocol}, stream {stream}" for protocol, stream in ways)
