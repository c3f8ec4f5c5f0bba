"""One run inside a bank: its data, its random streams, its best point and its history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from workflow_src.data.streams import BatchStream
from workflow_src.data.subsets import subset_indices
from workflow_src.plan.seeds import seed
from workflow_src.train.endings import Ended, verdict
from workflow_src.train.names import BEST

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass
class Member:
    """The state of one run that is not a tensor of the bank.

    Attributes
    ----------
    spec:
        The run's canonical spec.
    train_images:
        How many there are; the run sees its fraction of them.
    ended:
        The trainer's stopping rule.
    best_bound:
        Highest finite validation bound so far in nats, -inf before the first one; one that equals
        it is no improvement.
    best_parameters:
        Copies at the best validation so far; empty before the first finite one.
    history:
        One row per validation: step, training_bound (mean over the interval's batches),
        validation_bound, device_seconds so far, and what the trainer adds.
    """

    spec: Mapping[str, Any]
    train_images: int
    ended: Ended
    step: int = 0
    best_bound: float = -math.inf
    best_step: int = 0
    device_seconds: float = 0.0
    best_parameters: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = self.spec
        self.subset: Numbers = subset_indices(
            self.train_images, spec["fraction"], spec["data_set"], spec["seed"]
        )
        self._stream = BatchStream(
            len(self.subset),
            spec["batch_size"],
            spec["stream"],
            seed(
                "batches",
                data_set=spec["data_set"],
                fraction=spec["fraction"],
                seed=spec["seed"],
            ),
        )

    def next_images(self) -> Numbers:
        """Numbers of the training images in the next batch."""
        return self.subset[self._stream.next_indices()]

    def validated(self, measured: Mapping[str, float], parameters: dict[str, Tensor]) -> None:
        """Take in one validation, a row without step and seconds, and the parameters behind it."""
        bound = measured["validation_bound"]
        # An infinite bound is a divergence, never the best point.
        if math.isfinite(bound) and bound > self.best_bound:
            self.best_bound = bound
            self.best_step = self.step
            self.best_parameters = parameters
        self.history.append(
            {
                "step": self.step,
                "training_bound": measured["training_bound"],
                "validation_bound": bound,
                "device_seconds": self.device_seconds,
                **measured,
            }
        )

    def verdict(self) -> tuple[str, str] | None:
        """``(state, reason)`` once the run is over, else None."""
        return verdict(self.ended, self.spec, self.history)

    def validation_bounds(self) -> list[float]:
        """Those of all validations so far, in nats."""
        return [row["validation_bound"] for row in self.history]

    def facts(self) -> dict[str, Any]:
        """What `restore` needs besides tensors; fit for JSON."""
        return {
            "step": self.step,
            "best_step": self.best_step,
            "best_bound": self.best_bound if self.best_parameters else None,
            "device_seconds": self.device_seconds,
            "history": self.history,
            "stream": self._stream.state(),
        }

    def restore(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue where `facts` and the best parameters among ``tensors`` were taken."""
        self.step = facts["step"]
        self.best_step = facts["best_step"]
        self.best_bound = -math.inf if facts["best_bound"] is None else facts["best_bound"]
        self.device_seconds = facts["device_seconds"]
        self.history = list(facts["history"])
        self._stream.load_state(facts["stream"])
        self.best_parameters = {
            name.removeprefix(BEST): value
            for name, value in tensors.items()
            if name.startswith(BEST)
        }
