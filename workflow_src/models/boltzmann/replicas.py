"""Replica exchange (parallel tempering): states at many temperatures that trade places.

Hukushima and Nemoto (1996); appendix G of the DVAE++ paper estimates log Z with it. One object
holds C independent ensembles of T states each for every run of a bank, and moves them all at once.
States stay where they are in memory, and their temperatures move between them.

Shapes: R runs, T temperatures (rungs) of the longest ladder, C ensembles.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_src.models.boltzmann.gibbs import Uniforms, become_units
from workflow_src.models.boltzmann.path import Path


class Replicas:
    """Ensembles of states on ladders of temperatures.

    Parameters
    ----------
    path:
        From independent units to the machines.
    ladders:
        Inverse temperatures from 0 to 1 of every run, ``[T]`` each; they may differ in length. A
        shorter one is filled up with places that nothing is drawn for or exchanged with.
    left:
        States to start with, ``[R, T, C, V]``, at the temperatures in their order.
    """

    def __init__(self, path: Path, ladders: Sequence[Tensor], left: Tensor) -> None:
        self._path = path
        runs, rungs, ensembles, _ = left.shape
        self.counts = [len(ladder) for ladder in ladders]
        self.ladder = torch.ones(runs, rungs, dtype=left.dtype, device=left.device)
        for run, ladder in enumerate(ladders):
            self.ladder[run, : len(ladder)] = ladder
        # Contiguous, because `sweep` writes into flattened views of it.
        self.left = left.clone(memory_format=torch.contiguous_format)
        self.right = left.new_zeros(runs, rungs, ensembles, path.right.shape[2])
        # The place in memory of each rung's state, and the temperature of each place.
        order = torch.arange(rungs, device=left.device).view(1, rungs, 1)
        self._order = order.expand(runs, rungs, ensembles).clone()
        self._temperatures = self.ladder.unsqueeze(2).expand(runs, rungs, ensembles).clone()
        self._slopes = torch.empty_like(self.right)
        self._left_noise = Uniforms(self.left, self.counts)
        self._right_noise = Uniforms(self.right, self.counts)
        pairs = self.ladder.new_zeros(runs, rungs - 1, ensembles)
        self._swap_noise = Uniforms(pairs, [count - 1 for count in self.counts])
        numbers = torch.arange(rungs - 1, device=left.device).view(1, -1, 1)
        counts = torch.tensor(self.counts, device=left.device).view(-1, 1, 1)
        exists = numbers < counts - 1
        self._exchanging = [exists & (numbers % 2 == parity) for parity in (0, 1)]
        self._parity = 0

    def sweep(self, generators: Sequence[torch.Generator]) -> Tensor:
        """One sweep and one round of exchanges; the derivative in t of every rung's log density.

        ``[R, T, C]``, in the order of the rungs, of the states before the exchange. Even and odd
        pairs of neighbours take turns.
        """
        temperatures = self._temperatures.unsqueeze(3)
        flat_left, flat_right = self.left.flatten(1, 2), self.right.flatten(1, 2)
        self._path.right_slopes(flat_left, self._slopes.flatten(1, 2))
        torch.addcmul(self._path.right.unsqueeze(1), self._slopes, temperatures, out=self.right)
        become_units(self.right, self._right_noise.draw(generators))
        energies = (self._slopes * self.right).sum(dim=3)
        energies += self._path.left_tilt(flat_left).view_as(energies)
        by_rung = energies.gather(1, self._order)
        self._exchange(by_rung, generators)
        temperatures = self._temperatures.unsqueeze(3)
        self._path.left_slopes(flat_right, flat_left)
        torch.addcmul(self._path.left.unsqueeze(1), self.left, temperatures, out=self.left)
        become_units(self.left, self._left_noise.draw(generators))
        return by_rung

    def _exchange(self, energies: Tensor, generators: Sequence[torch.Generator]) -> None:
        gain = self.ladder.diff(dim=1).unsqueeze(2) * (energies[:, :-1] - energies[:, 1:])
        uniform = self._swap_noise.draw(generators)
        swapped = (uniform < gain.exp()) & self._exchanging[self._parity]
        self._parity = 1 - self._parity
        lower, upper = self._order[:, :-1], self._order[:, 1:]
        order = self._order.clone()
        order[:, :-1] = torch.where(swapped, upper, order[:, :-1])
        order[:, 1:] = torch.where(swapped, lower, order[:, 1:])
        self._order = order
        ladder = self.ladder.unsqueeze(2).expand_as(self._temperatures)
        self._temperatures.scatter_(1, order, ladder)

    def states(self) -> tuple[Tensor, Tensor]:
        """The states in the order of the rungs, [R, T, C, V] and [R, T, C, H]."""
        place = self._order.unsqueeze(3)
        return (
            self.left.gather(1, place.expand_as(self.left)),
            self.right.gather(1, place.expand_as(self.right)),
        )
