"""Tests that inference keeps to its memory budget, whatever the number of points."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from support.generative_oracles import random_model
from torch.profiler import ProfilerActivity, profile

from workflow_src.models.piecewise_affine.inference.conditional import sample_missing
from workflow_src.models.piecewise_affine.inference.encoders import Gaussians, divergences
from workflow_src.models.piecewise_affine.inference.expectations import (
    expected_statistics,
    log_likelihoods,
    sampled_points,
)
from workflow_src.models.piecewise_affine.inference.mixture import uncut_log_likelihoods
from workflow_src.models.piecewise_affine.inference.posterior import (
    log_posterior_densities,
    mode_counts,
)
from workflow_src.models.piecewise_affine.inference.zero_noise import optimal_latents
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

BUDGET = 2**19
"""Less than one array of the larger number of points for all regions and moments."""

FIXED = 2**18
"""Affine maps and the like, whatever the number of points."""


def peak_bytes(work):
    """The most bytes held at once: by NumPy, and by torch, added."""
    tracemalloc.start()
    try:
        work()
        arrays = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    held = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return arrays + peak


TASKS = {
    "statistics": lambda *known: expected_statistics(*known, memory_bytes=BUDGET),
    "log likelihoods": lambda *known: log_likelihoods(*known, memory_bytes=BUDGET),
    "divergences": lambda model, regions, points: divergences(
        model,
        regions,
        points,
        Gaussians(
            np.zeros((len(points), regions.dimensions)),
            np.tile(np.eye(regions.dimensions), (len(points), 1, 1)),
        ),
        BUDGET,
    ),
    "uncut": lambda *known: uncut_log_likelihoods(*known, memory_bytes=BUDGET),
    "modes": lambda *known: mode_counts(*known, memory_bytes=BUDGET),
    "limit": lambda model, regions, points: optimal_latents(
        model.network, regions, points, memory_bytes=BUDGET
    ),
}


@pytest.mark.parametrize(
    ("task", "latent"),
    [(task, 1) for task in TASKS] + [("statistics", 2)],
)
def test_four_times_the_points_fit_the_same_budget(task, latent):
    model = random_model((latent, 32 if latent == 1 else 8, 2))
    regions = partition(model.network)
    points = sampled_points(model, 1200, np.random.default_rng(0))[2]
    assert len(points) * regions.regions * 8 * 2 > BUDGET
    for count in (300, 1200):
        chosen = points[:count]
        TASKS[task](model, regions, chosen[:10])
        results = 16 * 8 * count
        assert peak_bytes(lambda c=chosen: TASKS[task](model, regions, c)) < (
            BUDGET + results + FIXED
        )


def test_densities_of_many_latents_fit_the_budget():
    """Beside the result, and the maps of each latent's region."""
    model = random_model((2, 4, 2))
    regions, latents = partition(model.network), np.random.default_rng(1).normal(size=(1000, 2))
    points = sampled_points(model, 200, np.random.default_rng(0))[2]
    found = peak_bytes(lambda: log_posterior_densities(model, regions, points, latents, BUDGET))
    result = 8 * len(points) * len(latents)
    assert result > 3 * BUDGET
    of_latents = 8 * len(latents) * 40
    assert found < BUDGET + result + of_latents + FIXED


def test_imputed_draws_fit_the_budget():
    model = random_model((1, 3, 20), variance=0.1)
    regions, missing = partition(model.network), np.arange(20) < 10
    points = sampled_points(model, 100, np.random.default_rng(0))[2]
    stream = np.random.default_rng(1)

    def work():
        sample_missing(model, regions, points, missing, 150, stream, BUDGET)

    result = 8 * 100 * 150 * 20
    assert result > 3 * BUDGET
    assert peak_bytes(work) < 1.5 * BUDGET + result + FIXED
