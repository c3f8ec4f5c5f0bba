"""Expectation maximisation: closed forms, bounds, and a likelihood that never falls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_circuits import banked, parameters_of, pd_spn, pictures, rat_spn

from workflow_src.models.circuits.exponential_families import Binomial, Normal

KINDS = ("gaussian", "binomial")


def mean_after(network: Any, parameters: Any, images: torch.Tensor, steps: int) -> list[float]:
    """The mean log density before each of so many steps of expectation maximisation proper."""
    found = []
    for _ in range(steps):
        densities, statistics = network.expectations(parameters, images)
        found.append(densities.mean().item())
        parameters = network.maximised(parameters, statistics, 1.0)
    return found


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    trees=st.booleans(),
    width=st.integers(2, 5),
    channels=st.sampled_from([1, 3]),
    components=st.integers(1, 4),
    repetitions=st.integers(1, 3),
    images=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_all_images_never_lower_the_likelihood(
    kind: str,
    trees: bool,
    width: int,
    channels: int,
    components: int,
    repetitions: int,
    images: int,
    seed: int,
) -> None:
    facts: dict[str, Any] = {"levels": 5, "channels": channels, "components": components}
    if trees:
        network = rat_spn(1, width, kind, repetitions=repetitions, **facts)
    else:
        network = pd_spn(1, width, kind, **facts)
    parameters = banked(parameters_of(network, seed))
    found = mean_after(network, parameters, pictures(network, images, seed).unsqueeze(0), 8)
    assert (np.diff(found) > -1e-9).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", KINDS)
def test_batches_add_up_to_the_whole_set(kind: str) -> None:
    network = rat_spn(2, 4, kind, levels=9, split_depth=2, repetitions=3, components=3)
    parameters = banked(parameters_of(network))
    images = pictures(network, 12).unsqueeze(0)
    _, whole = network.expectations(parameters, images)
    parts = [network.expectations(parameters, part)[1] for part in torch.split(images, 5, dim=1)]
    for name, value in whole.items():
        added = torch.stack([part[name] for part in parts]).sum(dim=0)
        np.testing.assert_allclose(added, value, rtol=1e-10, atol=1e-13)


def test_one_component_finds_the_moments_of_normal_pixels_at_once() -> None:
    network = rat_spn(2, 2, "gaussian", components=1, repetitions=1)
    parameters, images = banked(parameters_of(network)), pictures(network, 40)
    _, statistics = network.expectations(parameters, images.unsqueeze(0))
    found = network.maximised(parameters, statistics, 1.0)
    np.testing.assert_allclose(found["leaf.mean"][0, 0, :, 0], images.mean(dim=0), rtol=1e-10)
    np.testing.assert_allclose(
        found["leaf.variance"][0, 0, :, 0], images.var(dim=0, correction=0), rtol=1e-8
    )


def test_one_component_finds_the_share_of_counts_at_once() -> None:
    network = pd_spn(1, 4, levels=9, components=1)
    parameters, images = banked(parameters_of(network)), pictures(network, 40)
    _, statistics = network.expectations(parameters, images.unsqueeze(0))
    found = network.maximised(parameters, statistics, 1.0)
    shares = images.mean(dim=0) / 9
    np.testing.assert_allclose(found["leaf.probability"][0, 0, :, 0], shares, rtol=1e-10)


@pytest.mark.parametrize("step_size", [0.05, 0.7])
def test_a_step_mixes_expectation_parameters(step_size: float) -> None:
    """E[x] and E[x^2] of normal leaves, probabilities, and weights move by the step size."""
    network = rat_spn(2, 4, "gaussian", split_depth=2, repetitions=2, maximum_variance=1e6)
    parameters = banked(parameters_of(network))
    _, statistics = network.expectations(parameters, pictures(network, 9).unsqueeze(0))
    full = network.maximised(parameters, statistics, 1.0)
    part = network.maximised(parameters, statistics, step_size)

    def mixed(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        return (1 - step_size) * old + step_size * new

    def second(one: dict[str, torch.Tensor]) -> torch.Tensor:
        return one["leaf.variance"] + one["leaf.mean"] ** 2

    # The maximum is clipped where it is below the least variance.
    free = full["leaf.variance"] > 0.0101
    assert free.any()
    np.testing.assert_allclose(
        second(part)[free], mixed(second(parameters), second(full))[free], rtol=1e-9
    )
    for name in ("leaf.mean", "level_0.weights", "level_1.weights", "level_1.mixing"):
        np.testing.assert_allclose(part[name], mixed(parameters[name], full[name]), rtol=1e-9)


def test_variances_stay_between_their_bounds() -> None:
    network = rat_spn(2, 2, "gaussian", minimum_variance=0.02, maximum_variance=0.05)
    parameters = banked(parameters_of(network))
    images = pictures(network, 30)
    images[:, 0] = 0.5  # of no variance
    images[:, 1] *= 100  # of too much
    for _ in range(5):
        _, statistics = network.expectations(parameters, images.unsqueeze(0))
        parameters = network.maximised(parameters, statistics, 1.0)
    assert parameters["leaf.variance"].min() == 0.02
    assert parameters["leaf.variance"].max() == 0.05
    assert (parameters["leaf.variance"][0, :, 0] == 0.02).all()
    assert torch.isfinite(network.log_density(parameters, images.unsqueeze(0))).all()


def test_what_explains_no_image_stays() -> None:
    network = rat_spn(2, 2, "gaussian", components=2, repetitions=2)
    start = parameters_of(network)
    start["leaf.mean"][1] = 1e4  # all of the second repetition is far away
    parameters = banked(start)
    _, statistics = network.expectations(parameters, pictures(network, 9).unsqueeze(0))
    found = network.maximised(parameters, statistics, 0.5)
    assert torch.equal(found["leaf.mean"][0, 1], start["leaf.mean"][1])
    assert torch.equal(found["leaf.variance"][0, 1], start["leaf.variance"][1])
    assert (found["leaf.mean"][0, 0] != start["leaf.mean"][0]).all()
    np.testing.assert_allclose(found["level_0.weights"][0, 1], start["level_0.weights"][1])
    assert (found["level_0.weights"][0, 0] != start["level_0.weights"][0]).all()


def test_constant_pixels_stay_finite_in_float32() -> None:
    for network in (
        rat_spn(4, 4, "gaussian", split_depth=2, components=4, minimum_variance=1e-4),
        rat_spn(4, 4, "binomial", split_depth=2, components=4, levels=255),
    ):
        single = {name: one.float() for name, one in banked(parameters_of(network)).items()}
        top = 1.0 if network.images.likelihood == "gaussian" else 255.0
        images = torch.zeros(1, 20, 16)
        images[:, 10:, :8] = top
        images[:, :, 15] = top
        for _ in range(50):
            densities, statistics = network.expectations(single, images)
            assert torch.isfinite(densities).all()
            single = network.maximised(single, statistics, 1.0)
        for value in single.values():
            assert torch.isfinite(value).all()


def test_binomial_pixels_are_whole_counts() -> None:
    family = Binomial(255)
    for wrong in (0.5, -1.0, 256.0):
        with pytest.raises(ValueError, match="counts from 0 to 255"):
            family.log_base(torch.tensor([3.0, wrong]))


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (2.0, 1.0)])
def test_variances_need_bounds_in_order(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="minimum_variance"):
        Normal(*bounds)
