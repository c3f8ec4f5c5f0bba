"""Leaves are responsible for images as the circuit's posterior says, one by one and by label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workflow_src.evaluate.leaf_models.leaf_posteriors import SINGLE_IMAGES, leaf_posteriors
from workflow_src.models.images import ImageFacts
from workflow_src.models.spvae import drawing
from workflow_src.models.spvae import model as spvae

SHAPE = {"latent_dimensions": 1, "hidden_units": 2, "hidden_layers": 1, "split_step": 2}
STRUCTURE = {"region_graph": "poon_domingos", "repetitions": 1, "structure_seed": 0}
COMPONENTS = {"leaf_components": 2, "sum_components": 2}


def test_responsibilities_are_the_circuits_and_means_are_by_label(
    mixture_of_tiles: Callable[..., float],
) -> None:
    model = spvae.build(ImageFacts(4, 4, "binomial", 8), {**SHAPE, **STRUCTURE, **COMPONENTS})
    parameters = model.initial_parameters(torch.Generator().manual_seed(1))
    chance = np.random.default_rng(2)
    images = torch.tensor(chance.integers(0, 9, (20, 16)).astype(np.uint8))
    labels = np.array([7, 7, 7, 3, 7] + [3, 7, 7] * 5, dtype=np.uint8)
    bounds = chance.normal(-4, 1, (8, 20))
    found = leaf_posteriors(
        model, drawing, parameters, images, labels, torch.tensor(bounds, dtype=torch.float32)
    )
    exact = np.zeros((20, 4, 2))
    for i in range(20):
        leaf = bounds[:, i].reshape(4, 2)
        for region in range(4):
            for component in range(2):
                only = leaf.copy()
                only[region, 1 - component] = -np.inf
                share = mixture_of_tiles(parameters, only) - mixture_of_tiles(parameters, leaf)
                exact[i, region, component] = np.exp(share)
    assert found.label_names.tolist() == ["3", "7"]
    for i, label in enumerate((3, 7)):
        mean = exact[labels == label].mean(axis=0)
        np.testing.assert_allclose(found.mean_responsibilities[i], mean, atol=1e-5)
    # 3 and 7 in turn while there are any of both, each in the order of the test set.
    threes, sevens = (np.flatnonzero(labels == label) for label in (3, 7))
    first = np.stack([threes, sevens[: len(threes)]], axis=1).ravel()[:SINGLE_IMAGES]
    assert found.labels.tolist() == [3, 7] * (SINGLE_IMAGES // 2)
    np.testing.assert_allclose(found.responsibilities, exact[first], atol=1e-5)
    np.testing.assert_allclose(found.images.reshape(-1, 16), images[first] / 8)
