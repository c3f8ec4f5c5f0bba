"""What every density of images keeps to, whatever model it is, on images hard on arithmetic."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch

from workflow_src.config.models import model_declarations
from workflow_src.models.building import build_model
from workflow_src.models.image_densities import (
    Classifies,
    HasCentroids,
    ImageDensity,
    Inpaints,
    InpaintsZeroed,
    Normalised,
    Sharpens,
    Varies,
)

SIDE, LEVELS = 8, 255

DECLARED = {
    name: one for name, one in model_declarations().items() if one.evaluation == "image_densities"
}

CASES = [(name, one) for name in DECLARED for one in DECLARED[name].likelihoods]


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images_of(likelihood: str) -> torch.Tensor:
    """[N, D] in the data's units: black, white, gray, checks, edges, noise."""
    pixels = SIDE * SIDE
    numbers = torch.arange(pixels)
    found = torch.stack(
        [
            torch.zeros(pixels),
            torch.ones(pixels),
            torch.full((pixels,), 128 / LEVELS),
            ((numbers // SIDE + numbers) % 2).float(),
            (numbers // SIDE < SIDE // 2).float(),
            torch.rand(pixels, generator=stream(9)),
        ]
    )
    return found if likelihood == "gaussian" else (found * LEVELS).round()


def built(name: str, likelihood: str) -> tuple[Any, dict[str, torch.Tensor]]:
    """The model and parameters to start from, which some models take from images."""
    defaults = {key: h.default for key, h in DECLARED[name].hyperparameters.items()}
    spec = {"model": name, "likelihood": likelihood, **defaults, **DECLARED[name].small}
    model = build_model(spec, (SIDE, SIDE), LEVELS)
    takes = len(inspect.signature(model.initial_parameters).parameters)
    images = [images_of(likelihood)] if takes == 2 else []
    return model, model.initial_parameters(stream(1), *images)


@pytest.mark.parametrize("name", DECLARED)
def test_a_small_instance_leaves_nothing_open(name: str) -> None:
    own = DECLARED[name]
    assert {key for key, h in own.hyperparameters.items() if not h.has_default} <= set(own.small)


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_parameters_are_those_that_are_declared(name: str, likelihood: str) -> None:
    model, parameters = built(name, likelihood)
    assert isinstance(model, ImageDensity)
    assert {n: tuple(v.shape) for n, v in parameters.items()} == model.parameter_shapes()
    for parameter, value in parameters.items():
        assert torch.isfinite(value).all(), parameter


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_scores_are_finite_and_of_each_image_alone(name: str, likelihood: str) -> None:
    model, parameters = built(name, likelihood)
    images = images_of(likelihood)
    found = model.log_densities(parameters, images)
    assert found.shape == (len(model.layer_names), len(images))
    assert torch.isfinite(found).all()
    assert not found.requires_grad
    torch.testing.assert_close(
        model.log_densities(parameters, images[3:5]), found[:, 3:5], rtol=1e-5, atol=1e-3
    )
    if isinstance(model, Normalised) and model.is_normalised:
        likelihoods = model.log_likelihood(parameters, images)
        torch.testing.assert_close(likelihoods.double(), found[-1].double())


def assert_are_images(pixels: torch.Tensor, likelihood: str, *shape: int) -> None:
    assert pixels.shape == shape
    assert torch.isfinite(pixels).all()
    if likelihood == "binomial":
        assert pixels.min() >= 0
        assert pixels.max() <= LEVELS
        assert torch.equal(pixels, pixels.round())


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_draws_are_images_and_follow_the_generator(name: str, likelihood: str) -> None:
    model, parameters = built(name, likelihood)
    drawn = model.draw(parameters, 120, stream(2))
    assert_are_images(drawn, likelihood, 120, SIDE * SIDE)
    assert torch.equal(model.draw(parameters, 120, stream(2)), drawn)
    assert not torch.equal(model.draw(parameters, 120, stream(3)), drawn)
    with pytest.raises(ValueError, match="class"):
        model.draw(parameters, 1, stream(), label=3)


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_without_noise_pixels_are_means_that_the_same_generator_chooses(
    name: str, likelihood: str
) -> None:
    model, parameters = built(name, likelihood)
    means = model.draw(parameters, 300, stream(2), noise=False)
    assert means.shape == (300, SIDE * SIDE)
    assert torch.equal(model.draw(parameters, 300, stream(2), noise=False), means)
    drawn = model.draw(parameters, 300, stream(2))
    # Precisions of a DCGMM start at their bound, where it has no noise.
    assert torch.equal(drawn, means) == (name == "dcgmm")
    off = (drawn - means).double().square().mean()
    other = (drawn - means.roll(1, dims=0)).double().square().mean()
    assert off < other


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_filling_in_leaves_the_evidence_and_ignores_what_is_hidden(
    name: str, likelihood: str
) -> None:
    model, parameters = built(name, likelihood)
    assert isinstance(model, Inpaints)
    images = images_of(likelihood)
    hidden = torch.arange(SIDE * SIDE) % SIDE >= SIDE // 2
    other = torch.where(hidden, images.flip(0), images)
    for zeroed in (False, True):
        filled = model.inpaint(parameters, images, hidden, stream(4), zeroed=zeroed)
        assert torch.equal(filled[:, ~hidden].to(images), images[:, ~hidden])
        assert_are_images(filled, likelihood, *images.shape)
        again = model.inpaint(parameters, other, hidden, stream(4), zeroed=zeroed)
        assert torch.equal(again, filled)
    ways = [model.expected, *([model.expected_zeroed] if isinstance(model, InpaintsZeroed) else [])]
    for way in ways:
        means = way(parameters, images, hidden)
        assert torch.equal(means[:, ~hidden].to(images), images[:, ~hidden])
        assert torch.isfinite(means).all()
        assert torch.equal(way(parameters, other, hidden), means)


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_the_conditional_density_of_everything_is_the_density(name: str, likelihood: str) -> None:
    model, parameters = built(name, likelihood)
    images = images_of(likelihood)
    everything = torch.ones(SIDE * SIDE, dtype=torch.bool)
    if not model.is_normalised:
        with pytest.raises(ValueError, match="density of whole images"):
            model.conditional_log_density(parameters, images, everything)
        return
    expected = model.log_likelihood(parameters, images)
    found = model.conditional_log_density(parameters, images, everything)
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=1e-3)
    nothing = model.conditional_log_density(parameters, images, ~everything)
    assert nothing.abs().max() < 1e-2


@pytest.mark.parametrize(("name", "likelihood"), CASES)
def test_abilities_that_some_have_keep_to_their_shapes(name: str, likelihood: str) -> None:
    model, parameters = built(name, likelihood)
    images = images_of(likelihood)
    if isinstance(model, Sharpens) and model.has_sharpening:
        drawn = model.draw_sharpened(parameters, 7, stream())
        assert_are_images(drawn, likelihood, 7, SIDE * SIDE)
    if isinstance(model, Varies):
        found = model.variants(parameters, images, 3, stream())
        assert_are_images(found, likelihood, len(images), 3, SIDE * SIDE)
    if isinstance(model, HasCentroids):
        assert model.centroids(parameters).shape[1:] == (3, 3, 1)
    if isinstance(model, Classifies) and not model.has_classifier:
        with pytest.raises(ValueError, match="classifier"):
            model.class_log_probabilities(parameters, images)


def test_the_expectation_of_what_is_drawn_is_what_is_expected() -> None:
    """Of circuits, whose draws are exact: those given the visible pixels, on average."""
    hidden = torch.arange(SIDE * SIDE) % SIDE >= SIDE // 2
    images = images_of("binomial")[5:]
    for name in ("rat_spn", "pd_spn"):
        model, parameters = built(name, "binomial")
        expected = model.expected(parameters, images, hidden)[0, hidden].double()
        drawn = model.inpaint(parameters, images.expand(2_000, -1), hidden, stream())[:, hidden]
        error = drawn.double().std(dim=0) / math.sqrt(2_000)
        assert ((drawn.double().mean(dim=0) - expected).abs() < 5 * error + 1e-6).all(), name
