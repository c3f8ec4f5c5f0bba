"""Parallel tempering of restricted Boltzmann machines: their log partition functions, and samples.

Appendix I of the DVAE++ paper measures log Z with it, on an adaptive number of temperatures. What
log Z gains from one temperature to the next is Bennett's estimate (1976) from both ends' states.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.ladder import acceptances, first_ladder, is_good, respaced
from workflow_src.models.boltzmann.path import Path, path_to
from workflow_src.models.boltzmann.replicas import Replicas
from workflow_src.models.latent_variables import LogPartition

ADAPTATION_SWEEPS, ADAPTATION_ROUNDS, ADAPTATION_ENSEMBLES = 100, 8, 32
SAMPLING_SWEEPS = 500
MOST_RECORDS = 2000
"""Sweeps whose energies are kept; of longer chains, every so many are."""

BENNETT_STEPS, BENNETT_TOLERANCE = 200, 1e-10


@torch.no_grad()
def tempered_log_partition(
    machine: BoltzmannMachine,
    generators: Sequence[torch.Generator],
    sweeps: int = 10_000,
    ensembles: int = 32,
) -> LogPartition:
    """log Z of every run and its standard error; one stream for each run.

    Temperatures are inserted and spaced until neighbours exchange states often enough; then every
    ensemble makes so many sweeps of all temperatures, after a tenth as many that do not count. The
    standard error is that between ensembles, which are independent of each other: what mixes too
    slowly within an ensemble shows as a difference between them.

    Raises
    ------
    ValueError
        If there are fewer than 8 ensembles, too few for a standard error, or fewer than 10 sweeps.
    """
    if ensembles < 8 or sweeps < 10:
        raise ValueError(
            f"tempering needs 8 ensembles and 10 sweeps at least: {ensembles}, {sweeps}"
        )
    replicas, path = _replicas(machine, generators, ensembles)
    for _ in range(sweeps // 10):
        replicas.sweep(generators)
    interval = -(-sweeps // MOST_RECORDS)
    kept = []
    for number in range(sweeps):
        energies = replicas.sweep(generators)
        if number % interval == 0:
            kept.append(energies)
    value, error = bennett(replicas.ladder, torch.stack(kept))
    dtype = machine.weights.dtype
    return LogPartition((value + path.base_log_partition()).to(dtype), error.to(dtype))


@torch.no_grad()
def tempered_samples(
    machine: BoltzmannMachine,
    generators: Sequence[torch.Generator],
    samples: int,
    sweeps: int = SAMPLING_SWEEPS,
) -> tuple[Tensor, Tensor]:
    """Independent states of the machine, ``[R, samples, V]`` and ``[R, samples, H]``.

    Each comes from an ensemble of its own after so many sweeps.
    """
    replicas, _ = _replicas(machine, generators, samples)
    for _ in range(sweeps):
        replicas.sweep(generators)
    left, right = replicas.states()
    last = [count - 1 for count in replicas.counts]
    runs = range(machine.runs)
    return left[runs, last], right[runs, last]


def _replicas(
    machine: BoltzmannMachine, generators: Sequence[torch.Generator], ensembles: int
) -> tuple[Replicas, Path]:
    """Ensembles on adapted ladders; each run's ladder is what it would be alone."""
    path = path_to(machine, generators)
    ladders, starts = [], []
    for run, generator in enumerate(generators):
        alone = Path(
            machine.detached().run(run), path.left[run : run + 1], path.right[run : run + 1]
        )
        ladder, left = adapted_ladder(alone, generator)
        ladders.append(ladder)
        picked = torch.arange(ensembles, device=left.device) % ADAPTATION_ENSEMBLES
        starts.append(left[:, picked])
    rungs = max(len(ladder) for ladder in ladders)
    left = starts[0].new_zeros(machine.runs, rungs, *starts[0].shape[1:])
    for run, start in enumerate(starts):
        left[run, : len(start)] = start
    return Replicas(path, ladders, left), path


def adapted_ladder(path: Path, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A ladder [T] for one run, and left states [T, C, V] that have begun to settle on it."""
    generators = [generator]
    ladder = first_ladder(path.left)
    left, _ = path.base_states(len(ladder) * ADAPTATION_ENSEMBLES, generators)
    left = left.view(1, len(ladder), ADAPTATION_ENSEMBLES, -1)
    for _ in range(ADAPTATION_ROUNDS):
        replicas = Replicas(path, [ladder], left)
        for _ in range(ADAPTATION_SWEEPS // 2):
            replicas.sweep(generators)
        energies = [replicas.sweep(generators)[0] for _ in range(ADAPTATION_SWEEPS)]
        left, _ = replicas.states()
        accepted = acceptances(ladder, torch.stack(energies))
        if is_good(ladder, accepted):
            break
        old, ladder = ladder, respaced(ladder, accepted)
        nearest = (ladder.unsqueeze(1) - old).abs().argmin(dim=1)
        left = left[:, nearest]
    return ladder, left[0]


def bennett(ladder: Tensor, energies: Tensor) -> tuple[Tensor, Tensor]:
    """What log Z gains along a ladder, and its standard error: ``[R]`` each, in double precision.

    ``ladder`` [R, T]; ``energies`` [S, R, T, C] as `Replicas.sweep` gives them, of C independent
    ensembles. One gain solves: the states below and those above give the logistic function of
    their distance from it the same sum.
    """
    steps = ladder.double().diff(dim=1).unsqueeze(2)
    below = (energies[:, :, :-1] * steps).double()
    above = (energies[:, :, 1:] * steps).double()
    gain = (below.mean((0, 3)) + above.mean((0, 3))).unsqueeze(2) / 2
    for _ in range(BENNETT_STEPS):
        up = logsigmoid(below - gain).logsumexp((0, 3)).unsqueeze(2)
        down = logsigmoid(gain - above).logsumexp((0, 3)).unsqueeze(2)
        gain = gain + (up - down)
        if float((up - down).abs().max()) < BENNETT_TOLERANCE:
            break
    up, down = torch.sigmoid(below - gain), torch.sigmoid(gain - above)
    slope = (up * (1 - up) + down * (1 - down)).sum((0, 3))
    shifts = ((up - down).sum(0) / slope.unsqueeze(2)).sum(1)
    ensembles = energies.shape[3]
    variance = shifts.square().sum(1) * ensembles / (ensembles - 1)
    return gain.squeeze(2).sum(1), variance.sqrt()
