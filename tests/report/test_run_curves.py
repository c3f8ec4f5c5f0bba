"""Curves of every run: none is left out, colours have one meaning, captions count the unseen."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.exact_density_arrays import group_of
from workflow_src.report.evidence import Group
from workflow_src.report.figures import run_curves
from workflow_src.report.figures.run_curves import (
    DIVERGENCE,
    SECONDS,
    TRAINING,
    RunCurve,
    bottom_and_top,
    draw_divergence_curves,
    draw_likelihood_curves,
)
from workflow_src.report.figures.run_curves import run_curves as curves_of

EPOCHS = np.arange(11)
EM: dict[str, Any] = {"method": "expectation_maximisation"}
SLOW: dict[str, Any] = {"method": "variational", "learning_rate": 0.001}
FAST: dict[str, Any] = {"method": "variational", "learning_rate": 0.005}


def history(training: Any, *, divergence: bool = False) -> dict[str, Any]:
    values = np.broadcast_to(np.asarray(training, dtype=float), EPOCHS.shape)
    columns = {
        "step": EPOCHS,
        "training_bound": values,
        "validation_bound": values - 0.5,
        "device_seconds": 0.1 * EPOCHS,
    }
    return columns | ({"kl_divergence": np.full(11, 0.25)} if divergence else {})


def unrendered(*_: Any, **__: Any) -> bytes:
    return b""


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Group]:
    """Two seeds of EM, one of them diverged without a winner; two rates; one run is not here."""
    made = [
        group_of("em0", EM),
        group_of("em1", EM, seed=1, state="diverged", reason="every run has diverged"),
        group_of("slow0", SLOW),
        group_of("slow1", SLOW, seed=1),
        group_of("fast0", FAST),
    ]
    histories = {
        "em0": history(-1.0),
        "em1": history([-1.0, -2.0, -3.0, *([np.nan] * 8)]),
        "slow0": history(-2.0, divergence=True),
        "slow1": None,
        "fast0": history(-1.5, divergence=True),
    }
    monkeypatch.setattr(run_curves, "read_history", lambda _, run: histories[run.fingerprint])
    return made


def test_every_run_has_a_curve_also_without_a_winner(groups: list[Group]) -> None:
    panels, absent = curves_of(groups, (), TRAINING)
    ((place, curves),) = panels.items()
    assert place == ("circle", "gaussian_noise", "authors", "full")
    assert [curve.evaluation for curve in curves] == ["em0", "em1", "slow0", "fast0"]
    assert [curve.diverged for curve in curves] == [False, True, False, False]
    assert absent == 1
    np.testing.assert_array_equal(curves[3].y, np.full(11, -1.5))
    np.testing.assert_array_equal(curves[3].x, EPOCHS)


def test_a_run_of_two_groups_is_drawn_once(groups: list[Group]) -> None:
    panels, _ = curves_of([groups[0], groups[0], groups[2]], (), TRAINING)
    assert sum(map(len, panels.values())) == 2


def test_only_encoders_diverge_from_a_posterior(groups: list[Group]) -> None:
    panels, _ = curves_of(groups, (), DIVERGENCE)
    assert [curve.evaluation for curves in panels.values() for curve in curves] == [
        "slow0",
        "fast0",
    ]
    assert draw_divergence_curves("x", groups[:2], "method") == []


def test_values_of_names_are_panels(groups: list[Group]) -> None:
    panels, _ = curves_of(groups, ("method",), TRAINING)
    assert {place[-1]: len(curves) for place, curves in panels.items()} == {
        "expectation_maximisation": 2,
        "variational": 2,
    }


@pytest.mark.parametrize(("rows", "panels"), [("starting_noise", 2), ("method", 1)])
def test_what_the_rows_are_decides_on_panels(
    rows: str, panels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def count(figure: Any, **_: Any) -> bytes:
        seen.append(sum(bool(axes.lines) for axes in figure.axes))
        return b""

    monkeypatch.setattr(run_curves, "svg", count)
    monkeypatch.setattr(run_curves, "png", unrendered)
    monkeypatch.setattr(run_curves, "read_history", lambda *_: history(-1.0))
    groups = [
        group_of(f"{place}-{noise}", {**one, "starting_noise": noise})
        for place, one in enumerate((EM, SLOW, FAST))
        for noise in (0.1, 0.3)
    ]
    draw_likelihood_curves("x", groups, rows)
    assert seen == [panels] * 3


def test_figures_of_all_quantities_have_one_colour_per_way(
    groups: list[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, dict[str, str]] = {}

    def seen(figure: Any, **_: Any) -> bytes:
        (legend,) = figure.legends
        texts = [text.get_text() for text in legend.get_texts()]
        colours = [line.get_color() for line in legend.get_lines()]
        drawn[str(len(drawn))] = dict(zip(texts, colours, strict=True))
        return b""

    monkeypatch.setattr(run_curves, "svg", seen)
    monkeypatch.setattr(run_curves, "png", unrendered)
    figures = draw_likelihood_curves("x", groups, "method")
    assert [figure.name for figure in figures] == [
        "x_likelihood",
        "x_validation_likelihood",
        "x_likelihood_by_seconds",
        "x_divergence",
    ]
    likelihood, divergence = drawn["0"], drawn["3"]
    assert len(set(likelihood.values())) == len(likelihood) == 3
    assert divergence == {
        title: colour for title, colour in likelihood.items() if title.startswith("VAE")
    }
    assert len(divergence) == 2
    told = figures[0].caption
    assert "a thin line for each of 4 runs." in told
    assert "1 run diverged" in told
    assert "Histories of 1 run are not here." in told
    assert figures[0].evaluations == ("em0", "em1", "slow0", "fast0")


def test_equal_histories_give_equal_bytes(groups: list[Group]) -> None:
    (first,), (again,) = (draw_divergence_curves("x", groups, "method") for _ in range(2))
    assert first.images == again.images
    assert Image.open(io.BytesIO(first.images[".png"])).size[0] > 300


def test_seconds_are_drawn_over_seconds(groups: list[Group]) -> None:
    panels, _ = curves_of(groups[:1], (), SECONDS)
    ((curve,),) = panels.values()
    np.testing.assert_array_equal(curve.x, 0.1 * EPOCHS)


def test_the_start_takes_no_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    late = history(-1.0) | {"device_seconds": 0.1 * EPOCHS + 1e-5}
    monkeypatch.setattr(run_curves, "read_history", lambda *_: late)
    ((found,),) = curves_of([group_of("em0", EM)], (), SECONDS)[0].values()
    assert found.x[0] == 0
    np.testing.assert_array_equal(found.x[1:], 0.1 * EPOCHS[1:] + 1e-5)


def curve(values: Any) -> RunCurve:
    y = np.asarray(values, dtype=float)
    return RunCurve((), np.arange(len(y), dtype=float), y, False, "e")


def test_a_panel_leaves_out_the_first_steps_and_falls_without_end() -> None:
    # Twenty steps, of which the first two are the first tenth.
    flat = curve([-1000.0, -500.0, *([-1.0] * 18), -0.5])
    assert bottom_and_top([flat]) == (-1.0, -0.5)
    fallen = curve([-1.0] * 20 + [-4e6])
    spread = [curve(np.linspace(-2.0, -1.0, 21)) for _ in range(9)]
    low, top = bottom_and_top([*spread, fallen])
    assert top == -1.0
    # The tenth percentile is no lower than -2, so that six times its distance is at most 6.
    assert -7.0 <= low < -2.0
    assert bottom_and_top([curve([0.5, 0.25, 0.75])], floor=0.0) == (0.0, 0.75)


def test_lines_that_leave_their_panel_are_counted(
    groups: list[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    for renderer in ("png", "svg"):
        monkeypatch.setattr(run_curves, renderer, unrendered)
    rising = history(np.linspace(-2.0, -1.0, 11))
    fallen = history([*([-1.0] * 10), -4e6])
    monkeypatch.setattr(
        run_curves, "read_history", lambda _, run: fallen if run.fingerprint == "em0" else rising
    )
    figures = draw_likelihood_curves("x", groups, "method")
    assert "1 line leaves its panel at the bottom." in figures[0].caption
    monkeypatch.setattr(run_curves, "read_history", lambda *_: rising)
    figures = draw_likelihood_curves("x", groups, "method")
    assert "panel at the bottom" not in figures[0].caption


@pytest.mark.parametrize("known", [True, False])
def test_likelihoods_are_read_by_the_isotropic_gaussian_s(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[float]] = []

    def seen(figure: Any, **_: Any) -> bytes:
        dashed = [
            line for axes in figure.axes for line in axes.lines if line.get_linestyle() == "--"
        ]
        drawn.append([float(np.asarray(line.get_ydata())[0]) for line in dashed])
        for line in dashed:
            low, high = line.axes.get_ylim()
            assert low < np.asarray(line.get_ydata())[0] < high
        return b""

    monkeypatch.setattr(run_curves, "svg", seen)
    monkeypatch.setattr(run_curves, "png", unrendered)
    monkeypatch.setattr(run_curves, "read_history", lambda *_: history(-1.0, divergence=True))
    metrics = {"isotropic_gaussian_validation_log_likelihood": -2.15} if known else {}
    figures = draw_likelihood_curves("x", [group_of("slow0", SLOW, metrics=metrics)], "method")
    # Training, validation and seconds; the divergence is no likelihood.
    assert drawn == ([[-2.15]] * 3 if known else [[]] * 3) + [[]]
    for figure in figures[:3]:
        assert ("an isotropic Gaussian fitted to the training set" in figure.caption) == known
        assert ("(\N{MINUS SIGN}2.15 nats)" in figure.caption) == known
    assert "Gaussian" not in figures[3].caption.replace("Kullback-Leibler", "")
