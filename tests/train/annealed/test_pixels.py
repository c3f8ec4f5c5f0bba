"""Gray levels become black or white with their probabilities, anew or once for all runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from workflow_src.models.images import ImageFacts
from workflow_src.train.annealed.pixels import TrainingPixels

LEVELS = torch.tensor([0, 1, 64, 127, 254, 255], dtype=torch.uint8)
MANY = LEVELS.expand(20_000, -1)
# Five standard errors of a share of 20,000.
ROOM = 5 * 0.5 / 20_000**0.5


def pixels(
    stored: Tensor, binarisation: str = "each_batch", likelihood: str = "bernoulli", **spec: Any
) -> TrainingPixels:
    levels = 255 if int(stored.max()) > 1 else 1
    spec = {"binarisation": binarisation, "data_set": "digits", **spec}
    return TrainingPixels(stored, ImageFacts(1, 6, likelihood, levels), spec, torch.device("cpu"))


def test_batches_are_drawn_with_their_levels_as_probabilities() -> None:
    of = pixels(MANY)
    assert of.is_drawn
    drawn = of.drawn(of.values, torch.rand(MANY.shape, generator=torch.Generator().manual_seed(0)))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    shares = drawn.double().mean(0)
    assert (shares - LEVELS / 255).abs().max() < ROOM
    assert shares[0] == 0
    assert shares[-1] == 1


@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-24])
def test_black_stays_black_and_white_white_at_the_ends_of_the_noise(uniform: float) -> None:
    of = pixels(LEVELS.unsqueeze(0))
    drawn = of.drawn(of.values, torch.full((1, 6), uniform))
    assert (drawn[0, 0], drawn[0, -1]) == (0, 1)


def test_images_drawn_once_are_the_same_for_all_runs_on_the_data_set() -> None:
    first, second = (pixels(MANY, "once", seed=seed, model=f"m{seed}") for seed in range(2))
    assert not first.is_drawn
    assert torch.equal(first.values, second.values)
    assert not torch.equal(first.values, pixels(MANY, "once", data_set="mnist").values)
    assert (first.values.double().mean(0) - LEVELS / 255).abs().max() < ROOM


def test_images_drawn_once_are_not_drawn_again() -> None:
    of = pixels(MANY, "once")
    assert torch.equal(of.drawn(of.values[:9], None), of.values[:9].to(torch.float32))


@pytest.mark.parametrize("binarisation", ["each_batch", "once"])
def test_black_and_white_images_are_what_they_are(binarisation: str) -> None:
    stored = (torch.rand(50, 6, generator=torch.Generator().manual_seed(1)) < 0.5).to(torch.uint8)
    of = pixels(stored, binarisation)
    assert not of.is_drawn
    assert torch.equal(of.drawn(of.values, None), stored.to(torch.float32))


def test_integers_of_other_likelihoods_are_what_they_are() -> None:
    of = pixels(LEVELS.unsqueeze(0), "once", "discretised_logistic")
    assert not of.is_drawn
    assert of.drawn(of.values, None).tolist() == [LEVELS.tolist()]
    assert of.mean(torch.tensor([0])).tolist() == LEVELS.tolist()


def test_the_mean_image_is_that_of_the_images_asked_for() -> None:
    stored = torch.tensor([[255, 0], [51, 0], [102, 255]], dtype=torch.uint8)
    mean = pixels(stored).mean(torch.tensor([0, 2]))
    assert mean.tolist() == pytest.approx([0.7, 0.5])
    assert mean.dtype == torch.float32
