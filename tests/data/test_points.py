"""Drawn points follow their laws, by closed forms of moments and of the circle's density."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from workflow_src.config.data_sets import data_set
from workflow_src.data.points import circle, drawn_circle, drawn_wave, wave
from workflow_src.data.preparation import prepare
from workflow_src.data.raw import Facts, facts_of
from workflow_src.plan.fingerprints import data_recipe

DRAWS = 200_000


def facts_about(name: str) -> Facts:
    return facts_of(data_recipe(data_set(name), "gaussian_noise"))


def within(samples: np.ndarray, mean: float) -> bool:
    """Whether the samples' mean is within five standard errors of ``mean``."""
    return bool(abs(samples.mean() - mean) < 5 * samples.std() / np.sqrt(len(samples)))


def test_the_circle_has_its_density() -> None:
    points = circle(DRAWS, np.random.default_rng(0))
    squares, variance = (points**2).sum(axis=1), 0.05**2
    # A ring: exp(-(r^2 + 1) / 2 v) I0(r / v) / (2 pi v), with the scaled Bessel function.
    scaled = special.ive(0, np.sqrt(squares) / variance)
    log_density = -((np.sqrt(squares) - 1) ** 2) / (2 * variance) + np.log(scaled)
    log_density -= np.log(2 * np.pi * variance)
    assert within(-log_density, 0.261)
    assert within(squares, 1 + 2 * variance)
    angles = np.arctan2(points[:, 1], points[:, 0])
    assert stats.kstest(angles, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4


def test_the_wave_has_its_moments() -> None:
    x, y = wave(DRAWS, np.random.default_rng(1)).T
    # E cos(a X) = exp(-a^2 / 2) for a standard normal X.
    assert within(x**2, 1.01)
    assert within(y, np.exp(-0.98))
    assert within(y**2, (1 + np.exp(-3.92)) / 2 + 0.01)
    assert within(y * x**2, (1 - 1.96) * np.exp(-0.98) + 0.01 * np.exp(-0.98))
    assert stats.kstest(x, stats.norm(0, np.sqrt(1.01)).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("name", "width"), [("circle", 1.5), ("wave", 3.0)])
def test_anomalies_are_uniform_and_labelled_and_end_the_test_set(name: str, width: float) -> None:
    split = prepare(facts_about(name), "gaussian_noise", Path("unused"))["test"]
    assert split.labels.tolist() == [0] * 2000 + [1] * 1000
    for values, half in zip(split.images[2000:].T, (width, 1.5), strict=True):
        assert np.abs(values).max() <= half
        assert stats.kstest(values, stats.uniform(-half, 2 * half).cdf).pvalue > 1e-4


def test_points_are_prepared_as_they_are() -> None:
    facts = facts_about("circle")
    prepared = prepare(facts, "gaussian_noise", Path("unused"))
    raw = {part.part: part for part in drawn_circle(facts)}
    for name in ("train", "validation"):
        split = prepared[name]
        assert split.images.dtype == np.float32
        assert np.array_equal(split.images, raw[name].images[:, 0].astype(np.float32))
        assert (split.noise_sha256, split.constant_images) == ("", 0)
        assert not split.labels.any()


def test_every_part_is_a_draw_of_its_own_and_always_the_same() -> None:
    parts = drawn_wave(facts_about("wave"))
    first = [tuple(part.images[0, 0]) for part in parts]
    assert len(set(first)) == 4
    again = drawn_wave(facts_about("wave"))
    assert all(np.array_equal(a.images, b.images) for a, b in zip(parts, again, strict=True))
    # Circle and wave share no random numbers.
    others = drawn_circle(facts_about("circle"))[0].images[:, 0]
    assert abs(np.corrcoef(others[:, 0], parts[0].images[:, 0, 0])[0, 1]) < 5 / np.sqrt(500)
