"""Machines, and what enumeration of all their joint states in NumPy says about them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import logsumexp

from workflow_src.models.boltzmann.energy import BoltzmannMachine


@dataclass(frozen=True)
class Enumeration:
    """All joint states of one machine."""

    left: np.ndarray
    right: np.ndarray
    energies: np.ndarray

    @property
    def log_partition(self) -> float:
        return float(logsumexp(-self.energies))

    @property
    def probabilities(self) -> np.ndarray:
        return np.exp(-self.energies - self.log_partition)


def states(units: int) -> np.ndarray:
    return np.array(list(itertools.product([0.0, 1.0], repeat=units)))


def enumerated(machine: BoltzmannMachine, run: int = 0) -> Enumeration:
    a, b, w = (
        value[run].detach().double().numpy()
        for value in (machine.visible_bias, machine.hidden_bias, machine.weights)
    )
    pairs = [(x, y) for x in states(len(a)) for y in states(len(b))]
    energies = [-(a @ x) - b @ y - x @ w @ y for x, y in pairs]
    left, right = (np.array(part) for part in zip(*pairs, strict=True))
    return Enumeration(left, right, np.array(energies))


def random_machine(
    runs: int, left: int, right: int, scale: float, seed: int = 0
) -> BoltzmannMachine:
    """Normal parameters in double precision; ``scale`` is the weights' standard deviation."""
    generator = np.random.default_rng(seed)
    return BoltzmannMachine(
        torch.tensor(generator.normal(scale=0.5, size=(runs, left))),
        torch.tensor(generator.normal(scale=0.5, size=(runs, right))),
        torch.tensor(generator.normal(scale=scale, size=(runs, left, right))),
    )


def random_machines(scales: Iterable[float], left: int, right: int) -> BoltzmannMachine:
    """A bank of them in single precision, with another scale for each run."""
    members = [
        random_machine(1, left, right, scale, seed=number) for number, scale in enumerate(scales)
    ]
    names = ("visible_bias", "hidden_bias", "weights")
    parts = ([getattr(member, name).float() for member in members] for name in names)
    return BoltzmannMachine(*(torch.cat(part) for part in parts))


def two_modes(left: int, right: int, coupling: float) -> BoltzmannMachine:
    """All units 1 or all 0, equally likely, which blocks of units never leave for the other."""
    weights = torch.full((1, left, right), coupling, dtype=torch.float64)
    return BoltzmannMachine(-weights.sum(2) / 2, -weights.sum(1) / 2, weights)


def streams(runs: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + run) for run in range(runs)]


def copies(machine: BoltzmannMachine, runs: int) -> BoltzmannMachine:
    """A bank of one machine, whose runs differ in their streams alone; in single precision."""
    return BoltzmannMachine(
        machine.visible_bias.float().repeat(runs, 1),
        machine.hidden_bias.float().repeat(runs, 1),
        machine.weights.float().repeat(runs, 1, 1),
    )
