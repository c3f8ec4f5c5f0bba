"""Saves states at intervals, of the runs that are still this job's, and what each went on from."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from workflow_src.errors import UserError
from workflow_src.plan.layout import RUN_RECORD
from workflow_src.train.membership import ShardRun
from workflow_src.train.states import State, save_state


class StateKeeper:
    """The states of one bank while it is trained.

    Parameters
    ----------
    runs, states:
        The bank's runs, and what each goes on from.
    seconds:
        Between two saves.
    is_ours:
        Whether a run's state may still be written by this job.
    """

    def __init__(
        self,
        runs: Sequence[ShardRun],
        states: Sequence[State | None],
        seconds: float,
        is_ours: Callable[[ShardRun], bool],
    ) -> None:
        self._runs = runs
        self._seconds = seconds
        self._is_ours = is_ours
        self._last = time.monotonic()
        self.interruptions: list[list[dict[str, Any]]] = [
            [*state[1].get("interruptions", []), _resumption(state)] if state else []
            for state in states
        ]

    def saving_is_due(self) -> bool:
        """Whether the interval is over; it begins anew then."""
        due = time.monotonic() - self._last >= self._seconds
        if due:
            self._last = time.monotonic()
        return due

    def save(self, run: int, state: State) -> None:
        """Write the state of the bank's run with that place, unless another job has it now."""
        if not self._is_ours(self._runs[run]):
            return
        tensors, facts = state
        circumstances = {
            "interruptions": self.interruptions[run],
            "bank": [member.fingerprint for member in self._runs],
        }
        try:
            save_state(self._runs[run].state, (tensors, facts | circumstances))
        except UserError:
            # A job beside this one may just have finished the run and cleared its state away.
            if not (self._runs[run].directory / RUN_RECORD).exists():
                raise


def _resumption(state: State) -> dict[str, Any]:
    return {
        "resumed_from_step": state[1]["step"],
        "bank_before": state[1].get("bank", []),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
    }
