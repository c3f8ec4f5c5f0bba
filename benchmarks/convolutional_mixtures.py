"""One training step of DCGMMs: in closed form against autograd over broadcasts; banks against runs.

    python benchmarks/convolutional_mixtures.py [--layouts A,B,E] [--threads 1] [--rounds 5]
        [--sigma 1] [--device cpu]

Every way takes batches of 100 images of 28 x 28 and includes the steps of all parameters. The
plain way has a tensor of images, positions, components and dimensions for every layer: it is left
out where that takes more than ``--plain-gigabytes``. A bank holds five runs, and is timed against
five times one. With one thread the times are processor time. Sigma is the neighbourhoods' width; 0
for none, as at the end of a training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from pairing import clock_for, tell, times_in_turn
from plain_mixtures import PlainNetwork

from workflow_src.compute import open_device
from workflow_src.config.models import hyperparameters_of
from workflow_src.layouts import Shape, parse
from workflow_src.models.convolutional_mixtures.annealing import neighbourhood
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.train.layerwise_ascent.ascent import move_layer

BATCH, SIDE, RUNS = 100, 28, 5
RATES = {"centroid_rate": 1.0, "precision_rate": 0.1, "weight_rate": 0.2}
STEP_SIZE = 0.01
_NUMBER_BYTES = 4
_PLAIN_COPIES = 3
"""Differences, their products with roots, and the squares of these, all kept for the gradient."""


def closed_form(
    network: MixtureNetwork, runs: int, sigma: float, device: torch.device
) -> Callable[[], object]:
    """A step of that many runs side by side."""
    generator = torch.Generator().manual_seed(0)
    starts = [network.initial_parameters(generator) for _ in range(runs)]
    parameters = {n: torch.stack([one[n] for one in starts]).to(device) for n in starts[0]}
    images = torch.rand(runs, BATCH, SIDE, SIDE, 1, generator=generator).to(device)
    counts = [layer.block.components for layer in network.layers]
    near = [
        neighbourhood(count, sigma).float().expand(runs, -1, -1).to(device) if sigma else None
        for count in counts
    ]
    rates = torch.full((runs,), STEP_SIZE, device=device)

    def step() -> None:
        steps, _, _ = network.training_step(parameters, images, near, [True] * len(counts))
        for layer, one in zip(network.layers, steps, strict=True):
            move_layer(parameters, layer, one.gradients, rates, RATES)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def plain(network: MixtureNetwork, sigma: float, device: torch.device) -> Callable[[], object]:
    """A step of one run by autograd."""
    torch.manual_seed(0)
    one = PlainNetwork(network.blocks, network.shapes[0]).to(device)
    images = torch.rand(BATCH, 1, SIDE, SIDE, device=device)
    counts = [layer.block.components for layer in network.layers]
    near = [neighbourhood(count, sigma or 0.01).float().to(device) for count in counts]
    groups = (
        (one.centroids, RATES["centroid_rate"]),
        (one.roots, RATES["precision_rate"]),
        (one.logits, RATES["weight_rate"]),
    )

    def step() -> None:
        one.zero_grad()
        torch.stack(one.losses(images, near)).sum().backward()
        with torch.no_grad():
            for values, factor in groups:
                for value in values:
                    value.add_(value.grad, alpha=STEP_SIZE * factor)
            for roots in one.roots:
                roots.clamp_(1e-3, 20**0.5)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def plain_gigabytes(network: MixtureNetwork) -> float:
    """What the plain way holds at once, at least."""
    numbers = [
        BATCH * layer.before.positions * layer.before.channels * layer.block.components
        for layer in network.layers
    ]
    return _PLAIN_COPIES * _NUMBER_BYTES * sum(numbers) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layouts", default="A,B,E")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sigma", type=float, default=1.0)
    parser.add_argument("--plain-gigabytes", type=float, default=8.0)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    device = open_device(chosen.device, chosen.threads)
    names = hyperparameters_of("dcgmm")["layout"].names
    clock = clock_for(device.type, chosen.threads)
    for name in chosen.layouts.split(","):
        network = MixtureNetwork(parse(names.get(name, name)), Shape(SIDE, SIDE, 1))
        alone = closed_form(network, 1, chosen.sigma, device)
        ways: dict[str, Callable[[], object]] = {"closed form": alone}
        memory = plain_gigabytes(network)
        if memory <= chosen.plain_gigabytes:
            ways["autograd over broadcasts"] = plain(network, chosen.sigma, device)
        else:
            print(f"{name}: autograd over broadcasts would hold {memory:.1f} GB, and is left out")
        print(f"{name}, sigma {chosen.sigma:g}, one run:")
        tell(times_in_turn(ways, chosen.rounds, 1, clock), next(reversed(ways)))
        five = {
            "a bank of five": closed_form(network, RUNS, chosen.sigma, device),
            "five runs alone": lambda alone=alone: [alone() for _ in range(RUNS)],
        }
        print(f"{name}, sigma {chosen.sigma:g}, five runs:")
        tell(times_in_turn(five, chosen.rounds, 1, clock), "five runs alone")


if __name__ == "__main__":
    main()
