"""Every trained run of a study is drawn; winners stand out, and captions count the unseen."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from support.reports import evidence_of, group_of, run_of

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.report.evidence import Evidence
from workflow_src.report.figures import training_curves
from workflow_src.report.figures.style import Figure
from workflow_src.report.figures.training_curves import draw_training_curves, thinned

STEPS = np.arange(100, 1100, 100)
RISING = np.linspace(-50.0, -20.0, 10)


def history(bounds: Any = RISING, steps: Any = STEPS) -> dict[str, Any]:
    return {"step": np.asarray(steps), "validation_bound": np.asarray(bounds, dtype=float)}


class Drawing:
    """Draws evidence with these histories; ``canvases`` are the figures before they are images."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.histories: dict[str, dict[str, Any]] = {}
        self.canvases: list[Any] = []
        self._patch = patch
        patch.setattr(
            training_curves, "read_history", lambda _, run: self.histories.get(run.fingerprint)
        )

    def unrendered(self) -> None:
        """Keep the canvases, without images."""

        def kept(figure: Any, **_: Any) -> bytes:
            self.canvases.append(figure)
            return b""

        for name in ("png", "svg"):
            self._patch.setattr(training_curves, name, kept)

    def draw(self, evidence: Evidence) -> list[Figure]:
        return draw_training_curves("x", evidence, "one")

    def lines(self, panel: int = 0) -> list[Any]:
        """Those with more than a point."""
        return [one for one in self.canvases[0].axes[panel].lines if len(one.get_xdata()) > 1]


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    return Drawing(monkeypatch)


def two_models() -> Evidence:
    return evidence_of(
        group_of("one", "a", [run_of("a0"), run_of("a1")], winner="a1"),
        group_of("one", "b", [run_of("b0", model="spvae")], winner="b0"),
        # As another experiment has it.
        group_of("one", "a", [run_of("a0"), run_of("a1")], winner="a1"),
        group_of("two", "c", [run_of("c0")], winner="c0"),
    )


def test_every_run_of_the_study_has_a_line_and_winners_are_strong(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {name: history() for name in ("a0", "a1", "b0", "c0")}
    (figure,) = drawing.draw(two_models())
    widths = sorted(line.get_linewidth() for line in drawing.lines())
    assert len(widths) == 3
    assert widths[0] < widths[1] == widths[2]
    assert "A line for each of 3 runs" in figure.caption
    assert figure.evaluations == ("a", "b")
    assert len({to_hex(line.get_color()) for line in drawing.lines()}) == 2


def test_a_panel_for_each_data_set(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {"a": history(), "b": history(RISING / 10)}
    drawing.draw(
        evidence_of(
            group_of("one", "x", [run_of("a")], winner="a"),
            group_of("one", "y", [run_of("b", data_set="circle")], winner="b"),
        )
    )
    axes = drawing.canvases[0].axes
    assert [one.get_title(loc="left") for one in axes] == ["Digits, Gaussian", "Circle, Gaussian"]
    assert [len(one.lines) for one in axes] == [1, 1]
    assert axes[1].get_ylim()[0] > -6 > axes[0].get_ylim()[1]


def test_a_run_that_diverged_ends_in_a_cross_at_its_last_number(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {"a": history([*RISING[:4], *[np.nan] * 6])}
    (figure,) = drawing.draw(evidence_of(group_of("one", "x", [run_of("a", state="diverged")])))
    (cross,) = [one for one in drawing.canvases[0].axes[0].lines if one.get_marker() == "x"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (400, RISING[3])
    assert "1 run diverged (crosses where the numbers end)." in figure.caption


def test_a_run_that_never_had_a_number_is_no_line(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {"a": history(np.full(10, np.nan)), "b": history()}
    (figure,) = drawing.draw(evidence_of(group_of("one", "x", [run_of("a"), run_of("b")])))
    assert "A line for each of 1 run," in figure.caption


def test_histories_that_are_not_here_are_counted(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {"a": history()}
    planned = run_of("p", state="missing", steps=None)
    runs = [run_of("a"), run_of("b"), run_of("c"), planned]
    (figure,) = drawing.draw(evidence_of(group_of("one", "x", runs, winner="a")))
    assert "Histories of 2 runs are not here." in figure.caption


def test_nothing_is_drawn_of_nothing(drawing: Drawing) -> None:
    assert drawing.draw(evidence_of(group_of("one", "x", [run_of("a")]))) == []


def test_classifiers_and_judges_have_no_bound_to_draw(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {name: history() for name in "abc"}
    classifier = "convolutional_classifier"
    judge = run_of("b", model=classifier)
    groups = (
        group_of("one", "x", [run_of("a")], winner="a", judges=[judge]),
        group_of("one", "y", [run_of("c", model=classifier)], winner="c"),
    )
    (figure,) = drawing.draw(evidence_of(*groups))
    assert "A line for each of 1 run," in figure.caption


def test_a_run_that_falls_without_end_does_not_flatten_the_others(drawing: Drawing) -> None:
    drawing.unrendered()
    names = [f"r{number}" for number in range(12)]
    drawing.histories = {name: history() for name in names}
    drawing.histories["r0"] = history(np.linspace(-50, -1e6, 10))
    (figure,) = drawing.draw(evidence_of(group_of("one", "x", [run_of(name) for name in names])))
    bottom, top = drawing.canvases[0].axes[0].get_ylim()
    assert -100 < bottom < -30
    assert -20 < top < -10
    assert "1 line leaves its panel at the bottom." in figure.caption


def test_epochs_and_batches_share_an_axis_of_logarithms(drawing: Drawing) -> None:
    drawing.unrendered()
    drawing.histories = {"a": history(), "b": history(steps=np.arange(1, 11))}
    drawing.draw(evidence_of(group_of("one", "x", [run_of("a"), run_of("b")])))
    assert drawing.canvases[0].axes[0].get_xscale() == "log"
    drawing.canvases.clear()
    drawing.histories["b"] = history(steps=STEPS / 10)
    drawing.draw(evidence_of(group_of("one", "x", [run_of("a"), run_of("b")])))
    assert drawing.canvases[0].axes[0].get_xscale() == "linear"


def test_few_points_are_a_drawing_and_many_a_picture(drawing: Drawing) -> None:
    drawing.histories = {"a": history()}
    (few,) = drawing.draw(evidence_of(group_of("one", "x", [run_of("a")])))
    assert list(few.images) == [".svg"]
    names = [f"r{number}" for number in range(150)]
    long = history(np.linspace(-9, -1, 5000), np.arange(5000))
    drawing.histories = dict.fromkeys(names, long)
    (many,) = drawing.draw(evidence_of(group_of("one", "x", [run_of(name) for name in names])))
    assert list(many.images) == [".png"]
    with Image.open(io.BytesIO(many.images[".png"])) as image:
        assert image.width > 300


def test_equal_histories_give_equal_bytes(drawing: Drawing) -> None:
    drawing.histories = {"a": history(), "b": history(RISING - 3)}
    evidence = evidence_of(group_of("one", "x", [run_of("a"), run_of("b")], winner="b"))
    assert drawing.draw(evidence)[0].images == drawing.draw(evidence)[0].images


def test_many_data_sets_are_several_figures_with_names_of_their_own(drawing: Drawing) -> None:
    drawing.unrendered()

    data = list(DATA_SETS)[:9]
    drawing.histories = {name: history() for name in data}
    groups = [group_of("one", name, [run_of(name, data_set=name)]) for name in data]
    figures = drawing.draw(evidence_of(*groups))
    assert [figure.name for figure in figures] == ["x_training_curves", "x_2_training_curves"]
    assert [len([a for a in one.axes if a.lines]) for one in drawing.canvases] == [8, 1]


@pytest.mark.parametrize("count", [0, 1, 2, 119, 120, 121, 5000, 1_000_000])
def test_thinning_keeps_both_ends_and_is_even(count: int) -> None:
    points = thinned(count, 120)
    assert len(points) == min(count, 120)
    if count:
        assert (points[0], points[-1]) == (0, count - 1)
        gaps = np.diff(points)
        assert not len(gaps) or gaps.max() - gaps.min() <= 1
