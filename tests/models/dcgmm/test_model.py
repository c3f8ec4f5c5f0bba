"""The DCGMM as a density: scores and likelihoods against scikit-learn, SciPy and torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from support.small_mixtures import DEEP, model, pixels_of, trained

from workflow_src.models import image_densities


def mixture_of(parameters: dict[str, torch.Tensor], order: np.ndarray) -> GaussianMixture:
    """Scikit-learn's mixture with the only layer's parameters; ``order`` of pixels in a patch."""
    means, roots = (
        parameters[f"layer_1.{name}"][0].numpy() for name in ("centroids", "precision_roots")
    )
    found = GaussianMixture(len(means), covariance_type="diag")
    found.weights_ = parameters["layer_1.weight_logits"][0].softmax(dim=0).numpy()
    found.means_, found.precisions_cholesky_ = np.empty_like(means), np.empty_like(roots)
    found.means_[:, order], found.precisions_cholesky_[:, order] = means, roots
    found.covariances_ = found.precisions_cholesky_**-2
    return found


def patch_order(side: int, channels: int) -> np.ndarray:
    """Which pixel (channel, row, column) each number of a patch (row, column, channel) is."""
    numbers = np.arange(side * side * channels).reshape(channels, side, side)
    return numbers.transpose(1, 2, 0).ravel()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["F(4,1)-G(9)", "F(4,1)-G(9,independent)"])
def test_a_single_layer_is_scikit_learns_mixture(layout: str, channels: int) -> None:
    one = model(channels=channels, layout=layout)
    parameters, pixels = trained(one), pixels_of(one, 130)
    oracle = mixture_of(parameters, patch_order(4, channels))
    assert one.is_normalised
    expected = oracle.score_samples(pixels.numpy())
    np.testing.assert_allclose(one.log_likelihood(parameters, pixels), expected, rtol=1e-10)
    best = oracle._estimate_weighted_log_prob(pixels.numpy()).max(axis=1)
    np.testing.assert_allclose(one.log_densities(parameters, pixels)[0], best, rtol=1e-10)


def test_a_mixture_of_one_component_is_a_normal_density() -> None:
    one = model(layout="F(4,1)-G(1)")
    parameters, pixels = trained(one), pixels_of(one)
    normal = torch.distributions.Normal(
        parameters["layer_1.centroids"][0, 0], 1 / parameters["layer_1.precision_roots"][0, 0]
    )
    expected = normal.log_prob(pixels).sum(dim=1)
    torch.testing.assert_close(one.log_likelihood(parameters, pixels), expected)
    torch.testing.assert_close(one.log_densities(parameters, pixels)[0], expected)


def test_the_loss_is_below_the_likelihood_by_at_most_the_log_of_the_components() -> None:
    one = model()
    parameters, pixels = trained(one), pixels_of(one)
    gap = one.log_likelihood(parameters, pixels) - one.log_densities(parameters, pixels)[0]
    assert (gap >= 0).all()
    assert (gap <= math.log(9)).all()


def test_every_layers_score_is_the_mean_over_positions_of_its_best_component() -> None:
    one = model(6, layout=DEEP)
    parameters, pixels = trained(one), pixels_of(one, 5)
    found = one.log_densities(parameters, pixels)
    assert found.shape == (2, 5)
    assert one.layer_names == ("layer_1", "layer_2")
    responsibilities = np.empty((5, 4, 4, 4))
    for image, planes in enumerate(pixels.view(5, 6, 6).numpy()):
        scores = np.array(
            [[component_scores(parameters, 1, planes[r : r + 3, c : c + 3].ravel())
              for c in range(4)] for r in range(4)]
        )  # fmt: skip
        assert float(found[0, image]) == pytest.approx(scores.max(axis=2).mean(), rel=1e-11)
        responsibilities[image] = np.exp(scores - logsumexp(scores, axis=2, keepdims=True))
    for image, planes in enumerate(responsibilities):
        pooled = planes.reshape(2, 2, 2, 2, 4).max(axis=(1, 3)).ravel()
        best = component_scores(parameters, 2, pooled).max()
        assert float(found[1, image]) == pytest.approx(best, rel=1e-11)


def component_scores(
    parameters: dict[str, torch.Tensor], layer: int, point: np.ndarray
) -> np.ndarray:
    """log w_k + log N(point; mu_k, diag d_k^-2) of all k, by SciPy."""
    means, roots, logits = (
        parameters[f"layer_{layer}.{name}"][0].numpy()
        for name in ("centroids", "precision_roots", "weight_logits")
    )
    densities = [
        multivariate_normal.logpdf(point, mean, np.diag(root**-2.0))
        for mean, root in zip(means, roots, strict=True)
    ]
    return np.array(densities) + logits - logsumexp(logits)


def test_the_conditional_density_is_that_of_the_mixture_with_responsibilities_as_weights() -> None:
    one = model()
    parameters, pixels = trained(one), pixels_of(one, 8)
    hidden = torch.zeros(16, dtype=torch.bool)
    hidden[[2, 3, 6, 7, 15]] = True
    found = one.conditional_log_density(parameters, pixels, hidden)
    expected = one.expected(parameters, pixels, hidden)
    means, roots, logits = (
        parameters[f"layer_1.{name}"][0].numpy()
        for name in ("centroids", "precision_roots", "weight_logits")
    )
    seen = ~hidden.numpy()
    for image, point in enumerate(pixels.numpy()):
        visible, missing = (
            np.array(
                [
                    multivariate_normal.logpdf(point[part], m[part], np.diag(r[part] ** -2.0))
                    for m, r in zip(means, roots, strict=True)
                ]
            )
            for part in (seen, ~seen)
        )
        weights = visible + logits
        weights -= logsumexp(weights)
        assert float(found[image]) == pytest.approx(logsumexp(weights + missing), rel=1e-10)
        mean = np.exp(weights) @ means
        np.testing.assert_allclose(expected[image, hidden], mean[hidden.numpy()], rtol=1e-10)
        assert torch.equal(expected[image, ~hidden], pixels[image, ~hidden])


def test_hiding_everything_or_nothing_gives_the_density_or_certainty() -> None:
    one = model()
    parameters, pixels = trained(one), pixels_of(one)
    everything, nothing = torch.ones(16, dtype=torch.bool), torch.zeros(16, dtype=torch.bool)
    torch.testing.assert_close(
        one.conditional_log_density(parameters, pixels, everything),
        one.log_likelihood(parameters, pixels),
    )
    assert not one.conditional_log_density(parameters, pixels, nothing).any()


@pytest.mark.parametrize(
    ("layout", "side", "expected"),
    [
        ("F(8,1)-G(25)", 8, True),
        ("F(4,4)-F(2,1)-G(25)", 8, True),
        ("F(3,1)-F(6,1)-G(25)", 8, False),
        ("P(2,2)-F(4,1)-G(25)", 8, False),
        ("F(3,1)-G(25)-F(6,1)-G(25)", 8, False),
    ],
)
def test_it_is_normalised_where_one_layer_sees_every_pixel_once(
    layout: str, side: int, *, expected: bool
) -> None:
    one = model(side, layout=layout)
    assert one.is_normalised is expected
    if not expected:
        parameters, pixels = trained(one), pixels_of(one, 2)
        with pytest.raises(ValueError, match="log_likelihood takes a density of whole images"):
            one.log_likelihood(parameters, pixels)
        with pytest.raises(ValueError, match="conditional_log_density takes a density"):
            one.conditional_log_density(parameters, pixels, torch.ones(64, dtype=torch.bool))


def test_scores_do_not_depend_on_how_many_images_come_together() -> None:
    one = model(6, layout=DEEP)
    parameters, pixels = trained(one), pixels_of(one, 205)
    together = one.log_densities(parameters, pixels)
    torch.testing.assert_close(together[:, 203:], one.log_densities(parameters, pixels[203:]))


def test_it_has_every_ability_that_it_declares() -> None:
    one = model()
    for name in (
        "ImageDensity", "Normalised", "Inpaints", "InpaintsZeroed", "Sharpens", "Varies",
        "Classifies", "HasCentroids",
    ):  # fmt: skip
        assert isinstance(one, getattr(image_densities, name)), name


def test_parameters_are_counted_as_they_are() -> None:
    one = model(6, layout=DEEP, classifier="two_highest")
    count = 4 * (2 * 9 + 1) + 9 * (2 * 16 + 1) + (4 * 4 * 4 + 9) * 10 + 10
    assert one.parameter_count() == count
    start = one.initial_parameters(torch.Generator().manual_seed(0))
    assert sum(value.numel() for value in start.values()) == count
    assert {n: tuple(v.shape) for n, v in start.items()} == one.parameter_shapes()


def test_a_layout_that_does_not_suit_the_images_is_refused_with_its_sizes() -> None:
    with pytest.raises(ValueError, match="1 x 1"):
        model(32, layout="F(8,2)-G(49)-F(11,1)-G(49)")


@pytest.mark.parametrize("channels", [1, 3])
def test_centroids_are_patches(channels: int) -> None:
    one = model(6, channels, layout="F(3,1)-G(4,independent)-F(4,1)-G(9)")
    parameters = trained(one)
    found = one.centroids(parameters)
    assert found.shape == (16 * 4, 3, 3, channels)
    values = parameters["layer_1.centroids"]
    place = (1 * 3 + 2) * channels + channels - 1
    assert found[4 * 5 + 2, 1, 2, channels - 1] == values[5, 2, place]


def test_centroids_above_a_pooling_are_no_patches() -> None:
    one = model(8, layout="P(2,2)-F(4,1)-G(9)")
    with pytest.raises(ValueError, match=r"P\(2,2\)-F\(4,1\)-G\(9\) are no patches of images"):
        one.centroids(trained(one))


def test_classes_have_log_probabilities() -> None:
    one = model(6, layout=DEEP, classifier="highest")
    parameters, pixels = trained(one), pixels_of(one, 120)
    found = one.class_log_probabilities(parameters, pixels)
    assert found.shape == (120, 10)
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(120, dtype=torch.float64))
    parameters["classifier.weight"].zero_()
    parameters["classifier.bias"] = torch.arange(10, dtype=torch.float64)
    expected = torch.arange(10, dtype=torch.float64).log_softmax(dim=0).expand(120, -1)
    torch.testing.assert_close(one.class_log_probabilities(parameters, pixels), expected)


def test_without_a_classifier_there_are_no_classes() -> None:
    one = model()
    assert not one.has_classifier
    with pytest.raises(ValueError, match="class_log_probabilities takes a classifier"):
        one.class_log_probabilities(trained(one), pixels_of(one))
