"""Where the annealing of every layer of every run of a bank is, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workflow_src.models.convolutional_mixtures.annealing import (
    Annealing,
    AnnealingSettings,
    neighbourhood,
)
from workflow_src.train.names import STATE

_LAYERS = STATE + "annealing"
_SUMS = STATE + "window_sums"


class AnnealedLayers:
    """The annealing of a bank.

    Parameters
    ----------
    components:
        Of each layer, the lowest first.
    starts:
        The step, from 0, at which each layer begins to learn.
    runs:
        How many there are, at their beginning; `restore` lets them go on elsewhere.

    Attributes
    ----------
    neighbourhoods:
        Of each layer ``[R, K, K]``, in single precision; None once none has a neighbour left.
    rates:
        Of each layer the runs' step sizes, [R].
    """

    def __init__(
        self,
        components: Sequence[int],
        starts: Sequence[int],
        runs: int,
        settings: AnnealingSettings,
        device: torch.device,
    ) -> None:
        self._components = components
        self._starts = starts
        self._settings = settings
        self._device = device
        begun = [Annealing.start(count, settings) for count in components]
        self._take([begun] * runs, torch.zeros(runs, len(components), dtype=torch.float64))

    def learning(self, step: int) -> list[bool]:
        """Of each layer whether it learns in a step."""
        return [step >= start for start in self._starts]

    def observe(self, step: int, objectives: Sequence[Tensor]) -> None:
        """Take in every layer's smoothed loss [R] of a step, before the parameters moved."""
        window = self._settings.window
        for layer, (start, objective) in enumerate(zip(self._starts, objectives, strict=True)):
            if step < start:
                continue
            self._sums[:, layer] += objective
            if (step - start + 1) % window == 0:
                self._end_window(layer, (self._sums[:, layer] / window).tolist())
                self._sums[:, layer] = 0

    def sigmas(self, run: int) -> list[float]:
        """The width of every layer's neighbourhood."""
        return [one.sigma for one in self._layers[run]]

    def run_state(self, run: int) -> dict[str, Tensor]:
        """All that a run goes on from, by names as states have them."""
        numbers = [one.numbers() for one in self._layers[run]]
        return {
            _LAYERS: torch.tensor(numbers, dtype=torch.float64),
            _SUMS: self._sums[run].cpu().clone(),
        }

    def restore(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Go on from what `run_state` gave of each run."""
        layers = [[Annealing.of(one) for one in state[_LAYERS].tolist()] for state in states]
        self._take(layers, torch.stack([state[_SUMS] for state in states]))

    def _take(self, layers: Sequence[Sequence[Annealing]], sums: Tensor) -> None:
        self._layers = [list(run) for run in layers]
        self._sums = sums.to(self._device)
        every = range(len(self._components))
        self.neighbourhoods = [self._neighbourhood(layer) for layer in every]
        self.rates = [self._rates(layer) for layer in every]

    def _end_window(self, layer: int, means: Sequence[float]) -> None:
        before = [run[layer] for run in self._layers]
        after = [one.after(mean, self._settings) for one, mean in zip(before, means, strict=True)]
        for run, one in zip(self._layers, after, strict=True):
            run[layer] = one
        if [one.sigma for one in before] != [one.sigma for one in after]:
            self.neighbourhoods[layer] = self._neighbourhood(layer)
        self.rates[layer] = self._rates(layer)

    def _neighbourhood(self, layer: int) -> Tensor | None:
        count = self._components[layer]
        every = torch.stack([neighbourhood(count, run[layer].sigma) for run in self._layers])
        # Cast first: what single precision does not tell from being alone is alone.
        single = every.to(torch.float32)
        if torch.equal(single, torch.eye(count).expand_as(single)):
            return None
        return single.to(self._device)

    def _rates(self, layer: int) -> Tensor:
        rates = [run[layer].learning_rate for run in self._layers]
        return torch.tensor(rates, dtype=torch.float32, device=self._device)
