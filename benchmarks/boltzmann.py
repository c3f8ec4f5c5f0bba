"""Restricted Boltzmann machines: all chains, temperatures and runs at once against plain loops.

    python benchmarks/boltzmann.py [--threads 1] [--rounds 5] [--device cpu]

The loops are what one writes first: torch.sigmoid and torch.bernoulli of one chain after another,
of one temperature after another, of one run after another. The loop over chains takes ten chains
only, and its times are multiplied accordingly.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from pairing import clock_for, tell, times_in_turn
from torch import Tensor

from workflow_src.compute import open_device
from workflow_src.models.boltzmann.annealed_importance import annealed_log_partition
from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.gibbs import gibbs_sweeps
from workflow_src.models.boltzmann.path import Path, path_to
from workflow_src.models.boltzmann.replicas import Replicas

SWEEPS, CHAINS, FEW_CHAINS = 40, 1000, 10
RUNS = 5
RUNGS, ENSEMBLES = 16, 32
TEMPERATURES, IMPORTANCE_CHAINS = 200, 256

Way = Callable[[], object]


def machine_of(units: int, runs: int, device: torch.device) -> BoltzmannMachine:
    generator = torch.Generator().manual_seed(0)
    return BoltzmannMachine(
        torch.zeros(runs, units, device=device),
        torch.zeros(runs, units, device=device),
        (torch.randn(runs, units, units, generator=generator) * 0.3).to(device),
    )


def streams(runs: int, device: torch.device) -> list[torch.Generator]:
    return [torch.Generator(device).manual_seed(run) for run in range(runs)]


def plain_sweep(a: Tensor, b: Tensor, weights: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    right = torch.bernoulli(torch.sigmoid(left @ weights + b))
    return torch.bernoulli(torch.sigmoid(right @ weights.T + a)), right


def plain_gibbs(machine: BoltzmannMachine, left: Tensor) -> None:
    a, b, weights = machine.visible_bias[0], machine.hidden_bias[0], machine.weights[0]
    for _ in range(SWEEPS):
        left, _ = plain_sweep(a, b, weights, left)


def plain_chains(machine: BoltzmannMachine, left: Tensor) -> None:
    for chain in left:
        plain_gibbs(machine, chain)


def chains_ways(units: int, device: torch.device) -> dict[str, Way]:
    """40 sweeps of 1000 chains; of one chain after another, ten."""
    machine, generators = machine_of(units, 1, device), streams(1, device)
    left = torch.zeros(1, CHAINS, units, device=device)
    return {
        "all chains at once": lambda: gibbs_sweeps(machine, left, left, SWEEPS, generators),
        "all chains at once, plain": lambda: plain_gibbs(machine, left[0]),
        "one chain after another": lambda: plain_chains(machine, left[0, :FEW_CHAINS]),
    }


def bank_ways(units: int, device: torch.device) -> dict[str, Way]:
    """40 sweeps of 1000 chains of each of five runs."""
    machine, generators = machine_of(units, RUNS, device), streams(RUNS, device)
    left = torch.zeros(RUNS, CHAINS, units, device=device)
    one = left[:1]
    return {
        "five runs in a bank": lambda: gibbs_sweeps(machine, left, left, SWEEPS, generators),
        "five runs alone": lambda: [
            gibbs_sweeps(machine.run(run), one, one, SWEEPS, generators[run : run + 1])
            for run in range(RUNS)
        ],
    }


def annealing_ways(units: int, device: torch.device) -> dict[str, Way]:
    """log Z as training estimates it, of each of five runs."""
    machine, generators = machine_of(units, RUNS, device), streams(RUNS, device)
    sizes = TEMPERATURES, IMPORTANCE_CHAINS
    return {
        "annealing, five runs in a bank": lambda: annealed_log_partition(
            machine, generators, *sizes
        ),
        "annealing, five runs alone": lambda: [
            annealed_log_partition(machine.run(run), generators[run : run + 1], *sizes)
            for run in range(RUNS)
        ],
    }


def tempering_ways(units: int, device: torch.device) -> dict[str, Way]:
    """40 sweeps and exchanges of 32 ensembles at 16 temperatures."""
    machine, generators = machine_of(units, 1, device), streams(1, device)
    path = path_to(machine, generators)
    ladder = torch.linspace(0, 1, RUNGS, device=device)
    left = torch.zeros(1, RUNGS, ENSEMBLES, units, device=device)
    replicas = Replicas(path, [ladder], left)
    plain_states = list(left[0])
    return {
        "all temperatures at once": lambda: [replicas.sweep(generators) for _ in range(SWEEPS)],
        "one temperature after another": lambda: plain_tempering(path, ladder, plain_states),
    }


def plain_tempering(path: Path, ladder: Tensor, states: list[Tensor]) -> None:
    """Each temperature's chains in turn, and each pair of neighbours'."""
    machine = path.machine
    a, b, weights = machine.visible_bias[0], machine.hidden_bias[0], machine.weights[0]
    base_left, base_right = path.left[0, 0], path.right[0, 0]
    for sweep in range(SWEEPS):
        energies = []
        for rung, t in enumerate(ladder):
            left_bias, right_bias = (
                base_left + t * (a - base_left),
                base_right + t * (b - base_right),
            )
            left, right = plain_sweep(left_bias, right_bias, t * weights, states[rung])
            tilt = left @ (a - base_left) + right @ (b - base_right)
            energies.append(tilt + ((left @ weights) * right).sum(1))
            states[rung] = left
        for rung in range(sweep % 2, RUNGS - 1, 2):
            gain = (ladder[rung + 1] - ladder[rung]) * (energies[rung] - energies[rung + 1])
            swapped = (torch.rand_like(gain) < gain.exp()).unsqueeze(1)
            lower, upper = states[rung], states[rung + 1]
            states[rung] = torch.where(swapped, upper, lower)
            states[rung + 1] = torch.where(swapped, lower, upper)


def waited(way: Way, device: torch.device) -> Way:
    """The same, which returns when the device has finished."""

    def both() -> None:
        way()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    clock = clock_for(device.type, arguments.threads)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    for units in (100, 200):
        for make in (chains_ways, bank_ways, annealing_ways, tempering_ways):
            print(f"\n{units} x {units} units: {make.__doc__}")
            ways = {name: waited(way, device) for name, way in make(units, device).items()}
            seconds = times_in_turn(ways, arguments.rounds, warm_up=1, clock=clock)
            for name, values in seconds.items():
                if name == "one chain after another":
                    seconds[name] = [value * CHAINS / FEW_CHAINS for value in values]
            tell(seconds, next(iter(ways)))


if __name__ == "__main__":
    main()
