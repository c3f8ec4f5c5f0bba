"""What one run is: a flat, typed, canonical description that its fingerprint is made from.

A spec says everything about a training that a person may choose; data and code enter the
fingerprint beside it. Everything is resolved: no value is left to a default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflow_src.errors import UserError

Scalar = str | int | float | bool

AXES = ("model", "data_set", "likelihood", "fraction", "seed", "protocol", "stream")


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One training of one model.

    ``fraction`` is the part of the training images that it sees, in (0, 1]. ``hyperparameters``
    are the model's and its trainer's, all of them, sorted by name.
    """

    model: str
    data_set: str
    likelihood: str
    fraction: float
    seed: int
    protocol: str
    stream: str
    hyperparameters: tuple[tuple[str, Scalar], ...]

    def __post_init__(self) -> None:
        # Equal specs must have equal text, so 1 and 1.0 and the order of names are settled here.
        object.__setattr__(self, "fraction", float(self.fraction))
        object.__setattr__(self, "hyperparameters", tuple(sorted(self.hyperparameters)))
        if not 0.0 < self.fraction <= 1.0:
            raise UserError(f"fraction {self.fraction!r} is refused", expected="0 < fraction <= 1")
        names = [name for name, _ in self.hyperparameters]
        if len({*names, *AXES}) != len(names) + len(AXES):
            raise UserError(
                "two values of one run have the same name",
                place=", ".join(sorted({n for n in names if n in AXES or names.count(n) > 1})),
            )
        for name, value in self.hyperparameters:
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"{name} is {value!r}", expected="a finite number")

    def canonical(self) -> dict[str, Scalar]:
        """The axes and the hyperparameters as one flat dictionary of JSON scalars."""
        return {
            "model": self.model,
            "data_set": self.data_set,
            "likelihood": self.likelihood,
            "fraction": self.fraction,
            "seed": self.seed,
            "protocol": self.protocol,
            "stream": self.stream,
            **dict(self.hyperparameters),
        }

    def hyperparameter(self, name: str) -> Scalar:
        """The value of one hyperparameter; KeyError where the run has none of that name."""
        return dict(self.hyperparameters)[name]


def from_canonical(values: Mapping[str, Any]) -> RunSpec:
    """The spec whose `RunSpec.canonical` gives ``values``, as read from a membership or record."""
    missing = [name for name in AXES if name not in values]
    if missing:
        raise UserError(f"a run's spec lacks {', '.join(missing)}", expected=", ".join(AXES))
    return RunSpec(
        **{name: values[name] for name in AXES},
        hyperparameters=tuple((n, v) for n, v in values.items() if n not in AXES),
    )
