"""Figures: what is drawn of which numbers, and which words stand below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from workflow_src.audit.galleries import illustrated
from workflow_src.config.studies import load_study
from workflow_src.report.evidence import read_evidence
from workflow_src.report.figures.curves import draw_curve, last_gain
from workflow_src.report.figures.drawing import draw_study
from workflow_src.report.figures.inpainting import block
from workflow_src.report.figures.lines import (
    Labels,
    Line,
    Point,
    draw_panels,
    share_the_vertical_axis,
)
from workflow_src.report.figures.mosaics import tiled
from workflow_src.report.figures.posteriors import overlaid
from workflow_src.report.figures.style import COMPONENT_COLOURS, Styles
from workflow_src.report.page.chapters import undrawn_chapter

AXES = {"model": "vae", "protocol": "authors", "stream": "full"}


def line(*points: tuple[float, float]) -> Line:
    return Line(AXES, (), tuple(Point(x, y, None) for x, y in points))


def test_the_last_gain_is_over_a_factor_of_ten() -> None:
    # Two seeds at 500 with a mean of 6; between 500 and 5000 lies 1000, which is no tenth.
    found = last_gain(line((5, 1.0), (500, 5.0), (500, 7.0), (1000, 7.5), (5000, 8.0)))
    assert found == (500, 2.0)
    assert last_gain(line((100, 1.0), (200, 4.0))) == (100, 3.0)
    assert last_gain(line((100, 1.0))) == (100, 0.0)


def test_a_super_pixel_has_the_colour_of_what_explains_it() -> None:
    # Two images of 2 x 4 pixels, one row of two regions: sure of the first and of the second
    # component, and undecided between them.
    images = np.full((2, 2, 4), 0.5)
    responsibilities = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.75, 0.25]]])
    found = overlaid(images, responsibilities, 1, 2)
    first, second = (np.array(to_rgb(name)) for name in COMPONENT_COLOURS[:2])
    assert found.shape == (2, 2, 4, 3)
    np.testing.assert_allclose(found[0, :, :2], np.broadcast_to(0.125 + 0.75 * first, (2, 2, 3)))
    np.testing.assert_allclose(found[0, :, 2:], np.broadcast_to(0.125 + 0.75 * second, (2, 2, 3)))
    np.testing.assert_allclose(found[1, :, :2], 0.5)
    # Three quarters are half of the way from one half to one.
    np.testing.assert_allclose(found[1, 0, 3], 0.5 * 0.625 + 0.375 * first)


def test_a_block_has_original_seen_expected_and_draws_side_by_side() -> None:
    images = np.full((1, 2, 2), 0.25)
    observed = np.array([[[True, False], [True, True]]])
    arrays = {
        "images": images,
        "observed": observed,
        "expected": np.full((1, 1, 2, 2), 0.5),
        "completions": np.stack([np.full((2, 2), 0.75), np.full((2, 2), 1.0)])[None, None],
    }
    found = block(arrays, 0)
    # Five images of two pixels with four gaps of one.
    assert found.shape == (2, 14, 3)
    np.testing.assert_array_equal(found[:, 0:2], 0.25)
    np.testing.assert_array_equal(found[1, 3:5], 0.25)
    assert not np.allclose(found[0, 4], 0.25)
    np.testing.assert_array_equal(found[:, 6:8], 0.5)
    np.testing.assert_array_equal(found[:, 9:11], 0.75)
    assert np.isnan(found[:, [2, 5, 8]]).all()


def test_coloured_images_are_tiled_as_gray_ones() -> None:
    images = np.random.default_rng(0).uniform(size=(5, 3, 2))
    colours = np.stack([images, images / 2, images / 3], axis=-1)
    gray, coloured = tiled(images, 2, 3, gap=1), tiled(colours, 2, 3, gap=1)
    np.testing.assert_array_equal(coloured[..., 0], gray)
    np.testing.assert_array_equal(coloured[..., 2], gray / 3)


@pytest.fixture
def diverged(tree: Callable[..., Any]) -> Any:
    """Learning rates where the VAE has no number at the largest."""
    made = tree(experiments=["learning_rates"], seeds=[0, 1])
    for one in made.plan.evaluations:
        (group,) = one.groups
        if one.axes["model"] == "vae" and group.variant["learning_rate"] == 0.1:
            made.failed(one, "every run has diverged")
        else:
            made.measured(one, 100.0)
    return made


def test_a_curve_goes_over_a_compared_hyperparameter_and_tells_where_it_breaks(
    diverged: Any,
) -> None:
    groups = read_evidence(diverged.membership).experiment_groups("spvae", "learning_rates")
    styles = Styles(group.axes for group in groups)
    (figure,) = draw_curve("x", groups, styles, "test_bound", "learning_rate")
    assert "VAE on Digits, Gaussian at 0.1: every run has diverged" in figure.caption
    assert "SPVAE on" not in figure.caption
    assert b"0.001" in figure.images[".svg"]
    # Words are no numbers to draw a line over.
    assert draw_curve("x", groups, styles, "test_bound", "model") == []


def test_panels_share_an_axis_unless_one_is_left_with_little_of_it() -> None:
    assert share_the_vertical_axis([(0.0, 3.0)])
    # Of a height of 9 the second has 3, and of one of 9.5 less than a third.
    assert share_the_vertical_axis([(0.0, 9.0), (3.0, 6.0)])
    assert not share_the_vertical_axis([(0.0, 9.5), (3.0, 6.0)])
    assert not share_the_vertical_axis([(100.0, 110.0), (-130.0, -120.0)])


@pytest.mark.parametrize("count", [6, 7, 8])
def test_many_lines_have_dashes_beside_colours_and_no_bands(count: int) -> None:
    lines = [
        Line(AXES, (("hidden_units", place),), (Point(1, place, 0.5), Point(2, place, 0.5)))
        for place in range(count)
    ]
    styles = Styles([AXES])
    figure = draw_panels(
        "x", "X", "X.", {("digits", "gaussian"): lines}, styles, [], Labels("x", "{:g}", "nats")
    )
    assert ("Bands: " in figure.caption) == (count == 6)
    # A band is the only filled area that lets through what is below.
    assert (b"fill-opacity" in figure.images[".svg"]) == (count == 6)
    assert (b"stroke-dasharray" in figure.images[".svg"]) == (count == 8)
    # Of one model alone a line is called by what tells it apart.
    assert b">VAE" not in figure.images[".svg"]


def test_the_caption_tells_what_more_samples_still_gain(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["table1"], seeds=[0], likelihoods=["gaussian"])
    for one in made.plan.evaluations:
        last = 102.5 if one.axes["model"] == "vae" else 100.5
        rising = {5: 90.0, 50: 99.0, 500: 100.0, 5000: last}
        made.measured(one, last, rising=rising)
    evidence = read_evidence(made.membership)
    (figure,) = draw_study(evidence, load_study("spvae"))["table1"].figures
    told = "(1 of 4 lines): VAE on Digits, Gaussian 2.50 nats from 500 samples on."
    assert told in figure.caption


def test_the_audit_tells_all_figures_without_drawing_them(reported: Any) -> None:
    evidence = read_evidence(reported.membership)
    study = load_study("spvae")
    (told,) = illustrated(evidence, [undrawn_chapter(evidence, study)])
    names = {figure.name for figure in told.figures}
    for word in ("_leaf_posteriors-", "_by_label-", "_inpainting-", "_curve", "_samples-"):
        assert any(word in name for name in names), word
    written = {path.stem for path in (evidence.results / "figures").iterdir()}
    assert names == written
    for figure in told.figures:
        for suffix, data in figure.images.items():
            path = evidence.results / "figures" / f"{figure.name}{suffix}"
            assert data == path.read_bytes()
