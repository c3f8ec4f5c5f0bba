"""Says how a shard goes: lines on the log now and then, and facts for the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from workflow_src.config.models import model_declaration
from workflow_src.jobs.heartbeat import current

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 5.0


class BankTeller:
    """Told after every validation how a bank goes.

    ``steps_per_second`` is that since the last validation, validating included.
    """

    def __init__(self, spec: Mapping[str, Any], runs: int, first_step: int) -> None:
        self._runs = runs
        self._step = first_step
        self._moment = time.monotonic()
        self._last_line = 0.0
        current().progress(
            bank=described(spec),
            bank_runs=runs,
            step=first_step,
            # Where validations are so many, and not every so many epochs, steps are no epochs.
            maximum_steps=None
            if "validations" in spec
            else spec.get("maximum_steps", spec.get("maximum_epochs")),
            active_runs=runs,
            best_bound=None,
            steps_per_second=None,
        )

    def __call__(self, progress: Any) -> None:
        """Pass a trainer's `Progress` on."""
        moment = time.monotonic()
        seconds, steps = moment - self._moment, progress.step - self._step
        self._moment, self._step = moment, progress.step
        current().progress(
            step=progress.step,
            active_runs=progress.active_runs,
            best_bound=float(progress.best_validation_bound),
            # Runs that were interrupted at different steps follow one another in one bank.
            steps_per_second=round(steps / seconds, 3) if steps > 0 and seconds > 0 else None,
        )
        if moment - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = moment
        log.info(
            "step %d, %d of %d runs training, best validation bound %.1f nats",
            progress.step,
            progress.active_runs,
            self._runs,
            progress.best_validation_bound,
        )


def described(spec: Mapping[str, Any]) -> str:
    """What the runs of a bank have in common, in words."""
    names = model_declaration(spec["model"]).hyperparameters
    shape = ", ".join(f"{name} {spec[name]}" for name in names)
    return f"{spec['model']} ({shape}) on {spec['data_set']}, {spec['likelihood']}"
