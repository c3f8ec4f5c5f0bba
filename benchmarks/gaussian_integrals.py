"""The E-step's integrals against the paper's route: Delaunay and inclusion-exclusion, plainly.

    python benchmarks/gaussian_integrals.py [--points 200] [--rounds 3]

Moments of the posterior pieces of random points on every region, for S = 1, 2 and 3. The plain
route takes a few of the same pairs of point and region, and its times are multiplied accordingly.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise

import numpy as np
from pairing import tell, times_in_turn

from workflow_src.models.piecewise_affine.integrals.moments import moments
from workflow_src.models.piecewise_affine.integrals.reference import reference_moments
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

FEW = {1: 40, 2: 12, 3: 2}
NOISE = 0.3
"""Standard deviation of the noise that the posteriors are made with."""


def network(widths: list[int]) -> Network:
    generator = np.random.default_rng(0)
    weights = tuple(
        generator.standard_normal((after, before)) / np.sqrt(before)
        for before, after in pairwise(widths)
    )
    biases = tuple(0.5 * generator.standard_normal(width) for width in widths[1:])
    return Network(weights, biases, Activation("leaky_relu"))


def compare(widths: list[int], points: int, rounds: int) -> None:
    dimensions = widths[0]
    cells = partition(network(widths))
    generator = np.random.default_rng(1)
    means = generator.standard_normal((points, cells.regions, dimensions))
    factors = generator.standard_normal((cells.regions, dimensions, dimensions))
    covariances = np.linalg.inv(
        np.eye(dimensions) + factors @ np.swapaxes(factors, 1, 2) / NOISE**2
    )
    pairs = [(k % points, k * 7 % cells.regions) for k in range(FEW[dimensions])]

    def plainly() -> None:
        for point, region in pairs:
            reference_moments(cells, region, means[point, region], covariances[region])

    seconds = times_in_turn(
        {"these": lambda: moments(cells, means, covariances), "plainly": plainly},
        rounds,
        warm_up=1,
        clock=time.process_time,
    )
    share = points * cells.regions / len(pairs)
    seconds["plainly"] = [value * share for value in seconds["plainly"]]
    print(f"{widths}: {points} points, {cells.regions} regions")
    tell(seconds, "plainly")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for widths in ([1, 8, 2], [1, 8, 8, 2], [2, 6, 6, 2], [2, 16, 2]):
        compare(widths, arguments.points, arguments.rounds)
    compare([3, 4, 2], min(5, arguments.points), arguments.rounds)


if __name__ == "__main__":
    main()
