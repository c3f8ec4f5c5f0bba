"""RAT-SPNs against SPFlow's, over the same trees with the same parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from spflow.learn import expectation_maximization
from support.small_circuits import banked, parameters_of, pictures, rat_spn
from support.spflow_circuits import parameters_of_spflow, spflow_rat_spn, with_parameters

CASES = [("gaussian", 1, 3), ("gaussian", 3, 2), ("binomial", 2, 4)]


@pytest.mark.parametrize(("likelihood", "split_depth", "repetitions"), CASES)
def test_log_likelihoods_are_those_of_spflow(
    likelihood: str, split_depth: int, repetitions: int
) -> None:
    network = rat_spn(
        3, 4, likelihood, levels=7, components=3, split_depth=split_depth, repetitions=repetitions
    )
    parameters, images = parameters_of(network), pictures(network, 6)
    spn = with_parameters(spflow_rat_spn(network), parameters)
    expected = spn.log_likelihood(images).detach().flatten()
    np.testing.assert_allclose(network.log_likelihood(parameters, images), expected, rtol=1e-6)


@pytest.mark.parametrize(("likelihood", "split_depth", "repetitions"), CASES)
def test_a_step_of_expectation_maximisation_is_that_of_spflow(
    likelihood: str, split_depth: int, repetitions: int
) -> None:
    network = rat_spn(
        3,
        4,
        likelihood,
        levels=7,
        components=3,
        split_depth=split_depth,
        repetitions=repetitions,
        minimum_variance=1e-9,
    )
    parameters, images = parameters_of(network), pictures(network, 25)
    if likelihood == "gaussian":
        # SPFlow adds to the uses of components that explain almost nothing; here all do.
        parameters["leaf.mean"] *= 0.1
        parameters["leaf.variance"] += 0.2
    spn = with_parameters(spflow_rat_spn(network), parameters)
    expectation_maximization(spn, images, max_steps=1, bias_correction=False)
    _, statistics = network.expectations(banked(parameters), images.unsqueeze(0))
    found = network.maximised(banked(parameters), statistics, 1.0)
    for name, expected in parameters_of_spflow(spn).items():
        np.testing.assert_allclose(found[name][0], expected, rtol=1e-5, atol=1e-7, err_msg=name)


def test_hidden_values_are_not_numbers_to_spflow() -> None:
    network = rat_spn(2, 4, "gaussian", split_depth=2, repetitions=3)
    parameters, images = parameters_of(network), pictures(network, 5)
    hidden = torch.arange(8) % 3 == 0
    spn = with_parameters(spflow_rat_spn(network), parameters)
    whole = spn.log_likelihood(images).detach().flatten()
    shown = torch.where(hidden, torch.nan, images)
    visible = spn.log_likelihood(shown).detach().flatten()
    found = network.conditional_log_density(parameters, images, hidden)
    np.testing.assert_allclose(found, whole - visible, rtol=1e-6)
