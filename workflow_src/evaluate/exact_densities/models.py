"""What the evaluation asks of a model with an exact density beyond what training asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork


class MeasuredModel(Protocol):
    """A model that is a deep generative network, with or without an encoder beside it."""

    def generative_network(self, parameters: Mapping[str, Tensor]) -> DeepGenerativeNetwork:
        """The network and its noise of a checkpoint's parameters, in float64."""
        ...

    def encoded(
        self, parameters: Mapping[str, Tensor], points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Means [N, S] and covariances [N, S, S] of the encoder for points [N, D], in float64.

        None where the parameters hold no encoder.
        """
        ...
