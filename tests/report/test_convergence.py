"""A run has converged when its validation bound first comes near the best one."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_src.report.convergence import convergence

HISTORY = {
    "step": np.array([0, 5, 10, 15, 20]),
    "device_seconds": np.array([0.0, 1.5, 3.0, 4.5, 6.0]),
    "validation_bound": np.array([-9.0, -1.03, -1.015, -1.0, -1.5]),
    "training_bound": np.array([-8.0, -1.0, -1.25, -0.5, -0.625]),
}


@pytest.mark.parametrize(("dimensions", "epochs"), [(1, 15), (2, 10), (4, 5), (900, 0)])
def test_near_is_a_hundredth_of_a_nat_per_value(dimensions: int, epochs: int) -> None:
    found = convergence(HISTORY, dimensions)
    assert found == {
        "epochs_to_converge": epochs,
        "seconds_to_converge": 0.3 * epochs,
        "largest_likelihood_fall": 0.25,
    }


def test_what_is_not_finite_is_passed_over() -> None:
    bounds = np.array([np.nan, -np.inf, -2.0, -2.0, np.inf])
    assert convergence(HISTORY | {"validation_bound": bounds}, 2)["epochs_to_converge"] == 10
    assert convergence(HISTORY | {"validation_bound": np.full(5, np.nan)}, 2) == {}


def test_a_fall_is_known_only_between_finite_bounds() -> None:
    rising = HISTORY | {"training_bound": np.arange(5.0)}
    assert convergence(rising, 2)["largest_likelihood_fall"] == 0
    lost = HISTORY | {"training_bound": np.array([0.0, np.nan, 1.0, 2.0, 3.0])}
    assert "largest_likelihood_fall" not in convergence(lost, 2)
