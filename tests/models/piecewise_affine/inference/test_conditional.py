"""Tests of densities and means of missing values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm
from support.generative_oracles import (
    forward,
    line_log_densities,
    line_rule,
    panels,
    random_model,
    separable,
)

from workflow_src.models.piecewise_affine.inference.conditional import (
    conditional_log_likelihoods,
    conditional_log_likelihoods_with_errors,
    imputed,
    imputed_with_errors,
    marginal,
    sample_missing,
)
from workflow_src.models.piecewise_affine.inference.expectations import (
    log_likelihoods,
    sampled_points,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import partition


def drawn(model, count):
    return sampled_points(model, count, np.random.default_rng(0))[2]


def along(model, point, missing):
    """The missing value on panels, their weights, and p(x) there from the oracle."""
    nodes, weights = panels(np.linspace(-12, 12, 1201), 6)
    points = np.tile(point, (len(nodes), 1))
    points[:, missing] = nodes[:, None]
    return nodes, weights, np.exp(line_log_densities(model, points))


@pytest.mark.parametrize("noise", ["isotropic", "diagonal", "full"])
@pytest.mark.parametrize("index", [0, 2])
def test_imputed_values_are_means_given_the_rest(noise, index):
    model = random_model((1, 4, 3), noise=noise, variance=0.1)
    regions, points = partition(model.network), drawn(model, 3)
    missing = np.arange(3) == index
    hidden = points.copy()
    hidden[:, missing] = np.nan
    filled = imputed(model, regions, hidden, missing)
    found = conditional_log_likelihoods(model, regions, points, missing)
    assert np.array_equal(filled[:, ~missing], points[:, ~missing])
    for row, point in enumerate(points):
        nodes, weights, density = along(model, point, missing)
        total = (weights * density).sum()
        assert filled[row, index] == pytest.approx(
            (weights * density * nodes).sum() / total, abs=1e-10
        )
        expected = line_log_densities(model, point[None])[0] - np.log(total)
        assert found[row] == pytest.approx(expected, abs=1e-9)


def test_a_marginal_is_the_integral_over_the_rest():
    model = random_model((1, 4, 2), noise="full", variance=0.1)
    kept = np.array([False, True])
    part = marginal(model, kept)
    for point in drawn(model, 2):
        _, weights, density = along(model, point, ~kept)
        found = log_likelihoods(part, partition(model.network), point[None, kept])[0]
        assert found == pytest.approx(np.log((weights * density).sum()), abs=1e-9)


def test_imputation_with_two_latents_and_projection():
    """Values of a wide point: removing one value twice is removing both; dense = projected."""
    model = random_model((2, 3, 8), noise="full", variance=0.1)
    regions, points = partition(model.network), drawn(model, 3)
    missing = np.arange(8) >= 5
    both = conditional_log_likelihoods(model, regions, points, missing)
    first = conditional_log_likelihoods(model, regions, points, np.arange(8) >= 7)
    seven = marginal(model, np.arange(8) < 7)
    rest = conditional_log_likelihoods(seven, regions, points[:, :7], missing[:7])
    assert np.allclose(both, first + rest, rtol=0, atol=1e-9)


def test_drawn_missing_values_follow_their_density():
    model = random_model((1, 4, 2), noise="full", variance=0.1)
    missing = np.array([True, False])
    regions, points = partition(model.network), drawn(model, 2)
    draws = sample_missing(model, regions, points, missing, 2000, np.random.default_rng(4))
    assert np.all(draws[:, :, 1] == points[:, None, 1])
    for row, point in enumerate(points):
        nodes, weights, density = along(model, point, missing)
        cumulative = np.cumsum(weights * density) / (weights * density).sum()
        test = kstest(draws[row, :, 0], lambda x, n=nodes, c=cumulative: np.interp(x, n, c))
        assert test.pvalue > 1e-3


def test_a_mask_of_other_values_is_refused():
    model = random_model((1, 4, 2))
    with pytest.raises(ValueError, match="keeps 0 of 2"):
        marginal(model, np.array([False, False]))
    with pytest.raises(ValueError, match="of 3 values"):
        marginal(model, np.array([True, False, True]))


def test_four_latents_have_estimates_with_errors():
    """Turned outputs of a separable model: the rest of full noise tells of the missing value."""
    case = separable(4, hidden=1)
    regions, points = partition(case.model.network), drawn(case.model, 4)
    missing = np.arange(4) == 2
    factor = case.factors[2]
    nodes, weights = line_rule(factor.network)
    masses = weights * norm.pdf(nodes)
    # Factors are independent, so that nothing is known of the missing value but its own law.
    mean = masses @ forward(factor.network, nodes[:, None])[:, 0]
    filled, errors = imputed_with_errors(case.model, regions, points, missing)
    assert np.all(errors[:, ~missing] == 0)
    assert np.all((errors[:, 2] > 0) & (errors[:, 2] < 0.1))
    assert np.all(np.abs(filled[:, 2] - mean) < 5 * errors[:, 2])
    found, errors = conditional_log_likelihoods_with_errors(case.model, regions, points, missing)
    expected = line_log_densities(factor, points[:, [2]])
    assert np.all((errors > 0) & (errors < 0.1))
    assert np.all(np.abs(found - expected) < 4 * errors)


def test_exact_results_have_no_error():
    model = random_model((1, 4, 3))
    known = (model, partition(model.network), drawn(model, 3), np.arange(3) == 1)
    assert np.all(imputed_with_errors(*known)[1] == 0)
    assert np.all(conditional_log_likelihoods_with_errors(*known)[1] == 0)


def test_draws_in_chunks_follow_the_same_density():
    """One point at a time, by a budget of one byte: each draw has its own point's values."""
    model = random_model((1, 4, 3), variance=0.1)
    missing = np.array([True, False, False])
    regions, points = partition(model.network), drawn(model, 3)
    draws = sample_missing(
        model, regions, points, missing, 4000, np.random.default_rng(4), memory_bytes=1
    )
    mean = imputed(model, regions, points, missing)[:, 0]
    error = draws[:, :, 0].std(axis=1) / np.sqrt(4000)
    assert np.array_equal(draws[:, 0, 1:], points[:, 1:])
    assert np.all(np.abs(draws[:, :, 0].mean(axis=1) - mean) < 4 * error)
