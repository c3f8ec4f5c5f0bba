"""Adam over a bank of runs: one update for all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam

from workflow_src.train.optimizer import BankOptimizer


class BankAdam(BankOptimizer):
    """Adam with its default decay rates and epsilon on parameters with a run axis in front.

    Parameters
    ----------
    parameters:
        ``[R, ...]`` each; made trainable here.
    learning_rate:
        The same for all runs of the bank.
    """

    def __init__(self, parameters: Mapping[str, Tensor], learning_rate: float) -> None:
        super().__init__(parameters)
        self._learning_rate = learning_rate

    def like(self, parameters: Mapping[str, Tensor]) -> BankAdam:
        """Adam of the same learning rate."""
        return BankAdam(parameters, self._learning_rate)

    def maximise(self, objective: Tensor) -> None:
        """One step up the gradient of a scalar that sums the runs' objectives."""
        self.backward(objective)
        trained = {n: v for n, v in self.parameters.items() if v.grad is not None}
        device = next(iter(trained.values())).device
        with torch.no_grad():
            adam(
                list(trained.values()),
                [value.grad for value in trained.values() if value.grad is not None],
                [self.first[name] for name in trained],
                [self.second[name] for name in trained],
                [],
                self.counts(len(trained), device),
                foreach=False,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._learning_rate,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )
        self.updates += 1
