"""Bounds in the binary limit agree with exact densities, however the work is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from support.latent_variables import (
    SPEC,
    FakeModel,
    checkpoint,
    exact_log_likelihood,
    exact_log_partition,
)
from torch import Tensor

from workflow_src.evaluate.latent_variables.subject import Subject, subject_of
from workflow_src.evaluate.latent_variables.weights import IMAGES_PER_BLOCK, cut, weighted_bounds
from workflow_src.evaluate.measurement import MemoryBudgetError
from workflow_src.models.random_streams import run_stream

CPU = torch.device("cpu")
PLENTY = 1 << 30
# The fake's own numbers, and four of noise, in single precision.
BYTES_OF_A_WEIGHT = (20 + 4) * 4


def subject(memory_bytes: int = PLENTY) -> Subject:
    model = FakeModel()
    return subject_of(model, checkpoint(model), SPEC, CPU, memory_bytes)


def pictures(count: int) -> Tensor:
    return torch.randint(0, 2, (count, 4), generator=torch.Generator().manual_seed(9))


def budget(rows: int) -> int:
    """Half of it is for what is computed, half for noise."""
    return 2 * rows * BYTES_OF_A_WEIGHT


@pytest.mark.parametrize("images", [5, IMAGES_PER_BLOCK + 3])
def test_streamed_samples_give_what_one_shot_gives(images: int) -> None:
    # Neither 2 nor 35 - 2 are multiples of the 9 samples that this budget computes at a time.
    one, data = subject(budget(100)), pictures(images)
    assert cut(one) == (9, 11)
    found = weighted_bounds(one, data, [2, 35])
    for block, part in enumerate(data.float().split(IMAGES_PER_BLOCK)):
        noise = {}
        for name, shape in (("bits", (35, 64, 3)), ("code", (35, 64))):
            stream = run_stream(f"test noise {name}", SPEC, CPU, block=block)
            draw = torch.rand if name == "bits" else torch.randn
            noise[name] = draw(shape, generator=stream)[None, :, : len(part)]
        weights = one.model.log_weights(one.parameters, one.state, part[None], noise)
        weights = weights[0].double().numpy()
        at = slice(block * IMAGES_PER_BLOCK, block * IMAGES_PER_BLOCK + len(part))
        for row, count in enumerate((2, 35)):
            expected = logsumexp(weights[:count], axis=0) - np.log(count)
            np.testing.assert_allclose(found.bounds[row, at], expected, atol=2e-6)
        shares = np.exp(weights - weights.max(axis=0))
        sizes = shares.sum(axis=0) ** 2 / (shares**2).sum(axis=0)
        np.testing.assert_allclose(found.effective_sample_size[at], sizes, rtol=1e-5)


def test_the_memory_budget_changes_nothing() -> None:
    data = pictures(70)
    assert cut(subject()) == (16, IMAGES_PER_BLOCK)
    wide = weighted_bounds(subject(), data, [1, 30])
    for rows, how in ((16, (1, 16)), (40, (3, 13)), (500, (16, 31))):
        narrow = subject(budget(rows))
        assert cut(narrow) == how
        found = weighted_bounds(narrow, data, [1, 30])
        np.testing.assert_allclose(found.bounds, wide.bounds, atol=2e-6)
        np.testing.assert_allclose(
            found.effective_sample_size, wide.effective_sample_size, rtol=1e-5
        )


def test_a_budget_below_a_few_codes_is_refused_by_name() -> None:
    with pytest.raises(MemoryBudgetError, match="has for them"):
        weighted_bounds(subject(budget(16) - 1), pictures(3), [1])


def test_many_samples_reach_the_exact_log_likelihood() -> None:
    one = subject()
    tensors = {name: value[0] for name, value in one.parameters.items()}
    data = torch.cartesian_prod(*[torch.arange(2)] * 4)
    found = weighted_bounds(one, data, [20_000])
    bounds = found.bounds[0] - exact_log_partition(tensors)
    exact = [exact_log_likelihood(tensors, x) for x in data.numpy()]
    # The standard error of log p from n weights is about sqrt(1/ess - 1/n).
    error = np.sqrt(1 / found.effective_sample_size - 1 / 20_000)
    assert np.all(error < 0.05)
    assert np.all(np.abs(bounds - exact) < 4.5 * error + 1e-5)
    assert logsumexp(exact) == pytest.approx(0, abs=1e-9)


def test_every_block_has_noise_of_its_own() -> None:
    data = pictures(1).repeat(2 * IMAGES_PER_BLOCK, 1)
    bounds = weighted_bounds(subject(), data, [1]).bounds[0]
    assert len(np.unique(bounds)) == len(bounds)


def test_more_samples_raise_the_mean_bound() -> None:
    bounds = weighted_bounds(subject(), pictures(400), [1, 5, 25]).bounds.mean(axis=1)
    assert bounds[0] < bounds[1] < bounds[2]
