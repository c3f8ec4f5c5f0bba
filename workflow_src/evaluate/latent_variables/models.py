"""What the evaluation asks of a model with latent variables beyond what training asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from workflow_src.models.latent_variables import LatentVariableModel, LogPartition


class MeasuredModel(LatentVariableModel, Protocol):
    """A `LatentVariableModel` that can also be looked into and drawn from.

    Shapes use R = runs in the bank, N = images, D = values of an image.
    """

    def training_bounds(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """One-sample bounds [R, N] of the smoothed model at training's last temperature, by name.

        ``joint_bound`` and ``marginal_bound`` (equations 4 and 5), of equal parameters and noise;
        a bound that the model does not have is left out. The noise is that of `training_step`.
        """
        ...

    def group_divergences(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        """Divergence of each group's approximate posterior from its prior, [R, groups].

        In nats, mean over the images, at training's last temperature, with its noise. A Boltzmann
        machine's is the first, without its log partition function.
        """
        ...

    def log_partition_estimates(
        self, parameters: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, LogPartition]:
        """The prior's log partition function by every estimator; empty where it is normalised."""
        ...

    def draw(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generator: torch.Generator,
        global_states: int,
        draws: int,
    ) -> tuple[Tensor, Tensor]:
        """Images of one run in the binary limit, and their expected pixels given all codes.

        Both [global states, draws, D]; the draws of one row share the global latent variables.
        Images have the data's units, and expected pixels are shares of the full range.
        """
        ...

    def smoothing_curve(self) -> Mapping[str, Any] | None:
        """``smoothing`` (a name) and ``inverse_temperature``, as trained; None without one."""
        ...
