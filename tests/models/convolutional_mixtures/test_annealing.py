"""Neighbourhoods by brute force on the torus; the way of sigma against a trace made by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from workflow_src.models.convolutional_mixtures.annealing import (
    Annealing,
    AnnealingSettings,
    initial_sigma,
    neighbourhood,
)

SETTINGS = AnnealingSettings(
    window=100,
    decrease=0.9,
    threshold=0.05,
    final_sigma=0.01,
    learning_rate=0.011,
    final_learning_rate=0.01,
)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_neighbours_are_those_on_a_torus(side: int, sigma: float) -> None:
    expected = np.zeros((side**2, side**2))
    for one, other in itertools.product(range(side**2), repeat=2):
        (y, x), (v, u) = divmod(one, side), divmod(other, side)
        # The nearest of the other's copies, of which the plane holds one in every square.
        distance = min(
            (y - v + side * i) ** 2 + (x - u + side * j) ** 2
            for i, j in itertools.product((-1, 0, 1), repeat=2)
        )
        expected[one, other] = math.exp(-distance / (2 * sigma**2))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(neighbourhood(side**2, sigma).numpy(), expected, rtol=1e-12)


def test_without_width_every_component_is_alone() -> None:
    assert torch.equal(neighbourhood(49, 0.01), torch.eye(49, dtype=torch.float64))


def test_with_much_width_all_are_neighbours() -> None:
    alike = torch.full((25, 25), 1 / 25, dtype=torch.float64)
    torch.testing.assert_close(neighbourhood(25, 1e4), alike)


def test_a_grid_is_a_square() -> None:
    with pytest.raises(ValueError, match="24 components make no square grid"):
        neighbourhood(24, 1.0)


def test_sigma_starts_by_the_number_of_components() -> None:
    assert initial_sigma(49) == pytest.approx(0.25 * 7 * math.sqrt(2))
    start = Annealing.start(25, SETTINGS)
    assert (start.sigma, start.learning_rate) == (pytest.approx(1.7677669529663689), 0.011)


def test_the_way_of_a_layer_is_the_one_made_by_hand() -> None:
    """Window means, and after each: whether it shrank, by (now - last) / (last - first)."""
    trace = [
        (-100.0, False),  # the first
        (-60.0, False),  # the second: nothing yet
        (-40.0, False),  # 20 / 40 = 0.5
        (-38.0, True),  # 2 / 60 = 0.033
        (-38.0, True),  # 0
        (-35.0, True),  # 3 / 62 = 0.0484
        (-31.0, False),  # 4 / 65 = 0.0615
        (-37.0, True),  # -6 / 69 = -0.087
        (-44.0, False),  # -7 / 63 = -0.111
        (-44.0, True),  # 0
    ]
    state = Annealing.start(49, SETTINGS)
    sigma, rate = 1.75 * math.sqrt(2), 0.011
    for mean, shrinks in trace:
        state = state.after(mean, SETTINGS)
        if shrinks:
            sigma, rate = 0.9 * sigma, max(0.9 * rate, 0.01)
        assert state.sigma == pytest.approx(sigma, rel=1e-12)
        assert state.learning_rate == pytest.approx(rate, rel=1e-12)
    assert (state.windows, state.first, state.last) == (10, -100.0, -44.0)


def test_widths_and_step_sizes_end_where_they_are_told_to() -> None:
    state = Annealing.start(49, SETTINGS).after(0.0, SETTINGS).after(1.0, SETTINGS)
    shrunk = []
    while state.sigma > 0.01:
        state = state.after(1.0, SETTINGS)
        shrunk.append(state.sigma)
    # 1.75 sqrt(2) 0.9^n <= 0.01 from n = 53 on.
    assert len(shrunk) == math.ceil(math.log(0.01 / (1.75 * math.sqrt(2))) / math.log(0.9)) == 53
    assert (state.sigma, state.learning_rate) == (0.01, 0.01)


def test_without_any_gain_nothing_shrinks() -> None:
    state = Annealing.start(4, SETTINGS)
    for _ in range(4):
        state = state.after(-3.0, SETTINGS)
    assert state.sigma == initial_sigma(4)


@pytest.mark.parametrize("mean", [math.nan, math.inf, -math.inf])
def test_losses_that_are_no_numbers_shrink_nothing(mean: float) -> None:
    state = Annealing.start(4, SETTINGS)
    for one in (-3.0, -2.0, mean, mean):
        state = state.after(one, SETTINGS)
    assert state.sigma == initial_sigma(4)


def test_numbers_hold_all_of_it() -> None:
    state = Annealing.start(4, SETTINGS).after(-3.0, SETTINGS).after(-2.1, SETTINGS)
    assert Annealing.of(state.numbers()) == state
