"""An expectation step and a whole sweep beside the paper's route, and what they hold in memory.

    python benchmarks/expectation_maximisation.py [--threads 1] [--rounds 3]
        [--points 500] [--reference-points 3] [--memory]

The reference goes through every point and every region: Delaunay simplices, inclusion-exclusion and
moments below bounds (`integrals.reference`), densities with D x D matrices. What depends on the
region alone (inverses, determinants) is made before it is timed, which is to its advantage. It runs
on a few points, and times are told for one point. The step of this package does all points, its
sums over points and its preparation included.

With --memory, fresh processes tell their peak memory for more and more points and a wide or narrow
budget; as the step goes through points in chunks, it should not grow with them.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from pairing import times_in_turn

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    expected_statistics,
)
from workflow_src.models.piecewise_affine.integrals.reference import reference_moments
from workflow_src.models.piecewise_affine.maximisation.em import SweepSettings, em_sweep
from workflow_src.models.piecewise_affine.networks import Activation, Network, affine_maps
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition, partition

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

ARCHITECTURES = ([1, 8, 2], [1, 8, 8, 2], [2, 6, 2], [1, 8, 16, 784])
VARIANCE = 0.1
WIDE = [1, 64, 2]
"""Whose points take little memory beside the step."""


def random_model(widths: list[int]) -> DeepGenerativeNetwork:
    """A leaky ReLU network with isotropic noise."""
    generator = np.random.default_rng(0)
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    weights = tuple(generator.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes)
    biases = tuple(generator.normal(size=shape[0]) * 0.5 for shape in shapes)
    network = Network(weights, biases, Activation("leaky_relu", 0.1))
    return DeepGenerativeNetwork(network, NoiseCovariance.isotropic(VARIANCE, widths[-1]))


def random_points(count: int, dimensions: int) -> Array:
    """On the unit sphere, with noise."""
    points = np.random.default_rng(1).normal(size=(count, dimensions))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points + 0.1 * np.random.default_rng(2).normal(size=points.shape)


def reference_step(
    model: DeepGenerativeNetwork, regions: Partition, points: Array
) -> Callable[[], Array]:
    """log p(x) of some points with all moments, point by point and region by region."""
    maps = affine_maps(model.network, regions.signs)
    latents, dimensions = model.network.latent_dimensions, model.network.outputs
    noise = VARIANCE * np.eye(dimensions)
    prepared = []
    for slopes, offsets in zip(maps.slopes, maps.offsets, strict=True):
        covariance = noise + slopes @ slopes.T
        posterior = np.linalg.inv(np.eye(latents) + slopes.T @ slopes / VARIANCE)
        determinant = np.linalg.slogdet(2 * np.pi * covariance)[1]
        gain = posterior @ slopes.T / VARIANCE
        prepared.append((offsets, np.linalg.inv(covariance), determinant, posterior, gain))

    def step() -> Array:
        found = []
        for point in points:
            terms = []
            for region, (offsets, inverse, determinant, posterior, gain) in enumerate(prepared):
                residual = point - offsets
                log_density = -0.5 * (residual @ inverse @ residual + determinant)
                mass, _first, _second = reference_moments(
                    regions, region, gain @ residual, posterior
                )
                terms.append(log_density + np.log(max(mass, 1e-300)))
            found.append(np.logaddexp.reduce(terms))
        return np.array(found)

    return step


def compare(widths: list[int], arguments: argparse.Namespace) -> None:
    model = random_model(widths)
    regions = partition(model.network)
    points = random_points(arguments.points, widths[-1])
    few = points[: arguments.reference_points]
    plain = reference_step(model, regions, few)
    settings = SweepSettings()
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "the paper's route": (plain, len(few)),
        "expectation step": (partial(expected_statistics, model, regions, points), len(points)),
        "whole sweep": (partial(em_sweep, model, points, settings), len(points)),
    }
    exact = expected_statistics(model, regions, few).log_likelihood
    difference = np.abs(plain() - exact).max()
    print(f"\n{widths}: {regions.regions} regions; log p(x) differs by at most {difference:.1e}")
    seconds = times_in_turn(
        {name: way for name, (way, _) in ways.items()}, arguments.rounds, warm_up=1
    )
    each = {name: [one / ways[name][1] for one in values] for name, values in seconds.items()}
    for name, values in each.items():
        ratios = [a / b for a, b in zip(each["the paper's route"], values, strict=True)]
        print(
            f"{name:<20} {statistics.median(values) * 1e6:12.1f} us a point   the paper's / this: "
            f"median {statistics.median(ratios):7.0f}, {min(ratios):.0f} to {max(ratios):.0f}"
        )


def memory() -> None:
    """Peak memory of an expectation step in a fresh process, by points and budget."""
    for budget in (2**40, 64 * 2**20):
        for count in (10_000, 20_000, 40_000):
            command = [sys.executable, __file__, "--peak", str(count), str(budget)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"budget {budget / 2**20:9.0f} MiB, {count:6d} points: {told.strip()}")


def peak(count: int, budget: int) -> None:
    model = random_model(WIDE)
    regions = partition(model.network)
    points = random_points(count, WIDE[-1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected_statistics(model, regions, points, memory_bytes=budget)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    cells = count * regions.regions
    print(f"{grown / 2**20:7.1f} MiB more, {grown / cells:7.1f} bytes a (point, region)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--reference-points", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--peak", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        peak(*arguments.peak)
    elif arguments.memory:
        memory()
    else:
        for widths in ARCHITECTURES:
            compare(widths, arguments)


if __name__ == "__main__":
    main()
