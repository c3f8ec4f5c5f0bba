"""Steps of expectation maximisation of RAT-SPNs and PD-SPNs: ours, SPFlow's, and banks of seeds.

    python benchmarks/circuits.py [--threads 1] [--rounds 7] [--seeds 5] [--cells 4]

Batch 100, 28 x 28 images of MNIST's kind (most pixels black), everything of a step included:
expectations and the maximum that follows. SPFlow (1.1) has RAT-SPNs over the same trees with the
same numbers of parameters; it has no PD-SPNs. It is timed in two ways: with its own expectation
maximisation of one batch, and with the log likelihood and its gradient alone, which any way of
training needs and no maximum follows. With one thread the times are processor time. A bank trains
seeds side by side; its time is divided by their number.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pairing import clock_for, tell, times_in_turn
from spflow.learn import expectation_maximization
from torch import Tensor

from workflow_src.compute import open_device
from workflow_src.models.building import build_model
from workflow_src.models.circuits.einsum_network import EinsumNetwork

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.spflow_circuits import spflow_rat_spn

BATCH, SIDE, LEVELS = 100, 28, 255
STEP_SIZE = 0.05

Cell = tuple[str, str, Mapping[str, int]]

CELLS: list[Cell] = [
    ("rat_spn", "gaussian", {"components": 10, "split_depth": 4, "repetitions": 10}),
    ("rat_spn", "gaussian", {"components": 20, "split_depth": 5, "repetitions": 10}),
    ("rat_spn", "binomial", {"components": 10, "split_depth": 4, "repetitions": 10}),
    ("pd_spn", "gaussian", {"components": 40, "split_step": 7}),
    ("rat_spn", "gaussian", {"components": 40, "split_depth": 1, "repetitions": 40}),
]


def build(cell: Cell) -> EinsumNetwork:
    name, likelihood, values = cell
    rest = {"structure_seed": 0, "minimum_variance": 1e-4, "maximum_variance": 10.0}
    spec = {"model": name, "likelihood": likelihood, **rest, **values}
    network: EinsumNetwork = build_model(spec, (SIDE, SIDE), LEVELS)
    return network


def pictures(likelihood: str, runs: int) -> Tensor:
    """Blurred spots on black, [R, N, D]."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(runs * BATCH, 1, SIDE, SIDE, generator=generator)
    blurred = torch.nn.functional.avg_pool2d(noise, 7, stride=1, padding=3)
    spots = ((blurred - 0.5) * 8).clamp(0, 1).view(runs, BATCH, SIDE * SIDE)
    return spots if likelihood == "gaussian" else (spots * LEVELS).round()


def bank(network: EinsumNetwork, runs: int) -> Callable[[], object]:
    images = pictures(network.images.likelihood, runs)
    starts = [
        network.initial_parameters(torch.Generator().manual_seed(seed), images[0])
        for seed in range(runs)
    ]
    parameters = {name: torch.stack([one[name] for one in starts]) for name in starts[0]}

    def step() -> None:
        nonlocal parameters
        _, statistics = network.expectations(parameters, images)
        parameters = network.maximised(parameters, statistics, STEP_SIZE)

    return step


def spflow_steps(network: EinsumNetwork) -> dict[str, Callable[[], object]]:
    spn: Any = spflow_rat_spn(network)
    images = pictures(network.images.likelihood, 1)[0]

    def gradient() -> None:
        spn.zero_grad()
        spn.log_likelihood(images).mean().backward()

    def step() -> None:
        expectation_maximization(spn, images, max_steps=1, bias_correction=False)

    return {"SPFlow, gradient alone": gradient, "SPFlow": step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cells", type=int, default=4)
    arguments = parser.parse_args()
    open_device("cpu", arguments.threads)
    clock = clock_for("cpu", arguments.threads)
    for cell in CELLS[: arguments.cells]:
        network = build(cell)
        print(f"{cell[0]} {cell[1]} {dict(cell[2])}: {network.parameter_count():,} parameters")
        ways: dict[str, Callable[[], object]] = {"a run": bank(network, 1)}
        if cell[0] == "rat_spn":
            ways |= spflow_steps(network)
        found = times_in_turn(ways, arguments.rounds, clock=clock)
        for baseline in list(found)[1:] or list(found):
            tell({"a run": found["a run"], baseline: found[baseline]}, baseline)
        several = {"alone": bank(network, 1), "in a bank": bank(network, arguments.seeds)}
        found = times_in_turn(several, arguments.rounds, clock=clock)
        found["in a bank"] = [one / arguments.seeds for one in found["in a bank"]]
        tell(found, "alone")


if __name__ == "__main__":
    main()
