"""How parameters move: by hand, within bounds, and the classifier by autograd."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from workflow_src.layouts import Mixture, Shape
from workflow_src.models.convolutional_mixtures.mixture_layer import MixtureLayer
from workflow_src.train.layerwise_ascent.ascent import move_classifier, move_layer

LAYER = MixtureLayer(1, Shape(1, 1, 3), Mixture(4, independent=False))
RATES = {"centroid_rate": 1.0, "precision_rate": 0.1, "weight_rate": 0.2}


def test_every_run_has_a_step_size_and_every_kind_of_parameter_a_factor() -> None:
    shapes = LAYER.parameter_shapes()
    parameters = {name: torch.full((2, *shape), 2.0) for name, shape in shapes.items()}
    gradients = {name: torch.full((2, *shape), 3.0) for name, shape in shapes.items()}
    move_layer(parameters, LAYER, gradients, torch.tensor([0.01, 0.02]), RATES)
    for name, factor in (
        (LAYER.centroids, 1.0),
        (LAYER.precision_roots, 0.1),
        (LAYER.weight_logits, 0.2),
    ):
        for run, rate in enumerate((0.01, 0.02)):
            torch.testing.assert_close(
                parameters[name][run], torch.full(shapes[name], 2 + 3 * rate * factor)
            )


@pytest.mark.parametrize(("gradient", "found"), [(-1e6, 1e-3), (1e6, math.sqrt(20))])
def test_precisions_stay_in_bounds(gradient: float, found: float) -> None:
    shapes = LAYER.parameter_shapes()
    parameters = {name: torch.full((1, *shape), 2.0) for name, shape in shapes.items()}
    gradients = {name: torch.full((1, *shape), gradient) for name, shape in shapes.items()}
    move_layer(parameters, LAYER, gradients, torch.tensor([1.0]), RATES)
    roots = parameters[LAYER.precision_roots]
    assert torch.equal(roots, torch.full_like(roots, found))
    assert (parameters[LAYER.centroids] != found).all()


def test_a_classifiers_step_is_that_of_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    bias = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    inputs = torch.rand(2, 7, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (2, 7), generator=generator)
    leaves = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
    entropies = [
        functional.cross_entropy(inputs[run] @ leaves[0][run] + leaves[1][run], labels[run])
        for run in range(2)
    ]
    torch.stack(entropies).sum().backward()
    parameters = {"classifier.weight": weight.clone(), "classifier.bias": bias.clone()}
    found = move_classifier(parameters, inputs, labels, 0.3)
    torch.testing.assert_close(found, torch.stack(entropies).detach())
    for leaf, value in zip(leaves, parameters.values(), strict=True):
        assert leaf.grad is not None
        torch.testing.assert_close(value, leaf.detach() - 0.3 * leaf.grad)
