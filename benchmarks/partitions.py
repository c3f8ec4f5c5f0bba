"""Enumerating the regions of a network: clipping, double description and plain linear programs.

    python benchmarks/partitions.py [--rounds 3] [--all]

Regions of each way are compared before anything is timed. Linear programs ask of every unit, one
after another, on which of its sides a ball fits; they are left out of networks where that takes
minutes, unless --all asks for them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pairing import tell, times_in_turn

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.linear_programs import sign_patterns
from support.random_networks import random_network

from workflow_src.models.piecewise_affine.networks import Network
from workflow_src.models.piecewise_affine.partitions.enumeration import partition
from workflow_src.models.piecewise_affine.partitions.polyhedra import polyhedra

Way = Callable[[], object]

SMALL = ([2, 8, 8, 2], [3, 6, 6, 2])
MIDDLE = ([1, 64, 64, 2], [2, 16, 16, 2], [3, 8, 8, 2])
LARGE = [2, 64, 64, 2]
LINEAR_PROGRAMS = "linear programs"


def ways_of(network: Network, with_linear_programs: bool) -> dict[str, Way]:
    """The method of these dimensions, faces by cdd, and linear programs."""
    ways: dict[str, Way] = {"by dimensions": partial(partition, network)}
    if network.latent_dimensions < 3:
        ways["polyhedra (cdd)"] = partial(polyhedra, network)
    if with_linear_programs:
        ways[LINEAR_PROGRAMS] = partial(sign_patterns, network)
    return ways


def regions_of(found: object) -> int:
    return len(found) if isinstance(found, set) else found.regions  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="linear programs on middle sizes too")
    arguments = parser.parse_args()
    for widths in (*SMALL, *MIDDLE, LARGE):
        network = random_network(widths)
        ways = ways_of(network, widths in SMALL or (arguments.all and widths in MIDDLE))
        regions = {name: regions_of(way()) for name, way in ways.items()}
        print(f"\n{widths}: regions {regions}")
        seconds = times_in_turn(ways, arguments.rounds, warm_up=0, clock=time.process_time)
        tell(seconds, LINEAR_PROGRAMS if LINEAR_PROGRAMS in ways else list(ways)[-1])


if __name__ == "__main__":
    main()
