"""Times are taken of what they say, and the paper's simplices agree with the fast integrals."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from support.exact_densities import Quadrature, density, points, subject

from workflow_src.evaluate.exact_densities import reference as module
from workflow_src.evaluate.exact_densities.costs import (
    cost_arrays,
    cost_rows,
    costs,
    seconds_of,
)
from workflow_src.evaluate.exact_densities.reference import conditioned, reference
from workflow_src.models.piecewise_affine.integrals.reference import reference_moments
from workflow_src.models.piecewise_affine.networks import affine_maps


def test_the_shortest_of_several_times_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.5, 1.0, 1.25, 2.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    called = []
    # Together 2.75 s, which is enough: the fourth time is not taken.
    assert seconds_of(lambda: called.append(1)) == 0.25
    assert len(called) == 3


def test_times_are_rows_in_seconds() -> None:
    one, data = subject(density()), points()
    found = costs(one, data.train)
    assert set(found) == {"enumeration_seconds", "expectation_seconds"}
    assert all(0 < seconds < 60 for seconds in found.values())
    assert {row["unit"] for row in cost_rows(found)} == {"s"}
    arrays = cost_arrays(one, data.train, found)
    assert arrays["points"] == 12
    assert arrays["regions"] == 5


@pytest.mark.parametrize("latent", [1, 2])
def test_conditioning_is_that_of_a_joint_gaussian(latent: int) -> None:
    model = density(latent=latent, hidden=3)
    one, data = subject(model), points()
    found = conditioned(one, data.test)
    maps = affine_maps(model.network, one.partition.signs)
    for region, (slopes, offsets) in enumerate(zip(maps.slopes, maps.offsets, strict=True)):
        spread = slopes @ slopes.T + 0.09 * np.eye(2)
        wanted = multivariate_normal(offsets, spread).logpdf(data.test)
        np.testing.assert_allclose(found.log_density[:, region], wanted, rtol=1e-9)
        gain = slopes.T @ np.linalg.inv(spread)
        np.testing.assert_allclose(
            found.means[:, region], (data.test - offsets) @ gain.T, rtol=1e-7, atol=1e-9
        )
        np.testing.assert_allclose(
            found.covariances[region], np.eye(latent) - gain @ slopes, rtol=1e-7, atol=1e-9
        )


def test_the_reference_agrees_where_it_has_digits() -> None:
    model = density(hidden=3)
    one, shown = subject(model), points().test[:3]
    rows, arrays, seconds = reference(one, shown)
    exact = Quadrature(model)
    wanted = [exact.log_likelihood(point) for point in shown]
    np.testing.assert_allclose(arrays["reference_log_likelihood"], wanted, atol=1e-6)
    np.testing.assert_allclose(arrays["log_likelihood"], wanted, atol=1e-6)
    for name in ("mean", "second"):
        np.testing.assert_allclose(arrays[f"reference_{name}"], arrays[name], atol=1e-7)
    largest = np.abs(arrays["log_likelihood"] - arrays["reference_log_likelihood"]).max()
    assert rows[0]["value"] == largest
    assert rows[1]["metric"] == "reference_lost_share"
    assert rows[1]["value"] == 0
    assert seconds > 0


def test_points_without_a_reference_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As inclusion and exclusion that lost all digits: masses of 0, or below, at two of three."""
    one, data = subject(density(hidden=3)), points()
    calls = iter(range(10_000))

    def spoilt(*known: Any) -> tuple[float, Any, Any]:
        e0, e1, e2 = reference_moments(*known)
        lost = next(calls) // one.partition.regions
        return {0: e0, 1: 0.0, 2: -e0}[lost], e1, e2

    monkeypatch.setattr(module, "reference_moments", spoilt)
    rows, arrays, _ = reference(one, data.test[:3])
    told = {row["metric"]: row["value"] for row in rows}
    assert np.isfinite(arrays["reference_log_likelihood"]).tolist() == [True, False, False]
    assert told["reference_lost_share"] == pytest.approx(2 / 3)
    assert told["reference_difference"] < 1e-6


def test_points_far_away_may_have_no_reference() -> None:
    one = subject(density(hidden=3, noise=0.01))
    far = np.array([[0.0, 0.0], [80.0, -90.0]])
    rows, arrays, _ = reference(one, far)
    known = np.isfinite(arrays["reference_log_likelihood"])
    assert np.isfinite(arrays["log_likelihood"]).all()
    assert math.isfinite(rows[0]["value"]) == known.any()
    assert rows[1]["value"] == (~known).mean()
