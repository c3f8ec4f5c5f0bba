"""Layers in backwards mode against torch's own fold and interpolation, and frequencies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest, norm
from torch.nn import functional

from workflow_src.layouts import Folding, Pooling, Shape, parse, shapes
from workflow_src.models.convolutional_mixtures.backward import (
    LayerParameters,
    Sampling,
    backward,
    choice_probabilities,
    chosen_components,
    drawn_inputs,
    expected_inputs,
    fold_back,
    mixture_indices,
    mixture_number,
    of_chosen,
    upsample,
)

UPPER = math.sqrt(20)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=stream(seed), dtype=torch.float64)


def patches_first(control: torch.Tensor, size: int, channels: int) -> torch.Tensor:
    """[N, h, w, size * size * C] to what torch's fold takes: [N, C * size * size, h * w]."""
    images, height, width, _ = control.shape
    ordered = control.view(images, height * width, size * size, channels)
    return ordered.permute(0, 3, 2, 1).reshape(images, channels * size * size, height * width)


@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)
)
@settings(deadline=None, max_examples=40)
def test_a_folding_backwards_is_torchs_fold_over_the_fold_of_ones(
    size: int, stride: int, rows: int, columns: int, channels: int
) -> None:
    stride = min(size, stride)
    before = Shape(size + stride * (rows - 1), size + stride * (columns - 1), channels)
    control = normal(2, 2, rows, columns, size * size * channels)
    found = fold_back(control, Folding(size, stride), before)
    for run in range(2):
        told = patches_first(control[run], size, channels)
        sides = (before.height, before.width)
        total = functional.fold(told, sides, size, stride=stride)
        count = functional.fold(torch.ones_like(told), sides, size, stride=stride)
        torch.testing.assert_close(found[run], (total / count).permute(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("pooling", "before", "after"),
    [
        (Pooling(2, 2, ceil=False), Shape(6, 4, 3), (3, 2)),
        (Pooling(2, 2, ceil=True), Shape(5, 7, 2), (3, 4)),
        (Pooling(3, 3, ceil=True), Shape(7, 7, 1), (3, 3)),
    ],
)
def test_a_pooling_backwards_is_nearest_interpolation_cropped(
    pooling: Pooling, before: Shape, after: tuple[int, int]
) -> None:
    control = normal(1, 2, *after, before.channels)
    found = upsample(control, pooling, before)
    larger = functional.interpolate(
        control[0].permute(0, 3, 1, 2), scale_factor=float(pooling.stride), mode="nearest"
    )
    oracle = larger[:, :, : before.height, : before.width].permute(0, 2, 3, 1)
    torch.testing.assert_close(found[0], oracle)
    back = functional.max_pool2d(
        found[0].permute(0, 3, 1, 2), pooling.size, pooling.stride, ceil_mode=pooling.ceil
    )
    torch.testing.assert_close(back.permute(0, 2, 3, 1), control[0])


def test_what_no_window_holds_takes_the_last_ones_value() -> None:
    control = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2, 1)
    found = upsample(control, Pooling(2, 2, ceil=False), Shape(5, 5, 1))[0, 0, :, :, 0]
    assert found[:, 4].tolist() == [2, 2, 4, 4, 4]
    assert found[4].tolist() == [3, 3, 4, 4, 4]


def test_an_all_ones_control_uses_all_components_whatever_the_top_values() -> None:
    for top in (0, 1, 2, 7, 25, 40):
        found = choice_probabilities(torch.ones(2, 25), top)
        assert found.tolist() == [[1 / 25] * 25] * 2


@pytest.mark.parametrize(
    ("control", "top", "expected"),
    [
        ([0.5, 0.1, 0.3, 0.1], 1, [1, 0, 0, 0]),
        ([0.5, 0.1, 0.3, 0.1], 2, [0.625, 0, 0.375, 0]),
        ([0.5, 0.1, 0.3, 0.1], 3, [0.5, 0.1, 0.3, 0.1]),
        ([0.5, 0.1, 0.3, 0.1], 0, [0.5, 0.1, 0.3, 0.1]),
        ([0.4, 0.4, 0.2, 0.4], 1, [1 / 3, 1 / 3, 0, 1 / 3]),
        ([-1.0, 3.0, 1.0, -0.1], 0, [0, 0.75, 0.25, 0]),
        ([-1.0, 3.0, -2.0, -0.1], 2, [0, 1, 0, 0]),
        ([0.0, 0.0, 0.0, -0.1], 1, [0.25] * 4),
        ([-1.0, -2.0, -3.0, -4.0], 2, [0.25] * 4),
    ],
)
def test_only_the_largest_values_stay_and_ties_stay_together(
    control: list[float], top: int, expected: list[float]
) -> None:
    found = choice_probabilities(torch.tensor(control, dtype=torch.float64), top)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_components_are_chosen_as_often_as_their_probabilities_say() -> None:
    shares = torch.tensor([0.0, 0.05, 0.2, 0.0, 0.3, 0.45, 0.0], dtype=torch.float64)
    chosen = chosen_components(shares.expand(40_000, -1), stream(3))
    counts = torch.bincount(chosen, minlength=7)
    possible = shares > 0
    assert (counts[~possible] == 0).all()
    frequencies = chisquare(counts[possible], shares[possible] * 40_000)
    assert frequencies.pvalue > 1e-3


def test_nearly_equal_probabilities_lead_to_the_same_choices_from_equal_streams() -> None:
    shares = choice_probabilities(normal(1000, 5).abs(), 0)
    moved = choice_probabilities(shares + 1e-4, 0)
    same = chosen_components(shares, stream(1)) == chosen_components(moved, stream(1))
    assert same.double().mean() > 0.99


def layer(places: int = 1, runs: int = 1, components: int = 4, width: int = 3) -> LayerParameters:
    return LayerParameters(
        centroids=normal(runs, places, components, width),
        precision_roots=normal(runs, places, components, width, seed=1).abs() + 0.5,
        weight_logits=normal(runs, places, components, seed=2),
    )


@pytest.mark.parametrize("places", [1, 6])
def test_values_of_the_chosen_are_looked_up_by_run_and_position(places: int) -> None:
    values = normal(2, places, 4, 3)
    chosen = torch.randint(4, (2, 5, 2, 3), generator=stream(5))
    found = of_chosen(values, chosen)
    for run, image, row, column in np.ndindex(2, 5, 2, 3):
        place = row * 3 + column if places > 1 else 0
        component = int(chosen[run, image, row, column])
        assert torch.equal(found[run, image, row, column], values[run, place, component])


def test_draws_are_normal_around_the_chosen_centroid() -> None:
    one = layer(components=1)
    control = torch.ones(1, 20_000, 1, 1, 1, dtype=torch.float64)
    drawn = drawn_inputs(one, control, Sampling(2, 5.0, UPPER), stream(7))[0, :, 0, 0]
    for value in range(3):
        root = float(one.precision_roots[0, 0, 0, value])
        told = norm(float(one.centroids[0, 0, 0, value]), 1 / (5 * root))
        assert kstest(drawn[:, value].numpy(), told.cdf).pvalue > 1e-3


def test_dimensions_at_the_upper_bound_are_exactly_constant() -> None:
    for dtype in (torch.float32, torch.float64):
        roots = torch.full((1, 1, 1, 3), UPPER, dtype=dtype).clamp(max=UPPER)
        roots[..., 1] = 1.0
        one = LayerParameters(
            torch.tensor([[[[0.1, 0.2, 0.3]]]], dtype=dtype), roots, torch.zeros(1, 1, 1)
        )
        control = torch.ones(1, 100, 1, 1, 1, dtype=dtype)
        drawn = drawn_inputs(one, control, Sampling(1, 1.0, UPPER), stream())[0, :, 0, 0]
        assert (drawn[:, 0] == one.centroids[0, 0, 0, 0]).all()
        assert (drawn[:, 2] == one.centroids[0, 0, 0, 2]).all()
        assert drawn[:, 1].std() > 0.5


@pytest.mark.parametrize("places", [1, 4])
def test_the_expectation_is_the_mean_of_draws(places: int) -> None:
    one = layer(places)
    control = normal(1, 1, 2, 2, 4, seed=9).abs()
    expected = expected_inputs(one, control)[0, 0]
    drawn = drawn_inputs(
        one, control.expand(1, 40_000, -1, -1, -1), Sampling(0, 5.0, UPPER), stream(1)
    )[0]
    error = drawn.std(dim=0) / math.sqrt(40_000)
    assert ((drawn.mean(dim=0) - expected).abs() < 4.5 * error).all()


def test_layers_follow_each_other_down_to_the_image() -> None:
    blocks = parse("F(2,2)-G(4)-P(2,2)-F(2,1)-G(9)")
    sizes = shapes(blocks, Shape(8, 8, 1))
    assert mixture_indices(blocks) == (1, 4)
    assert [mixture_number(blocks, index) for index in (1, 4)] == [1, 2]
    seen: list[tuple[int, tuple[int, ...]]] = []
    corrected: list[tuple[int, tuple[int, ...]]] = []

    def draw(number: int, control: torch.Tensor) -> torch.Tensor:
        seen.append((number, tuple(control.shape)))
        before = sizes[mixture_indices(blocks)[number - 1]]
        return control.new_zeros(*control.shape[:4], before.channels)

    def correct(index: int, control: torch.Tensor) -> torch.Tensor:
        corrected.append((index, tuple(control.shape)))
        return control + 1

    found = backward(blocks, sizes, torch.ones(1, 3, 1, 1, 9), 4, draw, correct)
    assert seen == [(2, (1, 3, 1, 1, 9)), (1, (1, 3, 4, 4, 4))]
    assert corrected == [(3, (1, 3, 2, 2, 4)), (0, (1, 3, 8, 8, 1))]
    assert torch.equal(found, torch.ones(1, 3, 8, 8, 1))
