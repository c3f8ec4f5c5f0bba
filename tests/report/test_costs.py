"""Costs over width on log axes, and which figures a presentation asks for."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from pydantic_core import PydanticCustomError

from tests.support.exact_density_arrays import group_of
from workflow_src.config.experiment_checks import check_presentation
from workflow_src.config.experiments import Presentation
from workflow_src.report.evidence import Group
from workflow_src.report.figures import drawing, lines
from workflow_src.report.figures.costs import draw_costs, marks_of
from workflow_src.report.figures.lines import Gap, Point
from workflow_src.report.figures.style import Styles

MODEL = ["deep_generative_network"]


@pytest.fixture
def groups() -> list[Group]:
    """Regions grow as the width to the power of the depth; one cell has no winner."""
    return [
        group_of(
            f"{width}-{depth}",
            {"hidden_units": width, "hidden_layers": depth},
            metrics={"region_count": width**depth, "expectation_seconds": 1e-3 * width**depth},
            reason="every run has diverged" if (width, depth) == (8, 2) else None,
        )
        for width in (4, 8, 16)
        for depth in (1, 2)
    ]


def test_what_is_measured_has_a_figure_with_logarithms_up(
    groups: list[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    canvases: list[Any] = []

    def unrendered(figure: Any, **_: Any) -> bytes:
        canvases.append(figure)
        return b""

    monkeypatch.setattr(lines, "png", unrendered)
    monkeypatch.setattr(lines, "svg", lambda _: b"")
    figures = draw_costs("x", groups, Styles(group.axes for group in groups), "hidden_units")
    assert [figure.name for figure in figures] == ["x_region_count", "x_expectation_seconds"]
    for canvas in canvases:
        (axes,) = canvas.axes
        assert axes.get_yscale() == "log"
        assert axes.get_ylim()[0] > 0
    # Two lines, and a cross where there is no number; without a spread no bands.
    assert [len(axes.lines) for axes in canvases[0].axes] == [3]
    assert "hidden layers 2 on Circle, Gaussian noise at 8: every run has diverged" in (
        figures[0].caption
    )
    assert "no bands" in figures[0].caption
    assert draw_costs("x", groups, Styles(group.axes for group in groups), "data_set") == []


def test_marks_are_numbers_gaps_or_nothing() -> None:
    wide = {"hidden_units": 8}
    cases = {
        "measured": (group_of("a", wide, metrics={"region_count": 5.0}), [Point(8.0, 5.0, None)]),
        "no winner": (group_of("b", wide, reason="diverged"), [Gap(8.0, "diverged")]),
        "not measured": (group_of("c", wide), []),
        "zero": (group_of("d", wide, metrics={"region_count": 0.0}), []),
        "not finite": (group_of("e", wide, metrics={"region_count": math.inf}), []),
        "no such axis": (group_of("f", metrics={"region_count": 5.0}), []),
    }
    for name, (group, marks) in cases.items():
        assert list(marks_of("region_count", "hidden_units")(group)) == marks, name


@pytest.mark.parametrize("name", get_args(Presentation))
def test_every_presentation_is_drawn_or_is_a_table(name: str) -> None:
    others = {"table", "curve", "costs", "learning_curves"}
    assert (name in others) + (name in drawing._PICTURES) + (name in drawing._OF_HISTORIES) == 1


def refusal(name: str, measured: set[str], rows: str) -> str:
    """What is said against that presentation."""
    with pytest.raises(PydanticCustomError) as caught:
        check_presentation(name, measured, rows, MODEL)
    assert caught.value.context is not None
    return str(caught.value.context["complaint"].problem)


@pytest.mark.parametrize("name", [*sorted(drawing._PICTURES), "costs"])
def test_pictures_are_refused_where_they_are_not_measured(name: str) -> None:
    assert refusal(name, {"imputation"}, "hidden_units") == (
        f"{name} is not measured in this experiment"
    )
    check_presentation(name, {name}, "hidden_units", MODEL)


def test_costs_need_numbers_in_the_rows() -> None:
    assert refusal("costs", {"costs"}, "activation") == (
        "costs over activation, which is no number"
    )


@pytest.mark.parametrize("name", ["likelihood_curves", "divergence_curves"])
def test_curves_of_runs_need_no_measure(name: str) -> None:
    check_presentation(name, set(), "method", MODEL)
