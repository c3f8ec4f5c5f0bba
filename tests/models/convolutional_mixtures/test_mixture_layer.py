"""One layer against torch.distributions, scikit-learn, autograd, and itself in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from support.plain_mixtures import plain_objectives
from torch import Tensor

from workflow_src.layouts import Mixture, Shape
from workflow_src.models.convolutional_mixtures.annealing import neighbourhood
from workflow_src.models.convolutional_mixtures.mixture_layer import MAXIMUM_ROOT, MixtureLayer
from workflow_src.models.convolutional_mixtures.patches import patches


def layer(components: int, before: Shape, *, independent: bool = False) -> MixtureLayer:
    return MixtureLayer(1, before, Mixture(components, independent))


def parameters(
    one: MixtureLayer, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Of one run, with its run axis: all of them somewhere inside their bounds."""
    generator = torch.Generator().manual_seed(seed)
    shapes = one.parameter_shapes()
    return {
        one.centroids: torch.randn(1, *shapes[one.centroids], generator=generator).to(dtype),
        one.precision_roots: 0.2
        + 3 * torch.rand(1, *shapes[one.precision_roots], generator=generator).to(dtype),
        one.weight_logits: torch.randn(1, *shapes[one.weight_logits], generator=generator).to(
            dtype
        ),
    }


def values(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_one_component_is_a_normal_distribution() -> None:
    one = layer(1, Shape(2, 2, 5))
    own, inputs = parameters(one), values(1, 3, 2, 2, 5)
    normal = torch.distributions.Normal(
        own[one.centroids][0, 0, 0], 1 / own[one.precision_roots][0, 0, 0]
    )
    expected = normal.log_prob(inputs).sum(dim=-1, keepdim=True)
    torch.testing.assert_close(one.log_scores(own, inputs), expected)


def test_all_components_are_scikit_learns_mixture() -> None:
    one = layer(4, Shape(1, 1, 6))
    own, inputs = parameters(one), values(1, 20, 1, 1, 6)
    mixture = GaussianMixture(4, covariance_type="diag")
    mixture.weights_ = own[one.weight_logits][0, 0].softmax(dim=0).numpy()
    mixture.means_ = own[one.centroids][0, 0].numpy()
    mixture.precisions_cholesky_ = own[one.precision_roots][0, 0].numpy()
    mixture.covariances_ = mixture.precisions_cholesky_**-2.0
    scores = one.log_scores(own, inputs)
    found = scores.logsumexp(dim=-1).flatten().numpy()
    points = inputs.reshape(20, 6).numpy()
    np.testing.assert_allclose(found, mixture.score_samples(points), rtol=1e-12)
    np.testing.assert_allclose(
        scores.softmax(dim=-1).reshape(20, 4).numpy(), mixture.predict_proba(points), rtol=1e-9
    )


def test_a_layer_starts_where_the_authors_do() -> None:
    one = layer(9, Shape(4, 4, 7), independent=True)
    own = one.initial_parameters(torch.Generator().manual_seed(3))
    assert {name: tuple(value.shape) for name, value in own.items()} == one.parameter_shapes()
    assert own[one.centroids].shape == (16, 9, 7)
    assert own[one.centroids].abs().max() <= 0.1
    assert own[one.centroids].std() == pytest.approx(0.2 / math.sqrt(12), rel=0.1)
    assert torch.equal(own[one.precision_roots], torch.full((16, 9, 7), math.sqrt(20)))
    assert torch.equal(own[one.weight_logits], torch.zeros(16, 9))
    assert math.sqrt(20) == MAXIMUM_ROOT
    again = one.initial_parameters(torch.Generator().manual_seed(3))
    assert torch.equal(own[one.centroids], again[one.centroids])


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("sigma", [0.01, 0.8])
def test_gradients_are_those_of_autograd(independent: bool, sigma: float) -> None:
    one = layer(9, Shape(3, 2, 4), independent=independent)
    own, inputs = parameters(one), values(1, 5, 3, 2, 4)
    near = neighbourhood(9, sigma)
    notation = "G(9,independent)" if independent else "G(9)"
    alone = {name: value[0] for name, value in own.items()}
    _, expected = plain_objectives(notation, alone, inputs[0], [near])

    read = patches(one, inputs, None)
    scores = read.scores(one.natural_parameters(own))
    chosen = (scores @ near.T).argmax(dim=-1)
    sums = read.sums(chosen).smoothed(near.unsqueeze(0))
    samples = 5 if independent else 5 * 6
    for name, gradient in one.gradients(own, sums).items():
        torch.testing.assert_close(gradient[0] / samples, expected[name], rtol=1e-9, atol=1e-12)


def test_independent_positions_are_layers_of_their_own() -> None:
    one = layer(4, Shape(2, 3, 5), independent=True)
    own, inputs = parameters(one), values(1, 4, 2, 3, 5)
    scores = one.log_scores(own, inputs)
    single = layer(4, Shape(1, 1, 5))
    for place in range(6):
        row, column = divmod(place, 3)
        there = {name: value[:, place : place + 1] for name, value in own.items()}
        expected = single.log_scores(there, inputs[:, :, row : row + 1, column : column + 1])
        torch.testing.assert_close(scores[:, :, row, column], expected[:, :, 0, 0])


def test_in_single_precision_thousands_of_dimensions_do_not_cancel() -> None:
    """As large as the top of layout B, whose inputs are responsibilities: 121 sums to 1."""
    one = layer(49, Shape(1, 1, 5929))
    generator = torch.Generator().manual_seed(0)
    sharp = 8 * torch.randn(1, 100, 121, 49, generator=generator, dtype=torch.float64)
    inputs = sharp.softmax(dim=-1).reshape(1, 100, 1, 1, 5929)
    own = parameters(one)
    own[one.centroids] = inputs[:, :49].reshape(1, 1, 49, 5929) + 0.05 * own[one.centroids]
    own[one.precision_roots] = torch.full_like(own[one.precision_roots], MAXIMUM_ROOT)
    single = {name: value.float() for name, value in own.items()}

    exact, near = patches(one, inputs, None), patches(one, inputs.float(), None)
    expected = exact.scores(one.natural_parameters(own))
    scores = near.scores(one.natural_parameters(single))
    # Scores are some thousands of nats, of which single precision resolves some 1e-4.
    assert expected.abs().max() > 1000
    assert (scores - expected).abs().max() < 0.01
    torch.testing.assert_close(scores.softmax(-1).double(), expected.softmax(-1), rtol=0, atol=1e-3)

    chosen = expected.argmax(dim=-1)
    gradients = one.gradients(own, exact.sums(chosen))
    for name, value in one.gradients(single, near.sums(chosen)).items():
        room = 1e-5 * gradients[name].abs().max().item()
        torch.testing.assert_close(value.double(), gradients[name], rtol=1e-4, atol=room)
