"""Filled-in pixels against closed forms: linear decoders, and circuits of leaves without codes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import multivariate_normal, norm
from torch import Tensor

from workflow_src.config.metrics import METRICS
from workflow_src.evaluate.leaf_models.bounds import IMAGES_PER_BLOCK, importance_weighted_bounds
from workflow_src.evaluate.leaf_models.inpainting import (
    COMPLETIONS,
    INPAINTED_IMAGES,
    Inpainting,
    inpaint,
    samples_of,
)
from workflow_src.evaluate.masks import observed_pixels
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_banks import GaussianLatentBank
from workflow_src.models.leaf_models import LeafModel
from workflow_src.models.likelihoods import Gaussian
from workflow_src.models.spvae import drawing as spvae_drawing
from workflow_src.models.spvae import model as spvae
from workflow_src.models.vae import drawing as vae_drawing
from workflow_src.models.whole_images import WholeImageModel

PLENTY = 1 << 30
FACTS = ImageFacts(4, 4, "gaussian", 255)
Values = NDArray[np.float64]


def stream(purpose: object) -> torch.Generator:
    return torch.Generator().manual_seed(sum(map(ord, str(purpose))))


def fill_in(
    model: LeafModel,
    drawing: object,
    parameters: dict[str, Tensor],
    images: Tensor,
    masks: dict[str, NDArray[np.bool_]],
    samples: int,
) -> tuple[Inpainting, NDArray[np.float64]]:
    """What is filled in, and the images' own bounds."""
    bounds = importance_weighted_bounds(model, parameters, images, [samples], stream, PLENTY)
    of_leaves = torch.tensor(bounds.leaf_bounds[0])
    found = inpaint(
        model,
        drawing,  # type: ignore[arg-type]
        parameters,
        images,
        of_leaves,
        masks,
        samples,
        stream,
        PLENTY,
    )
    return found, bounds.bounds[0]


PRECISION_OUTPUT = 20.0
DEVIATION = (1 + PRECISION_OUTPUT**2) ** -0.5


@dataclass(frozen=True)
class LinearBank(GaussianLatentBank):
    """Means 1/2 + W z, so close to 1/2 that no sigmoid bounds them, and one deviation."""

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.pixels, self.latent_dimensions)}

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        shape = (self.members, self.pixels, self.latent_dimensions)
        return {"weight": 0.04 * torch.randn(shape, generator=generator)}

    def encode(self, parameters: dict[str, Tensor], pixels: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """The exact posterior's mean, and deviations that are a little too large."""
        weight = parameters["weight"]
        precision = torch.eye(self.latent_dimensions) + weight.mT @ weight / DEVIATION**2
        covariance = torch.linalg.inv(precision)
        mean = covariance @ weight.mT @ (pixels - 0.5) / DEVIATION**2
        deviation = 1.3 * covariance.diagonal(dim1=1, dim2=2).sqrt()
        return mean, deviation.log().unsqueeze(2).expand_as(mean)

    def decode(self, parameters: dict[str, Tensor], codes: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        mean = torch.logit(0.5 + parameters["weight"] @ codes, eps=1e-6)
        return {"mean": mean, "precision": torch.full_like(mean, PRECISION_OUTPUT)}

    def values_per_sample(self) -> int:
        return 10 * self.pixels


def test_a_linear_decoder_is_a_normal_distribution_with_closed_form_conditionals() -> None:
    model = WholeImageModel(FACTS, LinearBank(1, 16, 2, Gaussian()))
    parameters = model.initial_parameters(torch.Generator().manual_seed(5))
    weight = parameters["weight"][0].double().numpy()
    covariance = weight @ weight.T + DEVIATION**2 * np.eye(16)
    images = multivariate_normal(np.full(16, 0.5), covariance).rvs(6, random_state=1)
    names = ("left", "center", "random_pixels")
    masks = {name: observed_pixels(name, 4, 4, "digits") for name in names}
    found, _ = fill_in(
        model, vae_drawing, parameters, torch.tensor(images, dtype=torch.float32), masks, 8000
    )
    for m, observed in enumerate(masks.values()):
        seen = observed.ravel()
        of_seen, of_both = covariance[np.ix_(seen, seen)], covariance[np.ix_(~seen, seen)]
        mean = 0.5 + (images[:, seen] - 0.5) @ np.linalg.solve(of_seen, of_both.T)
        joint = multivariate_normal(np.full(16, 0.5), covariance).logpdf(images)
        marginal = multivariate_normal(np.full(seen.sum(), 0.5), of_seen).logpdf(images[:, seen])
        # Of two estimates, each with an error of about 1 / sqrt(4000) nats; over missing pixels.
        missing = np.count_nonzero(~seen)
        density = (joint - marginal) / missing
        np.testing.assert_allclose(found.log_density[m], density, atol=0.1 / missing)
        expected = found.expected[m].reshape(6, 16)
        np.testing.assert_array_equal(expected[:, seen], images[:, seen].astype(np.float32))
        # A code's deviation of about 0.3 moves a pixel by 0.01; the error of its mean is far less.
        np.testing.assert_allclose(expected[:, ~seen], mean, atol=0.002)
        error = np.sqrt(((expected - images)[:, ~seen] ** 2).mean(axis=1))
        np.testing.assert_allclose(found.error[m], error, rtol=1e-4)
        conditional = covariance[np.ix_(~seen, ~seen)] - of_both @ np.linalg.solve(
            of_seen, of_both.T
        )
        drawn = found.completions[m].reshape(6, COMPLETIONS, 16)
        np.testing.assert_array_equal(
            drawn[..., seen], np.repeat(images[:, None, seen], COMPLETIONS, 1).astype(np.float32)
        )
        distance = (drawn[..., ~seen] - mean[:, None]) / np.sqrt(np.diag(conditional))
        assert np.abs(distance).max() < 5
        assert distance.std() == pytest.approx(1, abs=0.25)


def codeless_spvae() -> tuple[LeafModel, dict[str, Tensor]]:
    """Tiles of 2 x 2 pixels with two leaves each, whose pixels do not depend on any code."""
    shape = {"latent_dimensions": 1, "hidden_units": 2, "hidden_layers": 1, "split_step": 2}
    structure = {"region_graph": "poon_domingos", "repetitions": 1, "structure_seed": 0}
    components = {"leaf_components": 2, "sum_components": 2}
    model = spvae.build(FACTS, {**shape, **structure, **components})
    generator = torch.Generator().manual_seed(4)
    parameters = model.initial_parameters(generator)
    for name, value in parameters.items():
        if name.startswith(("encoder", "decoder")):
            value.zero_()
        if name == "decoder.mean.1.bias":
            value.normal_(generator=generator)
    return model, parameters


def test_a_circuit_of_exact_leaves_is_conditioned_exactly(
    mixture_of_tiles: Callable[..., float],
) -> None:
    model, parameters = codeless_spvae()
    images = torch.rand(3, 16, generator=torch.Generator().manual_seed(6))
    # Tiles that are whole, partly observed and wholly missing.
    observed = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=np.bool_)
    masks = {"some": observed, "none": np.zeros((4, 4), dtype=np.bool_)}
    found, bounds = fill_in(model, spvae_drawing, parameters, images, masks, 3)
    means = expit(parameters["decoder.mean.1.bias"].double().numpy()[..., 0]).reshape(4, 2, 4)

    def by_tile(image: NDArray[np.generic]) -> Values:
        tiles = image.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)
        return tiles.reshape(4, 4).astype(np.float64)

    for i, image in enumerate(images.numpy()):
        densities = norm(means, 1).logpdf(by_tile(image)[:, None, :])
        whole = mixture_of_tiles(parameters, densities.sum(axis=2))
        assert bounds[i] == pytest.approx(whole, rel=1e-5)
        for m, mask in enumerate(masks.values()):
            seen = by_tile(mask)
            leaf = (densities * seen[:, None, :]).sum(axis=2)
            evidence = mixture_of_tiles(parameters, leaf)
            # Of every choice of one leaf per tile: its weight, times what it says of the pixels.
            expected, total = np.zeros((4, 4)), 0.0
            for leaf_set in itertools.product(range(2), repeat=4):
                only = np.full((4, 2), -np.inf)
                only[range(4), leaf_set] = leaf[range(4), leaf_set]
                share = np.exp(mixture_of_tiles(parameters, only) - evidence)
                expected += share * means[range(4), leaf_set]
                total += share
            assert total == pytest.approx(1)
            missing = np.count_nonzero(~mask)
            assert found.log_density[m, i] == pytest.approx((whole - evidence) / missing, abs=1e-5)
            filled = by_tile(found.expected[m, i])
            wanted = np.where(seen > 0, by_tile(image), expected)
            np.testing.assert_allclose(filled, wanted, atol=1e-5)
    # Where everything is missing, its density is the image's own.
    np.testing.assert_allclose(found.log_density[1] * 16, bounds, rtol=1e-5)


def test_the_circuit_tells_a_missing_part_from_what_it_goes_with() -> None:
    """Images are all dark or all bright, and the right half says which."""
    model, parameters = codeless_spvae()
    dark_and_bright = torch.tensor([-2.5, 2.5]).repeat(4)[:, None, None]
    parameters["decoder.mean.1.bias"] = dark_and_bright.expand(8, 4, 1).contiguous()
    parameters["decoder.precision.1.bias"] = torch.full((8, 4, 1), 50.0)
    for name, value in parameters.items():
        if name.startswith("circuit."):
            parameters[name] = torch.full_like(value, -60.0)
            for s in range(value.shape[1]):
                # Products run over the left part's components slowest: (0, 0) is 0 and (1, 1) is 3.
                parameters[name][:, s, [0, 3] if value.shape[1] == 1 else [3 * s]] = 0.0
    dark, bright = (expit(one) for one in (-2.5, 2.5))
    images = torch.tensor([dark, bright, dark], dtype=torch.float32)[:, None].expand(3, 16)
    masks = {"left": observed_pixels("left", 4, 4, "digits")}
    found, _ = fill_in(model, spvae_drawing, parameters, images, masks, 3)
    np.testing.assert_allclose(found.expected[0].reshape(3, 16), images, atol=1e-5)
    # Within five of the leaves' deviations.
    drawn = found.completions[0].reshape(3, COMPLETIONS, 16)
    np.testing.assert_allclose(drawn, images[:, None].expand(-1, COMPLETIONS, -1), atol=5 / 50)


@pytest.mark.parametrize(
    ("counts", "wanted"), [([5, 50, 500, 5000], 500), ([2], 2), ([1000, 5000], 1000)]
)
def test_as_many_samples_as_are_cheap(counts: list[int], wanted: int) -> None:
    assert samples_of(counts) == wanted


def test_the_metrics_say_how_many_images_they_are_means_over() -> None:
    for name in ("inpainting_log_density", "inpainting_error"):
        assert METRICS[name].title.endswith(f"first {INPAINTED_IMAGES} test images")
    # Random numbers are drawn for one block.
    assert INPAINTED_IMAGES <= IMAGES_PER_BLOCK
