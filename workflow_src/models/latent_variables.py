"""Models with latent variables, binary or not, over whole images: what training and evaluation ask.

The models of the DVAE++ paper. Each trains on a bound of the log-likelihood in which binary latent
variables are smoothed or handled by a score-function estimator, and is measured in the binary
limit, in which they are binary again.

Shapes use R = runs in the bank, N = images, D = values of an image, K = importance samples. All
tensors of a bank have the run axis in front; those that belong to one run have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from workflow_src.models.images import ImageFacts

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class NoiseShape:
    """One tensor of noise that one run takes: uniform on [0, 1) or standard normal."""

    kind: Literal["uniform", "normal"]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """Where training is.

    Attributes
    ----------
    progress:
        Share of the planned steps that are done, in [0, 1].
    kl_weight:
        Factor of the Kullback-Leibler divergence in the objective, in [0, 1] (gamma in appendix H).
    """

    progress: float
    kl_weight: float


@dataclass(frozen=True)
class Step:
    """What one step of training computes.

    Attributes
    ----------
    objective:
        ``[R]``; training ascends its gradient. It need not be the bound itself: estimators add
        terms whose value means nothing and whose gradient does.
    bound:
        ``[R]``, detached: the bound in nats, without annealing, mean over the batch. What a
        partition function adds to it is left out where it is not known.
    state:
        The new values of what moves without a gradient, detached, ``[R, ...]``.
    """

    objective: Tensor
    bound: Tensor
    state: Tensors


@dataclass(frozen=True)
class LogPartition:
    """The logarithm of a prior's partition function, estimated or exact.

    Attributes
    ----------
    value:
        In nats, ``[R]``; 0 where the prior is normalised.
    standard_error:
        Of ``value``, ``[R]``; 0 where it is exact.
    """

    value: Tensor
    standard_error: Tensor


class LatentVariableModel(Protocol):
    """What the annealed trainer and the evaluation ask of a model."""

    @property
    def images(self) -> ImageFacts:
        """The images it is a density of."""
        ...

    @property
    def decayed(self) -> frozenset[str]:
        """Names of the parameters that weight decay applies to."""
        ...

    @property
    def auxiliary(self) -> frozenset[str]:
        """Names of the parameters that only estimate gradients; their rate is ten times higher.

        A baseline, for one, has to keep up with what it predicts.
        """
        ...

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's trained parameters, by name."""
        ...

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what moves without a gradient (moving statistics, chains, ...), by name."""
        ...

    def initial_parameters(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        """One run's starting parameters; ``mean`` [D] is the mean training image."""
        ...

    def initial_state(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        """One run's starting state; ``mean`` [D] is the mean training image."""
        ...

    def parameter_count(self) -> int:
        """Trained numbers of one run."""
        ...

    def training_noise(self, images: int) -> dict[str, NoiseShape]:
        """The noise that one run's `training_step` takes for so many images."""
        ...

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        """The state after the persistent chains have moved; called before every step.

        Without a gradient. ``generators`` has one stream for each run.
        """
        ...

    def training_step(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        """Objective and bound of images ``pixels`` [R, N, D] with noise [R, ...] by name."""
        ...

    def weight_noise(self, samples: int, images: int) -> dict[str, NoiseShape]:
        """The noise that one run's `log_weights` takes: K first, then N, in every tensor."""
        ...

    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        """log p(x, z) - log q(z | x) in the binary limit, [R, K, N], of images [R, N, D].

        Uses moving statistics. What is missing of log p(x, z) is minus `log_partition`.
        """
        ...

    def values_per_weight(self) -> int:
        """Numbers that `log_weights` holds at once for one sample of one image of one run."""
        ...

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        """The prior's log partition function; ``effort`` says how much work it is worth."""
        ...


def draw_noise(
    shapes: Mapping[str, NoiseShape],
    generators: Sequence[torch.Generator],
    device: torch.device,
) -> Tensors:
    """The noise of a bank, ``[R, *shape]`` by name; every run draws from its own stream."""
    drawn: Tensors = {}
    for name, noise in shapes.items():
        values = torch.empty(len(generators), *noise.shape, device=device)
        for run, generator in enumerate(generators):
            if noise.kind == "uniform":
                values[run].uniform_(generator=generator)
            else:
                values[run].normal_(generator=generator)
        drawn[name] = values
    return drawn
