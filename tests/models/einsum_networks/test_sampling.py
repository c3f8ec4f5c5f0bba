"""Draws of Einsum networks against the probabilities of all states, and moments of normal ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest, norm
from support.small_circuits import all_states, parameters_of, pd_spn, pictures, rat_spn
from torch import Tensor

from workflow_src.models.circuits.einsum_network import EinsumNetwork

CASES: dict[str, Callable[[], EinsumNetwork]] = {
    "trees": lambda: rat_spn(2, 3, split_depth=2, repetitions=3),
    "one tree": lambda: rat_spn(1, 4, split_depth=2, repetitions=1, components=3),
    "stripes": lambda: pd_spn(1, 5),
    "counts": lambda: pd_spn(1, 3, levels=3),
}
DRAWS = 20_000
# A test of a true hypothesis fails once in a thousand seeds; the seeds here are fixed.
SIGNIFICANCE = 1e-3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_distributed(draws: Tensor, states: Tensor, probabilities: Tensor) -> None:
    """Chi-square test of images against probabilities; rare states are joined."""
    base = int(states.max()) + 1
    code = base ** torch.arange(states.shape[1])
    counts = torch.bincount((draws.to(torch.int64) * code).sum(1), minlength=base ** len(code))
    observed = counts[(states.to(torch.int64) * code).sum(1)].numpy()
    assert observed.sum() == len(draws)
    expected = (probabilities / probabilities.sum()).numpy() * len(draws)
    rare = expected < 10
    joined = [np.append(one[~rare], one[rare].sum()) for one in (observed, expected)]
    if joined[1][-1] < 1:
        joined = [one[:-1] for one in joined]
        joined[1] *= joined[0].sum() / joined[1].sum()
    assert chisquare(*joined).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("case", CASES)
def test_draws_are_distributed_as_the_density_says(case: str) -> None:
    network = CASES[case]()
    parameters, states = parameters_of(network), all_states(network)
    probabilities = network.log_likelihood(parameters, states).exp()
    draws = network.draw(parameters, DRAWS, generator())
    assert draws.shape == (DRAWS, network.images.pixels)
    assert_distributed(draws, states, probabilities)


@pytest.mark.parametrize("case", CASES)
def test_inpainted_pixels_are_distributed_as_the_conditional_says(case: str) -> None:
    network = CASES[case]()
    parameters, states = parameters_of(network), all_states(network)
    hidden = torch.arange(network.images.pixels) % 2 == 0
    probabilities = network.log_likelihood(parameters, states).exp()
    for seed, state in enumerate(states[[1, len(states) // 2]]):
        agrees = (states[:, ~hidden] == state[~hidden]).all(dim=1)
        shown = state.expand(DRAWS, -1)
        draws = network.inpaint(parameters, shown, hidden, generator(seed))
        assert_distributed(draws[:, hidden], states[agrees][:, hidden], probabilities[agrees])


@pytest.mark.parametrize("case", ["gaussian", "binomial"])
def test_evidence_is_unchanged_and_what_is_hidden_does_not_matter(case: str) -> None:
    network = rat_spn(4, 4, case, levels=255, split_depth=2, repetitions=3, components=3)
    parameters, images = parameters_of(network), pictures(network, 7).float()
    hidden = torch.arange(16) % 4 >= 2
    drawn = network.inpaint(parameters, images, hidden, generator())
    assert torch.equal(drawn[:, ~hidden], images[:, ~hidden])
    assert not torch.equal(drawn, images)
    expected = network.expected(parameters, images, hidden)
    assert torch.equal(expected[:, ~hidden], images[:, ~hidden])
    other = torch.where(hidden, torch.nan if case == "gaussian" else 0.0, images)
    assert torch.equal(network.inpaint(parameters, other, hidden, generator()), drawn)
    assert torch.equal(network.inpaint(parameters, images, hidden, generator(), zeroed=True), drawn)
    assert torch.equal(network.expected(parameters, other, hidden), expected)


def test_counts_stay_counts_of_their_type() -> None:
    network = pd_spn(2, 4, levels=255)
    parameters = parameters_of(network)
    images = pictures(network, 3).to(torch.uint8)
    hidden = torch.tensor([True, False] * 4)
    assert network.inpaint(parameters, images, hidden, generator()).dtype == torch.uint8
    draws = network.draw(parameters, 50, generator())
    assert torch.equal(draws, draws.round())
    assert draws.min() >= 0
    assert draws.max() <= 255


def test_normal_draws_hold_the_leaves_noise() -> None:
    """One pixel of a mixture of normals, by its distribution function."""
    network = rat_spn(1, 2, "gaussian", repetitions=1, components=2)
    parameters = parameters_of(network)
    draws = network.draw(parameters, DRAWS, generator()).double()
    weights = parameters["level_0.weights"][0, 0].view(2, 2).numpy()
    first_is_left = network.leaves.scopes[0] == (0,)
    shares = weights.sum(axis=1 if first_is_left else 0)
    means = parameters["leaf.mean"][0, 0].numpy()
    deviations = parameters["leaf.variance"][0, 0].sqrt().numpy()

    def distribution(value: np.ndarray) -> np.ndarray:
        return np.array(norm.cdf(value[:, None], means, deviations) @ shares)

    assert kstest(draws[:, 0].numpy(), distribution).pvalue > SIGNIFICANCE


def test_without_noise_pixels_are_the_means_of_the_leaves_that_are_picked() -> None:
    """With next to no variance draws are their leaves' means; of n trials these are n p."""
    network = rat_spn(4, 4, "gaussian", split_depth=2, repetitions=3, components=3)
    parameters = parameters_of(network)
    means = network.draw(parameters, 300, generator(1), noise=False)
    certain = parameters | {"leaf.variance": torch.full_like(parameters["leaf.variance"], 1e-12)}
    drawn = network.draw(certain, 300, generator(1))
    torch.testing.assert_close(means, drawn, rtol=0, atol=1e-4)
    counts = pd_spn(1, 3, levels=3)
    parameters = parameters_of(counts)
    # [copies, pixels, components]
    possible = 3 * parameters["leaf.probability"].float()
    for pixel, found in enumerate(counts.draw(parameters, 300, generator(), noise=False).T):
        known = possible[:, pixel].flatten()
        assert (found[:, None] - known).abs().min(dim=1).values.max() < 1e-6
        assert len(found.unique()) > 1


def test_expected_normal_pixels_are_means_of_draws() -> None:
    network = pd_spn(2, 4, "gaussian", components=3)
    parameters, image = parameters_of(network), pictures(network, 1)
    hidden = torch.tensor([False, True, True, False] * 2)
    draws = network.inpaint(parameters, image.expand(DRAWS, -1), hidden, generator())
    error = draws.std(dim=0) / DRAWS**0.5
    difference = (draws.mean(dim=0) - network.expected(parameters, image, hidden)[0]).abs()
    assert (difference[hidden] < 4 * error[hidden]).all()


def test_equal_generators_draw_equal_images() -> None:
    network = rat_spn(4, 4, split_depth=3, repetitions=4, levels=16)
    parameters = parameters_of(network)
    one, other = (network.draw(parameters, 30, generator(5)) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, network.draw(parameters, 30, generator(6)))


def test_a_label_is_refused() -> None:
    network = pd_spn(1, 2)
    with pytest.raises(ValueError, match="no classifier"):
        network.draw(parameters_of(network), 1, generator(), label=3)
