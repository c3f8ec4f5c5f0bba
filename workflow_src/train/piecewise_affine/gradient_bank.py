"""What the two ways of training by gradients share: Adam, free noise, and priors of the weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workflow_src.train.gradient.optimizer import BankAdam
from workflow_src.train.piecewise_affine.epochs import Columns, EpochBank
from workflow_src.train.piecewise_affine.free_noise import FreeNoise
from workflow_src.train.training import Hooks, Tensors

FREE_NOISE = "free_noise"


class GradientBank(EpochBank):
    """Runs whose parameters lie side by side, [R, ...] each, and move by Adam."""

    optimizer: BankAdam

    def begin(self) -> None:
        free = {FREE_NOISE: self.noise().start()}
        starts = [
            {name: value for name, value in start.items() if name != "noise"} | free | more
            for start, more in zip(self.starts(), self.further_starts(), strict=True)
        ]
        self.optimizer = BankAdam(self.stacked(starts, list(starts[0])), self._learning_rate())

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        names = [name for name in self.model.parameter_shapes() if name != "noise"]
        names += [FREE_NOISE, *self.further_names()]
        self.optimizer = BankAdam(self.stacked(saved, names), self._learning_rate())
        self.optimizer.restore_moments(saved, self.step * self.batches_per_epoch)

    def further_starts(self) -> list[Tensors]:
        """Parameters beside the generator's, of each run at its start."""
        return [{} for _ in self.members]

    def further_names(self) -> tuple[str, ...]:
        """Their names."""
        return ()

    @abstractmethod
    def objective(self, points: Tensor, streams: Sequence[torch.Generator]) -> Tensor:
        """A sum over runs whose gradient a step ascends, of points [R, N, D]; means over them."""

    def train_epochs(self, epochs: int, hooks: Hooks) -> list[Columns]:
        started = self.now()
        streams = self.streams("training noise", step=self.step) if epochs else []
        for points in self.batches(epochs * self.batches_per_epoch):
            self.raise_if_stopped(hooks)
            self.optimizer.maximise(self.objective(points, streams) + self._log_prior())
            self._stay_within_prior()
        self.step += epochs
        seconds = (self.now() - started) / len(self.members)
        return [{"seconds": seconds} for _ in self.members]

    def noise(self) -> FreeNoise:
        """From the free numbers of the noise to its covariance."""
        return FreeNoise(self.model.noise, self.model.values, self.model.starting_noise)

    def generator_parameters(self, index: int) -> Tensors:
        parameters = self.optimizer.parameters
        found = {
            name: parameters[name][index].detach().cpu().clone()
            for name in self.model.parameter_shapes()
            if name != "noise"
        }
        free = parameters[FREE_NOISE][index : index + 1].detach()
        return found | {"noise": self.noise().packed(free)[0].cpu()}

    def kept(self, index: int) -> Tensors:
        return self.generator_parameters(index)

    def moving(self, index: int) -> Tensors:
        return self.optimizer.run_state(index)

    def keep(self, staying: Sequence[int]) -> None:
        self.optimizer = self.optimizer.keeping(staying)

    def _learning_rate(self) -> float:
        rate: float = self.spec["learning_rate"]
        return rate

    def _weights(self) -> list[Tensor]:
        layers = range(1, self.model.layers + 1)
        return [self.optimizer.parameters[f"weights.{layer}"] for layer in layers]

    def _log_prior(self) -> Tensor | float:
        """What moves of the weights' log prior, over the number of points, summed over runs."""
        kind, scale = self.weight_prior.kind, self.weight_prior.scale
        points = len(self.members[0].subset)
        if kind == "gaussian":
            squares = sum(weights.square().sum() for weights in self._weights())
            return -squares / (2 * scale**2 * points)
        if kind == "laplace":
            return -sum(weights.abs().sum() for weights in self._weights()) / (scale * points)
        return 0.0

    @torch.no_grad()
    def _stay_within_prior(self) -> None:
        if self.weight_prior.kind == "uniform":
            for weights in self._weights():
                weights.clamp_(-self.weight_prior.scale, self.weight_prior.scale)
