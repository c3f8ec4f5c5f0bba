"""The package graph as a picture: parts in rows by level, arrows to the nearest that each imports.

``make architecture`` writes it to docs/images/architecture.svg. Arrows over several rows run
through bends between the boxes; rows are put in an order with few crossings (Sugiyama's method).
Coordinates are rounded and nothing is drawn at random, so that equal graphs give equal text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from statistics import fmean

ROW, GAP, MARGIN, HEIGHT = 58, 22, 24, 28
FONT = "font-family='system-ui, sans-serif' font-size='14'"
COLOURS = {True: ("#fde8c8", "#b26a00"), False: ("#e3edf7", "#3b6ea5")}
LEGEND = {True: "imports torch", False: "does not"}

Node = str | tuple[str, str, int]
"""A part, or where the arrow from one part to another passes a row."""


def picture(
    levels: Sequence[Sequence[str]],
    arrows: Mapping[str, Sequence[str]],
    numerical: Collection[str],
) -> str:
    """The drawing as SVG.

    Parameters
    ----------
    levels:
        Parts by level, the lowest first; they are drawn from below to above.
    arrows:
        The parts that each part imports and does not reach through another one.
    numerical:
        Parts that import torch, which have a colour of their own.
    """
    level = {name: number for number, names in enumerate(levels) for name in names}
    rows: list[list[Node]] = [list(names) for names in levels]
    paths = [_path(name, target, level, rows) for name in level for target in arrows[name]]
    neighbours: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    for path in paths:
        for one, other in pairwise(path):
            neighbours[one].append(other)
            neighbours[other].append(one)
    _order(rows, neighbours)
    x = _places(rows, neighbours)
    y = {node: MARGIN + ROW * (len(rows) - 1 - at) for at, row in enumerate(rows) for node in row}
    return _svg(rows, paths, x, y, numerical)


def _path(
    name: str, target: str, level: Mapping[str, int], rows: Sequence[list[Node]]
) -> list[Node]:
    """The nodes of an arrow from above to below, with a bend in every row that it passes."""
    path: list[Node] = [name]
    for at in range(level[name] - 1, level[target], -1):
        bend = (name, target, at)
        rows[at].append(bend)
        path.append(bend)
    return [*path, target]


def _order(rows: list[list[Node]], neighbours: Mapping[Node, Sequence[Node]]) -> None:
    """Sort every row by the mean place of its neighbours in the row before, down and up again."""
    for sweep in range(24):
        order = range(1, len(rows)) if sweep % 2 else range(len(rows) - 2, -1, -1)
        for at in order:
            before = rows[at - 1 if sweep % 2 else at + 1]
            place = {node: number / len(before) for number, node in enumerate(before)}
            own = {node: number / len(rows[at]) for number, node in enumerate(rows[at])}
            mean = {
                node: fmean([place[n] for n in neighbours[node] if n in place] or [own[node]])
                for node in rows[at]
            }
            rows[at].sort(key=lambda node: (mean[node], own[node]))


def _places(
    rows: Sequence[Sequence[Node]], neighbours: Mapping[Node, Sequence[Node]]
) -> dict[Node, float]:
    """The middle of every node: near its neighbours, in its row's order, without overlaps."""
    x: dict[Node, float] = {}
    for row in rows:
        x.update(_apart(row, dict.fromkeys(row, 0.0)))
    for _ in range(60):
        for row in rows:
            wanted = {node: fmean([x[n] for n in neighbours[node]] or [x[node]]) for node in row}
            x.update(_apart(row, wanted))
    left = min(x[node] - _width(node) / 2 for node in x)
    return {node: value - left + MARGIN for node, value in x.items()}


def _apart(row: Sequence[Node], wanted: Mapping[Node, float]) -> dict[Node, float]:
    """Places in the row's order, the mean of pushing everything right and everything left."""
    right: dict[Node, float] = {}
    left: dict[Node, float] = {}
    for node, before in zip(row, [None, *row], strict=False):
        least = right[before] + _distance(before, node) if before is not None else wanted[node]
        right[node] = max(wanted[node], least)
    for node, after in zip(reversed(row), [None, *reversed(row)], strict=False):
        most = left[after] - _distance(node, after) if after is not None else wanted[node]
        left[node] = min(wanted[node], most)
    return {node: (right[node] + left[node]) / 2 for node in row}


def _width(node: Node) -> float:
    return 8.2 * len(node) + 22 if isinstance(node, str) else 0


def _distance(one: Node, other: Node) -> float:
    return (_width(one) + _width(other)) / 2 + GAP


def _svg(
    rows: Sequence[Sequence[Node]],
    paths: Sequence[Sequence[Node]],
    x: Mapping[Node, float],
    y: Mapping[Node, float],
    numerical: Collection[str],
) -> str:
    width = max(x[node] + _width(node) / 2 for node in x) + MARGIN
    height = ROW * (len(rows) - 1) + HEIGHT + 2 * MARGIN + ROW
    boxes = [node for row in reversed(rows) for node in row if isinstance(node, str)]
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
            f"width='{width:.0f}' height='{height:.0f}' role='img' aria-labelledby='name'>",
            "<title id='name'>Packages of workflow_src and what they import</title>",
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
            "markerHeight='7' orient='auto'><path d='M0,0 L8,4 L0,8 z' fill='#667'/></marker>",
            "</defs>",
            f"<rect width='{width:.0f}' height='{height:.0f}' rx='10' fill='#ffffff'/>",
            *[_arrow(path, x, y) for path in paths],
            *[_box(name, x[name], y[name], name in numerical) for name in boxes],
            *_legend(height - ROW),
            "</svg>",
            "",
        ]
    )


def _arrow(path: Sequence[Node], x: Mapping[Node, float], y: Mapping[Node, float]) -> str:
    points = [(x[node], y[node] + HEIGHT / 2) for node in path]
    points[0] = (points[0][0], points[0][1] + HEIGHT / 2)
    points[-1] = (points[-1][0], points[-1][1] - HEIGHT / 2 - 1)
    steps = [f"M{points[0][0]:.0f},{points[0][1]:.0f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        steps.append(f"C{x0:.0f},{middle:.0f} {x1:.0f},{middle:.0f} {x1:.0f},{y1:.0f}")
    return (
        f"<path d='{' '.join(steps)}' fill='none' stroke='#889' stroke-width='1.3' "
        "marker-end='url(#tip)'/>"
    )


def _box(text: str, x: float, y: float, numerical: bool) -> str:
    fill, edge = COLOURS[numerical]
    width = _width(text)
    return (
        f"<rect x='{x - width / 2:.0f}' y='{y:.0f}' width='{width:.0f}' height='{HEIGHT}' rx='6' "
        f"fill='{fill}' stroke='{edge}'/>"
        f"<text x='{x:.0f}' y='{y + HEIGHT * 0.68:.0f}' text-anchor='middle' {FONT} "
        f"fill='#222'>{text}</text>"
    )


def _legend(y: float) -> list[str]:
    drawn = []
    for number, numerical in enumerate((True, False)):
        fill, edge = COLOURS[numerical]
        left = MARGIN + 150 * number
        drawn.append(
            f"<rect x='{left}' y='{y:.0f}' width='16' height='16' rx='3' fill='{fill}' "
            f"stroke='{edge}'/><text x='{left + 24}' y='{y + 13:.0f}' {FONT} fill='#222'>"
            f"{LEGEND[numerical]}</text>"
        )
    return drawn
