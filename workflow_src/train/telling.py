"""Says how a shard goes: lines on the log now and then, and facts for the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from workflow_src.config.models import model_declaration
from workflow_src.jobs.bars import Bar, are_wanted
from workflow_src.jobs.heartbeat import current

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 5.0


class BankTeller:
    """Told after every validation how a bank goes.

    ``steps_per_second`` is that since the last validation, validating included.
    """

    def __init__(
        self, spec: Mapping[str, Any], runs: int, first_step: int, bar: Bar | None = None
    ) -> None:
        self._bar = Bar() if bar is None else bar
        self._runs = runs
        self._title = f"{spec['model']} on {spec['data_set']}, {spec['likelihood']}"
        self._step = first_step
        self._moment = time.monotonic()
        self._last_line = 0.0
        # Where validations are so many, and not every so many epochs, steps are no epochs.
        last = spec.get("maximum_steps", spec.get("maximum_epochs"))
        most = None if "validations" in spec else last
        self._bar.tell(done=first_step, total=most)
        current().progress(
            bank=described(spec),
            bank_runs=runs,
            step=first_step,
            maximum_steps=most,
            active_runs=runs,
            best_bound=None,
            steps_per_second=None,
        )

    def __call__(self, progress: Any) -> None:
        """Pass a trainer's `Progress` on."""
        moment = time.monotonic()
        seconds, steps = moment - self._moment, progress.step - self._step
        self._moment, self._step = moment, progress.step
        best = float(progress.best_validation_bound)
        # Runs that were interrupted at different steps follow one another in one bank.
        rate = round(steps / seconds, 3) if steps > 0 and seconds > 0 else None
        current().progress(
            step=progress.step,
            active_runs=progress.active_runs,
            best_bound=best,
            steps_per_second=rate,
        )
        running = f", {progress.active_runs} of {self._runs} runs" if self._runs > 1 else ""
        self._bar.tell(done=progress.step, rate=rate, note=f"best bound {best:.2f} nats{running}")
        if moment - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = moment
        log.info(
            "%s: step %d, %d of %d runs training, best validation bound %.1f nats",
            self._title,
            progress.step,
            progress.active_runs,
            self._runs,
            progress.best_validation_bound,
            # On a terminal the bar says it.
            extra={"file_only": are_wanted()},
        )


def described(spec: Mapping[str, Any]) -> str:
    """What the runs of a bank have in common, in words."""
    names = model_declaration(spec["model"]).hyperparameters
    shape = ", ".join(f"{name} {spec[name]}" for name in names)
    return f"{spec['model']} ({shape}) on {spec['data_set']}, {spec['likelihood']}"
