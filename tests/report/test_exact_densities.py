"""Figures of exact densities: what is drawn of which arrays, against hand-made generators.

Everything is drawn once, without rendering; a few figures are rendered to hold that they can be.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import multivariate_normal

from tests.support import exact_density_arrays as made
from tests.support.exact_density_arrays import Arrays, group_of
from workflow_src.report.evaluations import Evaluation
from workflow_src.report.evidence import Group
from workflow_src.report.figures import (
    axes_panels,
    components,
    densities,
    gaps,
    integrals,
    partitions,
    point_samples,
    winners,
    zero_noise,
)
from workflow_src.report.figures.axes_panels import ellipse
from workflow_src.report.figures.style import Figure
from workflow_src.report.figures.winners import Pictured

EM = {"method": "expectation_maximisation"}
VARIATIONAL = {"method": "variational", "learning_rate": 0.005}
Draw = Callable[[str, Sequence[Group]], list[Figure]]
Axes = list[Any]


def groups(seeds: Sequence[int] = (0,)) -> list[Group]:
    timed = {"expectation_seconds": 0.01, "reference_seconds": 4.0}
    return [
        group_of(f"{variant['method']}-{seed}", variant, seed=seed, metrics=timed)
        for variant in (EM, VARIATIONAL)
        for seed in seeds
    ]


def give(monkeypatch: pytest.MonkeyPatch, files: Mapping[str, Arrays]) -> None:
    """Every winner has these files; those of EM without an encoder's part."""

    def read(evaluation: Evaluation, name: str) -> Arrays | None:
        arrays = files.get(name)
        if arrays is None or evaluation.fingerprint.startswith("variational"):
            return arrays
        kept = (key for key in arrays if not key.startswith(("encoder", "amortisation")))
        return {key: arrays[key] for key in kept}

    for module in (winners, densities):
        monkeypatch.setattr(module, "read_arrays", read)


@pytest.fixture
def canvases(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The canvases of all figures, which are not rendered."""
    seen: list[Any] = []

    def unrendered(figure: Any, **_: Any) -> bytes:
        if figure not in seen:
            seen.append(figure)
        return b""

    for module, name in itertools.product((axes_panels, integrals, point_samples), ("png", "svg")):
        monkeypatch.setattr(module, name, unrendered)
    return seen


def axes_of(canvas: Any) -> Axes:
    return [axes for axes in canvas.axes if axes.axison]


def line_colours(axes: Any) -> list[str]:
    return [line.get_color() for line in axes.lines]


def test_intervals_have_the_colour_of_their_map_and_its_outputs(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    give(monkeypatch, made.intervals())
    (figure,) = partitions.draw_partitions("x", groups())
    assert figure.name == "x_partition-circle-gaussian_noise"
    assert "Regions: 2, 2 (seed 0" in figure.caption
    assert figure.evaluations == ("expectation_maximisation-0", "variational-0")
    axes = axes_of(canvases[0])[0]
    assert [tuple(patch.get_facecolor()[:3]) for patch in axes.patches] == [
        (0.9, 0.4, 0.2),
        (0.2, 0.4, 0.9),
    ]
    # Two outputs in each of two regions, and the line at 0 where they meet.
    ends = [list(line.get_ydata()) for line in axes.lines]
    assert ends == [[-3, 0], [3, 0], [0, 3], [0, 3], [0, 1]]


def test_polygons_off_the_window_are_counted_and_not_drawn(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    give(monkeypatch, made.polygons())
    partition, discovery, triangulation = partitions.draw_partitions("x", groups()[:1])
    assert "Regions: 5 (" in partition.caption
    assert "Simplices: 8 of 4 regions" in triangulation.caption
    (drawn,) = axes_of(canvases[0])[0].collections
    assert len(drawn.get_paths()) == 4
    # All regions, one region, and that region's two simplices.
    panels = axes_of(canvases[2])
    assert [len(axes.collections[1].get_paths()) for axes in panels] == [0, 2, 1, 1]
    assert discovery.name == "x_discovery-circle-gaussian_noise"
    assert "Steps: 3 to 5 regions (seed 0" in discovery.caption
    assert discovery.evaluations == partition.evaluations


def test_regions_stay_from_the_step_in_which_they_are_found(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    """The fifth is found last and off the window."""
    give(monkeypatch, {"partition": made.polygons()["partition"]})
    partitions.draw_partitions("x", groups()[:1])
    panels = axes_of(canvases[1])
    assert [axes.get_title(loc="left") for axes in panels] == [
        "initial region, n = 1",
        "step 1, n = 3",
        "step 2, n = 4",
        "step 3, n = 5",
    ]
    drawn = [axes.collections[0] for axes in panels]
    assert [len(found.get_paths()) for found in drawn] == [1, 3, 4, 4]
    corners = made.polygons()["partition"]["vertices"].reshape(4, 4, 2)
    for found, places in zip(drawn, ([0], [0, 1, 3], range(4), range(4)), strict=True):
        for path, place in zip(found.get_paths(), places, strict=True):
            np.testing.assert_array_equal(path.vertices[:4], corners[place])
    colours = drawn[-1].get_facecolor()
    np.testing.assert_array_equal(colours[1], colours[3])
    assert len(np.unique(colours, axis=0)) == 3
    np.testing.assert_array_equal(drawn[1].get_facecolor(), colours[[0, 1, 3]])


def test_a_long_discovery_is_shown_from_its_first_steps_to_its_last() -> None:
    assert partitions.shown_steps(0) == [0]
    assert partitions.shown_steps(4) == [0, 1, 2, 3, 4]
    assert partitions.shown_steps(9) == [0, 1, 2, 3, 9]


def test_the_region_that_is_shown_has_most_simplices_for_which_there_is_room() -> None:
    region = np.repeat([0, 1, 2], [2, 3, 9])
    assert partitions.shown_region(region) == 1
    assert partitions.shown_region(np.repeat([0, 1], [9, 7])) == 0


def test_densities_stand_beside_samples_and_then_come_posteriors(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    give(monkeypatch, made.intervals())
    density, posterior = densities.draw_densities("x", groups())
    assert "p(z | x) of 4 points per winner" in posterior.caption
    assert "dashed the encoder's Gaussian" in posterior.caption
    samples, marginal = axes_of(canvases[0])[:2]
    # Test points, samples, the generator's image, and the points whose posteriors are shown.
    assert [len(line.get_xdata()) for line in samples.lines] == [100, 200, 401, 4]
    drawn = np.asarray(marginal.collections[0].get_array()).reshape(41, 41)
    log_density = made.intervals()["marginal"]["log_density"]
    np.testing.assert_allclose(drawn, np.exp(log_density - log_density.max()))
    assert density.evaluations == posterior.evaluations


def test_an_encoder_is_drawn_beside_the_exact_posterior_alone_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    give(monkeypatch, made.intervals())
    densities.draw_point_posteriors("x", groups())
    without, with_encoder = (axes_of(canvases[0])[place] for place in (0, 4))
    assert axes_panels.MEAN in line_colours(without)
    assert densities._ENCODER not in line_colours(without)
    (dashed,) = (line for line in with_encoder.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(
        dashed.get_ydata(), multivariate_normal(0.5, 0.25).pdf(dashed.get_xdata())
    )
    (figure,) = densities.draw_point_posteriors("x", groups()[:1])
    assert "encoder" not in figure.caption


def test_posteriors_in_the_plane(monkeypatch: pytest.MonkeyPatch, canvases: list[Any]) -> None:
    give(monkeypatch, made.polygons())
    (figure,) = densities.draw_point_posteriors("x", groups()[1:])
    assert "dashed ellipse" in figure.caption
    assert [axes.get_title(loc="left") for axes in axes_of(canvases[0])][2] == "test point"
    (outline,) = (line for line in axes_of(canvases[0])[0].lines if line.get_linestyle() == "--")
    # Two standard deviations, 1 across and 1/2 up.
    assert max(outline.get_xdata()) == pytest.approx(2)
    assert max(outline.get_ydata()) == pytest.approx(1)


def test_points_of_every_kind_are_shown_first() -> None:
    kinds = np.array(["noiseless"] * 2 + ["noisy"] * 2 + ["test"] * 2)
    assert densities.shown_points(kinds) == [0, 2, 4, 1]
    assert densities.shown_points(np.array(["test", "test"])) == [0, 1]


def test_samples_have_a_column_per_seed_and_gaps_where_there_is_no_winner(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    give(monkeypatch, made.intervals())
    (figure,) = point_samples.draw_point_samples("x", groups((0, 1, 2))[:-1])
    assert "of 5 winners" in figure.caption
    drawn = [len(axes.lines) for axes in canvases[0].axes]
    assert drawn == [2, 2, 2, 2, 2, 0]
    assert len(figure.evaluations) == 5


def test_images_are_drawn_with_one_scale_of_grays(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, made.images())
    (figure,) = point_samples.draw_point_samples("x", groups((0, 1)))
    assert figure.evaluations == ("expectation_maximisation-0", "variational-0")
    assert Image.open(io.BytesIO(figure.images[".png"])).size[0] > 300
    values = np.array([[0.5, 1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(
        point_samples.gray(values, 1.0, 2.0, np.array([2, 2])), [[[0, 0], [1, 1]]]
    )


def test_the_limit_of_no_noise_has_distances_and_deviations(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    arrays = made.intervals()["zero_noise"]
    give(monkeypatch, {"zero_noise": arrays})
    (figure,) = zero_noise.draw_zero_noise("x", groups()[:1])
    assert "up to 1.5" in figure.caption
    limit = axes_of(canvases[0])[1]
    # Of each a line per point and the median; the means come nearer as the square of the noise.
    noise = np.array([1.0, 0.1, 0.01])
    assert len(limit.lines) == 6
    for lines, values in ((limit.lines[:3], noise**2), (limit.lines[3:], noise)):
        for line in lines:
            np.testing.assert_allclose(line.get_ydata(), values)
    left, right = limit.get_xlim()
    assert left > right
    give(monkeypatch, {"zero_noise": {k: v for k, v in arrays.items() if k != "curve"}})
    zero_noise.draw_zero_noise("x", groups()[:1])
    assert len(axes_of(canvases[1])) == 2


def test_components_are_drawn_the_heaviest_first_up_to_nearly_all_weight() -> None:
    weights = np.array([0.0004, 0.6, 0.2996, 0.1])
    np.testing.assert_array_equal(components.heaviest(np.log(weights)), [1, 2, 3])
    arrays = made.intervals()["components"]
    # The half-normal: mean sqrt(2 / pi), variance 1 - 2 / pi, on the line (z, z).
    middle, deviation = math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi)
    ends = [middle - 2 * deviation, middle + 2 * deviation]
    np.testing.assert_allclose(
        components.principal_segment(arrays, 1), np.stack([ends, ends], axis=1)
    )


def test_an_ellipse_is_where_a_gaussian_has_that_mahalanobis_distance() -> None:
    mean, covariance = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
    away = ellipse(mean, covariance, 1.5) - mean
    np.testing.assert_allclose(
        np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away), 1.5**2
    )


def test_components_of_the_plane_are_ellipses(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    arrays = made.intervals()["components"]
    give(monkeypatch, {"components": arrays})
    components.draw_components("x", groups()[:1])
    outlines, weights = axes_of(canvases[0])
    assert len(outlines.patches) == 2
    np.testing.assert_allclose(weights.lines[0].get_ydata(), [0.5, 0.5])
    give(monkeypatch, {"components": {k: v for k, v in arrays.items() if k != "covariances"}})
    (figure,) = components.draw_components("x", groups()[:1])
    assert len(axes_of(canvases[1])) == 1
    assert "Left: each component" not in figure.caption


def test_integrals_are_compared_point_by_point_with_their_cost(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    arrays = made.intervals()["integrals"]
    give(monkeypatch, {"integrals": arrays})
    (figure,) = integrals.draw_integrals("x", groups())
    np.testing.assert_allclose(
        integrals.differences(arrays, "log_likelihood"), [0, 1e-9, 1e-12], rtol=1e-3
    )
    np.testing.assert_array_equal(integrals.differences(arrays, "mean"), [0, 1e-10, 2e-10])
    assert "ratios 400, 400 (seed 0" in figure.caption
    agreement, costs = axes_of(canvases[0])
    assert len(agreement.lines) == 2 * 3
    assert [text.get_text() for text in costs.texts] == ["400\N{MULTIPLICATION SIGN}"] * 2
    untimed = [group_of("a", EM)]
    (figure,) = integrals.draw_integrals("x", untimed)
    assert len(axes_of(canvases[1])) == 1
    assert "seconds" not in figure.caption


def test_gaps_are_shares_of_points(monkeypatch: pytest.MonkeyPatch, canvases: list[Any]) -> None:
    ordered, share = gaps.shares(np.array([0.3, 0.1, 0.2, 0.1]))
    np.testing.assert_array_equal(ordered, [0.1, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(share, [0.25, 0.5, 0.75, 1.0])
    arrays = made.intervals()["gaps"]
    give(monkeypatch, {"gaps": arrays})
    gaps.draw_gaps("x", groups())
    points, without, _, both = axes_of(canvases[0])
    assert [len(axes.lines) for axes in (without, both)] == [1, 2]
    several = points.collections[1].get_offsets()
    np.testing.assert_array_equal(several, arrays["points"][arrays["modes"] > 1])


def test_many_winners_are_several_figures(
    monkeypatch: pytest.MonkeyPatch, canvases: list[Any]
) -> None:
    give(monkeypatch, {"components": made.intervals()["components"]})
    many = [group_of(f"em{width}", {"hidden_units": width}) for width in range(1, 10)]
    figures = components.draw_components("x", many)
    assert [figure.name.rpartition("noise")[2] for figure in figures] == ["", "-2"]
    assert [len(figure.evaluations) for figure in figures] == [8, 1]
    assert axes_of(canvases[1])[0].get_title(loc="left").startswith("hidden units 9")


def test_panels_are_rendered_as_png_and_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, {"marginal": made.intervals()["marginal"]})
    (figure,) = densities.draw_densities("x", groups()[1:])
    assert b"p(x)" in figure.images[".svg"]
    picture: Any = Image.open(io.BytesIO(figure.images[".png"]))
    assert picture.size[0] > 300


def test_without_arrays_there_are_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, {})
    draws: list[Draw] = [
        partitions.draw_partitions,
        densities.draw_densities,
        point_samples.draw_point_samples,
        zero_noise.draw_zero_noise,
        components.draw_components,
        integrals.draw_integrals,
        gaps.draw_gaps,
    ]
    assert all(draw("x", groups()) == [] for draw in draws)


def test_winner_pictures_are_of_one_seed_unless_all_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, {"gaps": made.intervals()["gaps"]})
    ((first,), (every,)) = (
        winners.pictured(groups((0, 1)), "gaps", every_seed=every).values()
        for every in (False, True)
    )
    assert [one.group.axes["seed"] for one in first] == [0, 0]
    assert [one.group.axes["seed"] for one in every] == [0, 1, 0, 1]
    assert all(isinstance(one, Pictured) for one in every)
