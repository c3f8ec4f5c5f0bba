"""What every trainer takes and gives, so that jobs need to know no trainer.

A trainer is a folder beside this module whose `trainer` has `bank_key` and `train`. It knows
tensors and plain values only, and reaches the world through `Hooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Tensors = dict[str, Tensor]
State = tuple[Tensors, dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    Attributes
    ----------
    run:
        Its place in the list of specs.
    bank:
        Places of all runs that it was trained with since this start, its own among them.
    state:
        ``completed`` or ``diverged``.
    reason:
        What ended it.
    parameters:
        Those of the best validation; empty where no validation was finite.
    """

    run: int
    bank: tuple[int, ...]
    state: str
    reason: str
    parameters: Tensors
    best_validation_bound: float | None
    best_step: int
    steps: int
    device_seconds: float
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Progress:
    """A bank after a validation: its step, the runs still in it, and the highest bound in nats."""

    step: int
    active_runs: int
    best_validation_bound: float


@dataclass(frozen=True)
class Hooks:
    """How the trainer reaches the world around it.

    Attributes
    ----------
    save:
        Called with a run's place and its state at the last validation, when saving is due and when
        training gives up.
    saving_is_due:
        Whether to save at this validation.
    stop_is_wanted:
        Whether to give up now, before the next step.
    progress:
        Told after every validation that leaves runs in training.
    """

    save: Callable[[int, State], None]
    saving_is_due: Callable[[], bool]
    stop_is_wanted: Callable[[], bool]
    progress: Callable[[Progress], None]


class InterruptedTrainingError(Exception):
    """Training gave up because it was asked to; it can be resumed from the states saved."""
