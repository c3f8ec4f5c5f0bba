"""What preparation does to pixels: stretching, counts, and one fixed draw of reflected noise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workflow_src.config.data_sets import data_set
from workflow_src.data.preparation import (
    binarised,
    counts_of,
    normalised,
    perturbed,
    prepare,
    reflected,
    stretched,
)
from workflow_src.data.raw import DataError, Facts, facts_of
from workflow_src.plan import seeds
from workflow_src.plan.fingerprints import data_recipe

images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 12)))


@given(images=images)
def test_stretched_images_run_from_zero_to_one(images: np.ndarray) -> None:
    result = stretched(images)
    for before, after in zip(images, result, strict=True):
        assert after.min() == 0
        assert after.max() == (before.min() != before.max())
        assert np.array_equal(np.argsort(before, kind="stable"), np.argsort(after, kind="stable"))


@given(images=images, levels=st.integers(1, 255))
def test_counts_are_the_exactly_rounded_integers(images: np.ndarray, levels: int) -> None:
    counts = counts_of(images, levels)
    assert counts.dtype == np.uint8
    for before, after in zip(images.tolist(), counts.tolist(), strict=True):
        lowest, extent = min(before), max(max(before) - min(before), 1)
        assert after == [round(Fraction((pixel - lowest) * levels, extent)) for pixel in before]
        assert max(after) <= levels


def test_a_constant_image_becomes_zeros() -> None:
    flat = np.full((1, 9), 77, np.uint8)
    assert not stretched(flat).any()
    assert not counts_of(flat, 255).any()


def test_a_constant_image_keeps_its_small_noise() -> None:
    result, _ = perturbed(np.full((1, 400), 77, np.uint8), np.random.default_rng(0))
    assert 0 <= result.min() < result.max() < 6 / 255


@given(value=st.floats(-1, 2))
def test_reflection_is_a_triangle_wave(value: float) -> None:
    wave = np.arccos(np.cos(np.pi * value)) / np.pi
    assert reflected(np.array([value]))[0] == pytest.approx(wave, abs=1e-7)
    assert 0 <= reflected(np.array([value]))[0] <= 1


def test_noise_has_the_stated_size_inside_and_is_folded_at_the_ends() -> None:
    row = np.repeat(np.array([0, 128, 255], np.uint8), 20_000)
    result, _ = perturbed(row[None], np.random.default_rng(4))
    dark, middle, bright = result.astype(np.float64).reshape(3, 20_000)
    deviation = 1 / 255
    # The relative standard error of a standard deviation from 20,000 draws is 0.5 %.
    assert middle.std() == pytest.approx(deviation, rel=0.025)
    assert middle.mean() == pytest.approx(128 / 255, abs=5 * deviation / np.sqrt(20_000))
    for distance in (dark, 1 - bright):
        assert distance.min() == 0
        assert distance.mean() == pytest.approx(deviation * np.sqrt(2 / np.pi), rel=0.03)


def test_noise_is_one_draw_whatever_the_chunks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 4), dtype=np.uint8)
    pixels[:, 0], pixels[:, 1] = 0, 255
    result, digest = perturbed(pixels, np.random.default_rng(9))
    noise = np.random.default_rng(9).normal(0, 1, pixels.shape) / 255
    assert np.allclose(result[:, 2:], expected(pixels, noise)[:, 2:], atol=1e-6)
    scaled = (1 / 255) * np.random.default_rng(9).standard_normal(pixels.shape)
    assert digest == hashlib.sha256(scaled.astype("<f8").tobytes()).hexdigest()


def test_gaussian_noise_divides_by_the_norm_and_adds_noise_of_a_tenth() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9_000, 25), dtype=np.uint8)
    pixels[3] = 0
    result, digest = normalised(pixels, np.random.default_rng(8))
    noise = np.random.default_rng(8).normal(0, 0.1, pixels.shape)
    norms = np.sqrt((pixels.astype(np.float64) ** 2).sum(1))
    assert np.allclose(result[4] - noise[4], pixels[4] / norms[4], atol=1e-6)
    assert np.allclose(np.linalg.norm((result - noise)[norms > 0], axis=1), 1, atol=1e-6)
    assert np.allclose(result[3], noise[3], atol=1e-6)
    assert digest == hashlib.sha256(noise.astype("<f8").tobytes()).hexdigest()
    assert result.dtype == np.float32


def expected(pixels: np.ndarray, noise: np.ndarray) -> np.ndarray:
    noisy = np.arccos(np.cos(np.pi * (pixels / 255 + noise))) / np.pi
    low, high = noisy.min(1, keepdims=True), noisy.max(1, keepdims=True)
    return (noisy - low) / (high - low)


def test_prepared_digits() -> None:
    from sklearn.datasets import load_digits

    source, labels = load_digits(return_X_y=True)
    facts = facts_of(data_recipe(data_set("digits"), "gaussian"))
    counts, reals = (prepare(facts, name, Path("unused")) for name in ("binomial", "gaussian"))
    for split, size in facts.sizes.items():
        indices = counts[split].indices
        assert np.array_equal(indices, reals[split].indices)
        assert counts[split].images.shape == reals[split].images.shape == (size, 64)
        assert counts[split].images.dtype == np.uint8
        assert reals[split].images.dtype == np.float32
        assert np.array_equal(counts[split].labels, labels[indices])
        low = source[indices].min(1, keepdims=True)
        scaled = (source[indices] - low) / (source[indices].max(1, keepdims=True) - low)
        assert np.array_equal(counts[split].images, np.rint(scaled * 16))
        assert np.abs(reals[split].images - scaled).max() < 7 / 255
        assert (reals[split].images.min(1) == 0).all()
        assert (reals[split].images.max(1) == 1).all()


def test_noise_is_fixed_per_data_set_and_split() -> None:
    facts = facts_of(data_recipe(data_set("digits"), "gaussian"))
    first, second = (prepare(facts, "gaussian", Path("unused")) for _ in range(2))
    digests = [split.noise_sha256 for split in first.values()]
    assert len(set(digests)) == 3
    assert digests == [split.noise_sha256 for split in second.values()]
    assert all(np.array_equal(first[name].images, second[name].images) for name in first)
    generator = np.random.Generator(
        np.random.PCG64(seeds.seed("noise", data_set="digits", split="test"))
    )
    noise = (1 / 255) * generator.standard_normal((250, 64))
    assert digests[2] == hashlib.sha256(noise.tobytes()).hexdigest()


def test_binarised_pixels_are_one_with_exactly_their_share() -> None:
    class AllThresholds:
        """Gives every threshold equally often, as a uniform draw does in the mean."""

        def integers(self, levels: int, size: tuple[int, ...], dtype: type) -> np.ndarray:
            return np.broadcast_to(np.arange(levels, dtype=dtype)[:, None], size)

    for levels in (1, 16, 255):
        grays = np.broadcast_to(np.arange(levels + 1, dtype=np.uint8), (levels, levels + 1))
        ones = binarised(grays, levels, AllThresholds())  # type: ignore[arg-type]
        assert ones.dtype == np.uint8
        assert ones.sum(axis=0).tolist() == list(range(levels + 1))


def test_binarised_pixels_are_drawn_independently() -> None:
    grays = np.full((200, 500), 64, np.uint8)
    ones = binarised(grays, 255, np.random.default_rng(3)).astype(np.float64)
    share = 64 / 255
    # Five standard errors of 100,000 draws, of 500 means of 200, and of lagged products.
    spread = np.sqrt(share * (1 - share))
    assert abs(ones.mean() - share) < 5 * spread / np.sqrt(ones.size)
    assert ones.mean(axis=0).std() == pytest.approx(spread / np.sqrt(200), rel=0.2)
    lagged = (ones[:, 1:] - share) * (ones[:, :-1] - share)
    assert abs(lagged.mean()) < 5 * spread**2 / np.sqrt(lagged.size)


def test_bernoulli_digits_keep_gray_levels_to_train_on_and_are_drawn_once_elsewhere() -> None:
    from sklearn.datasets import load_digits

    source, labels = load_digits(return_X_y=True)
    facts = facts_of(data_recipe(data_set("digits"), "bernoulli"))
    first, second = (prepare(facts, "bernoulli", Path("unused")) for _ in range(2))
    # Not stretched: the levels are the source's.
    assert np.array_equal(first["train"].images, source[first["train"].indices])
    for split in ("validation", "test"):
        images, grays = first[split].images, source[first[split].indices]
        assert images.dtype == np.uint8
        assert set(np.unique(images)) == {0, 1}
        assert np.array_equal(images, second[split].images)
        assert np.array_equal(first[split].labels, labels[first[split].indices])
        # What is certainly 0 or 1 is so, and the others are so with the gray level's share.
        assert not images[grays == 0].any()
        assert images[grays == 16].all()
        share = grays / 16
        deviation = np.sqrt((share * (1 - share)).sum())
        assert abs(images.sum() - share.sum()) < 5 * deviation


def test_splits_and_data_sets_are_binarised_by_draws_of_their_own(
    tmp_path: Path, idx_writer: Callable[..., None]
) -> None:
    for prefix, count in (("train", 12), ("t10k", 6)):
        idx_writer(tmp_path / f"{prefix}-images-idx3-ubyte.gz", np.full((count, 6, 6), 128))
        idx_writer(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.zeros(count))
    sizes = {"train": 6, "validation": 6, "test": 6}
    found = [
        prepare(Facts(name, "idx", (6, 6), 255, sizes), "bernoulli", tmp_path)[split].images
        for name in ("small", "other")
        for split in ("validation", "test")
    ]
    assert len({images.tobytes() for images in found}) == 4


def test_colour_images_stay_what_they_are(
    tmp_path: Path, cifar10_writer: Callable[..., None], torchvision_cifar10: Callable[..., Any]
) -> None:
    cifar10_writer(tmp_path / "cifar-10-python.tar.gz", 4)
    sizes = {"train": 14, "validation": 6, "test": 4}
    facts = Facts("small", "cifar10_colour", (32, 32), 255, sizes, channels=3)
    prepared = prepare(facts, "discretised_logistic", tmp_path)
    test = torchvision_cifar10(tmp_path, train=False)
    assert prepared["test"].images.dtype == np.uint8
    assert np.array_equal(prepared["test"].images, test.data.transpose(0, 3, 1, 2).reshape(4, -1))
    train = torchvision_cifar10(tmp_path, train=True).data.transpose(0, 3, 1, 2).reshape(20, -1)
    for split in ("train", "validation"):
        assert np.array_equal(prepared[split].images, train[prepared[split].indices])


def test_constant_images_are_counted(
    tmp_path: Path, idx_set_writer: Callable[..., None], idx_writer: Callable[..., None]
) -> None:
    idx_set_writer(tmp_path, 12, 5)
    pixels = np.arange(5 * 36).reshape(5, 6, 6) % 251
    pixels[3] = 9
    idx_writer(tmp_path / "t10k-images-idx3-ubyte.gz", pixels)
    facts = Facts("small", "idx", (6, 6), 255, {"train": 9, "validation": 3, "test": 5})
    prepared = prepare(facts, "binomial", tmp_path)
    assert {name: split.constant_images for name, split in prepared.items()} == {
        "train": 0,
        "validation": 0,
        "test": 1,
    }
    assert prepared["test"].noise_sha256 == ""


def test_an_unknown_likelihood_is_refused() -> None:
    with pytest.raises(DataError, match="one of gaussian, binomial"):
        prepare(facts_of(data_recipe(data_set("digits"), "gaussian")), "poisson", Path("unused"))
