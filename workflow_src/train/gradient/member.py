"""One run inside a bank: its data, its random streams, its best point and its history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from workflow_src.data.streams import BatchStream
from workflow_src.data.subsets import subset_indices
from workflow_src.plan.seeds import seed
from workflow_src.train.gradient.stopping import StoppingState, advance, says_stop

BEST = "best."


@dataclass
class Member:
    """The state of one run that is not a tensor of the bank.

    Attributes
    ----------
    spec:
        The run's canonical spec.
    best_parameters:
        Copies at the best validation so far; empty before the first finite one.
    history:
        One row per validation: step, training_bound (mean over the interval's batches),
        validation_bound, device_seconds so far.
    """

    spec: Mapping[str, Any]
    train_images: int
    step: int = 0
    best_step: int = 0
    device_seconds: float = 0.0
    stopping: StoppingState = field(default_factory=StoppingState)
    best_parameters: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = self.spec
        self._subset = subset_indices(
            self.train_images, spec["fraction"], spec["data_set"], spec["seed"]
        )
        self._stream = BatchStream(
            len(self._subset),
            spec["batch_size"],
            spec["stream"],
            seed(
                "batches",
                data_set=spec["data_set"],
                fraction=spec["fraction"],
                seed=spec["seed"],
            ),
        )

    def next_images(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Numbers of the training images in the next batch."""
        return self._subset[self._stream.next_indices()]

    def validated(self, training: float, validation: float, parameters: dict[str, Tensor]) -> None:
        """Take in one validation's mean bounds in nats and the parameters that gave them."""
        # An infinite bound is a divergence, never the best point.
        if math.isfinite(validation):
            if validation > self.stopping.best:
                self.best_step = self.step
                self.best_parameters = parameters
            self.stopping = advance(self.spec["stopping"], self.stopping, validation)
        self.history.append(
            {
                "step": self.step,
                "training_bound": training,
                "validation_bound": validation,
                "device_seconds": self.device_seconds,
            }
        )

    def verdict(self) -> tuple[str, str] | None:
        """``(state, reason)`` once the run is over, else None."""
        last = self.history[-1]
        for name in ("training_bound", "validation_bound"):
            if not math.isfinite(last[name]):
                named = name.replace("_", " ")
                return "diverged", f"the {named} was {last[name]} at step {self.step}"
        if says_stop(self.spec["stopping"], self.stopping):
            return "completed", f"early stopping ({self.spec['stopping']})"
        if self.step >= self.spec["maximum_steps"]:
            return "completed", "maximum_steps reached before early stopping"
        return None

    def facts(self) -> dict[str, Any]:
        """What `restored` needs besides tensors; fit for JSON."""
        return {
            "step": self.step,
            "best_step": self.best_step,
            "device_seconds": self.device_seconds,
            "stopping": asdict(self.stopping),
            "history": self.history,
            "stream": self._stream.state(),
        }

    def restore(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue where `facts` and the best parameters among ``tensors`` were taken."""
        self.step = facts["step"]
        self.best_step = facts["best_step"]
        self.device_seconds = facts["device_seconds"]
        self.stopping = StoppingState(**facts["stopping"])
        self.history = list(facts["history"])
        self._stream.load_state(facts["stream"])
        self.best_parameters = {
            name.removeprefix(BEST): value
            for name, value in tensors.items()
            if name.startswith(BEST)
        }
