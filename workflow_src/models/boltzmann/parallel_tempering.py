"""Parallel tempering of restricted Boltzmann machines: their log partition functions, and samples.

Appendix G of the DVAE++ paper measures log Z with it, on an adaptive number of temperatures and
with 100,000 sweeps. What log Z gains from one temperature to the next is here Bennett's estimate
(1976) from both ends' states.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.gibbs import gibbs_sweeps
from workflow_src.models.boltzmann.ladder import acceptances, first_ladder, is_good, respaced
from workflow_src.models.boltzmann.path import Path, path_to
from workflow_src.models.boltzmann.replicas import Replicas
from workflow_src.models.latent_variables import LogPartition

ADAPTATION_SWEEPS, ADAPTATION_ROUNDS, ADAPTATION_ENSEMBLES = 100, 8, 32
SAMPLING_SWEEPS = 500
START_SWEEPS, LEAST_SETTLING = 500, 100
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
    ensemble makes so many sweeps of all temperatures, after a tenth as many (and 100 at least) that
    do not count. As published numbers are measured, 32 ensembles of 10,000 sweeps are 320,000 at
    every temperature, of which every fifth counts; the paper makes 100,000.

    One half of the ensembles starts from independent units, the other from chains of the machine
    itself. The standard error is that between the ensembles of a half, which are independent of
    each other, or what the halves show where that is larger: what mixes too slowly shows as a
    difference between ensembles, and between where they came from.

    Raises
    ------
    ValueError
        If there are fewer than 8 ensembles, too few for a standard error, or an odd number of them,
        or fewer than 10 sweeps.
    """
    if ensembles < 8 or ensembles % 2 or sweeps < 10:
        raise ValueError(
            f"tempering needs 8 ensembles, an even number, and 10 sweeps at least: {ensembles}, "
            f"{sweeps}"
        )
    path = path_to(machine, generators)
    replicas = _from_both_ends(path, _ladders(path, generators), ensembles, generators)
    for _ in range(max(sweeps // 10, LEAST_SETTLING)):
        replicas.sweep(generators)
    interval = -(-sweeps // MOST_RECORDS)
    kept = []
    for number in range(sweeps):
        energies = replicas.sweep(generators)
        if number % interval == 0:
            kept.append(energies)
    value, shifts = bennett(replicas.ladder, torch.stack(kept))
    dtype = machine.weights.dtype
    value, error = value + path.base_log_partition(), error_of_halves(shifts)
    return LogPartition(value.to(dtype), error.to(dtype))


@torch.no_grad()
def tempered_samples(
    machine: BoltzmannMachine,
    generators: Sequence[torch.Generator],
    samples: int,
    sweeps: int = SAMPLING_SWEEPS,
) -> tuple[Tensor, Tensor]:
    """Independent states of the machine, ``[R, samples, V]`` and ``[R, samples, H]``.

    Each comes from an ensemble of its own, which starts from independent units, after so many
    sweeps.
    """
    path = path_to(machine, generators)
    ladders = _ladders(path, generators)
    replicas = Replicas(path, ladders, _base_states(path, ladders, samples, generators))
    for _ in range(sweeps):
        replicas.sweep(generators)
    left, right = replicas.states()
    last = [count - 1 for count in replicas.counts]
    runs = range(machine.runs)
    return left[runs, last], right[runs, last]


def _from_both_ends(
    path: Path, ladders: Sequence[Tensor], ensembles: int, generators: Sequence[torch.Generator]
) -> Replicas:
    """Ensembles of which half start from the path's base and half from the machine's own chains."""
    base = _base_states(path, ladders, ensembles, generators)
    half = ensembles // 2
    for run, (ladder, generator) in enumerate(zip(ladders, generators, strict=True)):
        left = base[run : run + 1, : len(ladder), half:].flatten(1, 2)
        right = left.new_zeros(1, left.shape[1], path.right.shape[2])
        alone = path.machine.run(run)
        left, _ = gibbs_sweeps(alone, left, right, START_SWEEPS, [generator])
        base[run, : len(ladder), half:] = left.view(len(ladder), half, -1)
    return Replicas(path, ladders, base)


def _ladders(path: Path, generators: Sequence[torch.Generator]) -> list[Tensor]:
    """Every run's ladder, which is what it would be alone."""
    return [adapted_ladder(path.run(run), generator)[0] for run, generator in enumerate(generators)]


def _base_states(
    path: Path, ladders: Sequence[Tensor], ensembles: int, generators: Sequence[torch.Generator]
) -> Tensor:
    """States of the independent units for every temperature, [R, T, ensembles, V]."""
    rungs = max(len(ladder) for ladder in ladders)
    result = path.left.new_zeros(len(ladders), rungs, ensembles, path.left.shape[2])
    for run, (ladder, generator) in enumerate(zip(ladders, generators, strict=True)):
        left, _ = path.run(run).base_states(len(ladder) * ensembles, [generator])
        result[run, : len(ladder)] = left.view(len(ladder), ensembles, -1)
    return result


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
    """What log Z gains along a ladder, [R], and by how much each ensemble shifts it, [R, C].

    Both in double precision. ``ladder`` [R, T]; ``energies`` [S, R, T, C] as `Replicas.sweep` gives
    them. One gain solves: the states below and those above give the logistic function of their
    distance from it the same sum. The shifts are to first order, and sum to 0.
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
    return gain.squeeze(2).sum(1), shifts


def error_of_halves(shifts: Tensor) -> Tensor:
    """Standard error, [R], of what independent ensembles of two kinds of starts shift, [R, C].

    From the spread within the halves, or from their difference where that says more: either half
    may be the wrong one.
    """
    half = shifts.shape[1] // 2
    halves = shifts.view(len(shifts), 2, half)
    off = halves - halves.mean(dim=2, keepdim=True)
    within = off.square().sum((1, 2)) * half / (half - 1)
    between = (halves[:, 0].sum(1) - halves[:, 1].sum(1)).square()
    return torch.maximum(within, between).sqrt()
