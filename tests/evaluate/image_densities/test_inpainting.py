"""Hidden pixels are filled in by what the mixture says of them given the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from support.image_densities import subject

from workflow_src.evaluate.image_densities.inpainting import inpainting, side_by_side
from workflow_src.evaluate.image_densities.subject import Subject
from workflow_src.evaluate.masks import observed_pixels
from workflow_src.models.image_densities import Inpaints
from workflow_src.models.images import ImageFacts

MASKS = ["left", "right", "top", "bottom", "center", "random_pixels"]
COLOUR = ImageFacts(4, 5, "gaussian", 16, channels=3)
COUNTS = ImageFacts(4, 3, "binomial", 16)


def log_terms(one: Subject, pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    mean, deviation = (one.parameters[name].double().numpy() for name in ("mean", "deviation"))
    terms = norm.logpdf(pixels[:, None], mean, deviation)[..., seen].sum(-1)
    return np.asarray(terms + np.log([0.3, 0.7]))


def laid_out(one: Subject, pixels: np.ndarray) -> np.ndarray:
    """[n, D] as images, channels last, by NumPy."""
    facts = one.facts
    images = pixels.reshape(-1, facts.channels, facts.height, facts.width)
    return images[:, 0] if facts.channels == 1 else images.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("facts", [None, COLOUR, COUNTS], ids=["gray", "colour", "counts"])
def test_expectations_densities_and_errors_have_closed_forms(facts: ImageFacts | None) -> None:
    one = subject(facts)
    rows, kept = inpainting(one, MASKS)
    size, images = one.full_range, one.test[:64].double().numpy()
    errors, densities, of_zeros, of_mean = (list[np.ndarray]() for _ in range(4))
    for place, name in enumerate(MASKS):
        observed = observed_pixels(name, one.facts.height, one.facts.width, one.spec["data_set"])
        np.testing.assert_array_equal(kept["observed"][place], observed)
        seen = np.tile(observed.reshape(-1), one.facts.channels)
        whole, part = log_terms(one, images, seen | True), log_terms(one, images, seen)
        filled = []
        for terms in (part, log_terms(one, np.where(seen, images, 0), seen | True)):
            shares = np.exp(terms - logsumexp(terms, axis=1, keepdims=True))
            expected = shares @ one.parameters["mean"].double().numpy()
            filled.append(np.where(seen, images, expected) / size)
        for name_of, image in zip(("expected", "zeroed_expected"), filled, strict=True):
            np.testing.assert_allclose(
                kept[name_of][place], laid_out(one, image[:8]), atol=1e-4, rtol=1e-4
            )
        filled.append(np.where(seen, images / size, 0.45))
        for found, image in zip((errors, of_zeros, of_mean), filled, strict=True):
            off = (image - images / size)[:, ~seen]
            found.append(np.sqrt((off**2).mean(axis=1)))
        difference = logsumexp(whole, axis=1) - logsumexp(part, axis=1)
        densities.append(difference / (~seen).sum())
    told = {row["metric"]: row for row in rows}
    for metric, name, values in (
        ("inpainting_error", "error", errors),
        ("zeroed_inpainting_error", "zeroed_error", of_zeros),
        ("mean_image_inpainting_error", "mean_image_error", of_mean),
        ("inpainting_log_density", "log_density", densities),
    ):
        np.testing.assert_allclose(kept[name], values, rtol=2e-3, atol=1e-5)
        of_images = np.mean(values, axis=0)
        assert told[metric]["value"] == pytest.approx(of_images.mean(), rel=1e-3)
        error = of_images.std(ddof=1) / 8
        assert told[metric]["standard_error"] == pytest.approx(error, rel=1e-2)


@pytest.mark.parametrize("facts", [None, COLOUR, COUNTS], ids=["gray", "colour", "counts"])
def test_observed_pixels_are_the_images_own_bit_for_bit(facts: ImageFacts | None) -> None:
    one = subject(facts)
    _, kept = inpainting(one, MASKS)
    images = kept["images"]
    np.testing.assert_array_equal(
        images, laid_out(one, (one.test[:8] / one.full_range).numpy()).astype(np.float32)
    )
    for place, observed in enumerate(kept["observed"]):
        for draw in range(4):
            drawn = kept["completions"][place, :, draw]
            np.testing.assert_array_equal(drawn[:, observed], images[:, observed])
            assert (drawn[:, ~observed] != images[:, ~observed]).mean() > 0.4
        for name in ("expected", "zeroed_expected"):
            np.testing.assert_array_equal(kept[name][place][:, observed], images[:, observed])


def test_draws_are_of_the_density_given_what_is_seen() -> None:
    one = subject(count=8)
    known = one.test[:1].repeat(4000, 1)
    hidden = torch.tensor(~observed_pixels("right", 4, 3, one.spec["data_set"]).reshape(-1))
    model = one.model
    assert isinstance(model, Inpaints)
    drawn = model.inpaint(one.parameters, known, hidden, one.stream("test"))
    expected = model.expected(one.parameters, known[:1], hidden)[0, hidden]
    # Pixels are cut to [0, 1], which moves their mean by less than this.
    np.testing.assert_allclose(drawn[:, hidden].mean(0), expected, atol=0.03)


def test_masks_do_not_share_random_numbers() -> None:
    both = inpainting(subject(), ["left", "top"])[1]
    alone = inpainting(subject(), ["top"])[1]
    for name in set(alone) - {"masks", "images"}:
        np.testing.assert_array_equal(both[name][1], alone[name][0])


@pytest.mark.parametrize("facts", [None, COLOUR, COUNTS], ids=["gray", "colour", "counts"])
def test_side_by_side_shows_the_right_half_hidden_and_filled_in(facts: ImageFacts | None) -> None:
    one = subject(facts)
    kept = side_by_side(one, 6)
    observed = kept["observed"]
    half = (one.facts.width + 1) // 2
    assert not observed[:, -half:].any()
    assert observed[:, :-half].all()
    assert (kept["hidden"][:, ~observed] == 0).all()
    for name in ("hidden", "filled", "expected", "zeroed_filled"):
        assert kept[name].shape == kept["originals"].shape
        np.testing.assert_array_equal(kept[name][:, observed], kept["originals"][:, observed])
    assert not np.array_equal(kept["filled"], kept["zeroed_filled"])


def test_a_model_that_fills_nothing_in_is_told() -> None:
    class Nothing:
        pass

    one = subject()
    object.__setattr__(one, "model", Nothing())
    with pytest.raises(ValueError, match="the model dcgmm fills no pixels in"):
        inpainting(one, ["left"])
