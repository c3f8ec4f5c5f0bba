"""Pictures are shares of the full range, laid out as images, and drawn by named streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.image_densities import subject

from workflow_src.evaluate.image_densities.pictures import (
    VARIANTS,
    centroids,
    drawn,
    samples,
    sharpened_samples,
    variants,
)
from workflow_src.models.images import ImageFacts

COLOUR = ImageFacts(3, 4, "gaussian", 16, channels=3)
COUNTS = ImageFacts(4, 3, "binomial", 16)
SIDES = {None: (4, 3), COLOUR: (3, 4, 3), COUNTS: (4, 3)}


@pytest.mark.parametrize("facts", list(SIDES), ids=["gray", "colour", "counts"])
def test_samples_are_the_models_draws(facts: ImageFacts | None) -> None:
    one = subject(facts)
    images = samples(one, 130)["images"]
    assert images.shape == (130, *SIDES[facts])
    assert images.dtype == np.float32
    assert ((images >= 0) & (images <= 1)).all()
    assert len(np.unique(images.reshape(130, -1), axis=0)) == 130
    if facts is COUNTS:
        np.testing.assert_allclose(images * 16, np.rint(images * 16), atol=1e-5)


@pytest.mark.parametrize("facts", list(SIDES), ids=["gray", "colour", "counts"])
def test_means_of_samples_are_those_of_the_components_that_made_them(
    facts: ImageFacts | None,
) -> None:
    one = subject(facts, scale=0.0)
    kept = samples(one, 130)
    assert kept["means"].shape == (130, *SIDES[facts])
    assert len(np.unique(kept["means"].reshape(130, -1), axis=0)) == 2
    # With deviations of 0 draws are the means, but for counts, which are rounded.
    tolerance = 0.5 / 16 if facts is COUNTS else 0.0
    assert np.abs(kept["means"] - kept["images"]).max() <= tolerance + 1e-6


def test_what_is_sharpened_cannot_be_without_noise() -> None:
    with pytest.raises(ValueError, match="drawn with noise"):
        drawn(subject(), 3, "test", sharpened=True, noise=False)


def test_fewer_draws_are_the_first_of_more_where_blocks_are_whole() -> None:
    one = subject()
    torch.testing.assert_close(drawn(one, 300, "test")[:200], drawn(one, 200, "test"))
    assert not torch.equal(drawn(one, 100, "test"), drawn(one, 100, "another"))


def test_labels_have_draws_of_their_own() -> None:
    one = subject()
    first, second = (drawn(one, 400, "test", label=label).mean(0) for label in (0, 1))
    torch.testing.assert_close(first, one.parameters["mean"][0], atol=0.06, rtol=0)
    torch.testing.assert_close(second, one.parameters["mean"][1], atol=0.06, rtol=0)


def test_sharpened_samples_differ_from_the_plain_by_sharpening_alone() -> None:
    one = subject()
    kept = sharpened_samples(one, 120)
    np.testing.assert_array_equal(kept["plain"], samples(one, 120)["images"])
    expected = np.clip((kept["plain"] - 0.5) * 1.5 + 0.5, 0, 1)
    np.testing.assert_allclose(kept["sharpened"], expected, atol=1e-6)


def test_what_cannot_be_sharpened_is_told() -> None:
    with pytest.raises(ValueError, match="the model dcgmm has nothing to sharpen"):
        drawn(subject(has_sharpening=False), 3, "test", sharpened=True)


@pytest.mark.parametrize("facts", list(SIDES), ids=["gray", "colour", "counts"])
def test_variants_are_of_the_first_images(facts: ImageFacts | None) -> None:
    one = subject(facts)
    kept = variants(one, 30)
    assert kept["originals"].shape == (30, *SIDES[facts])
    assert kept["variants"].shape == (30, VARIANTS, *SIDES[facts])
    np.testing.assert_array_equal(kept["originals"], one.pictures(one.test[:30]))
    off = kept["variants"].mean(axis=1) - kept["originals"]
    assert np.abs(off).mean() < 0.06


def test_centroids_are_patches_with_channels_last() -> None:
    for facts, sides in SIDES.items():
        one = subject(facts)
        kept = centroids(one)["images"]
        assert kept.shape == (2, *sides)
        mean = one.parameters["mean"].numpy() / one.full_range
        if facts is COLOUR:
            np.testing.assert_allclose(kept[1, 2, 3], mean[1].reshape(3, 3, 4)[:, 2, 3])
        else:
            np.testing.assert_allclose(kept.reshape(2, -1), mean)
