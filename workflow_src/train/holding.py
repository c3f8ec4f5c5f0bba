"""Which of a shard's runs this job works on: those whose leases it has.

Another job may be at the same run: one that SLURM has given up and that lives on, or one of a shard
that an earlier plan packed. Whoever has the lease trains; the other comes back later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from workflow_src.jobs.holders import is_succeeded, this_process
from workflow_src.jobs.leases import EXPIRES_AFTER, Lease, acquire, holder_of
from workflow_src.train.membership import ShardRun
from workflow_src.train.run_directory import is_finished_or_set_aside
from workflow_src.train.states import discard_state
from workflow_src.train.training import InterruptedTrainingError

log = logging.getLogger(__name__)


class Holding:
    """The leases of one job, by run."""

    def __init__(self, expires_after: float = EXPIRES_AFTER) -> None:
        self._holder = this_process()
        self._expires_after = expires_after
        self._leases: dict[Path, Lease] = {}
        self._told: set[tuple[Path, str]] = set()
        self._refused: set[Path] = set()

    def take(self, runs: Iterable[ShardRun]) -> list[ShardRun]:
        """Those of ``runs`` that are ours to train: their leases were free, and nobody ended them.

        Raises
        ------
        UserError
            If the folders of states cannot be written.
        """
        return [run for run in runs if self._take(run)]

    def is_held(self, run: ShardRun) -> bool:
        """Whether a run is still ours; looks at the file."""
        lease = self._leases.get(run.state)
        return lease is not None and lease.is_held()

    def has_lost_one(self) -> bool:
        """Whether another job took a run over; as of the last renewal, at no cost."""
        return any(lease.is_lost for lease in self._leases.values())

    def raise_if_succeeded(self) -> None:
        """End a start of this SLURM job that SLURM has given up: its later start does the work.

        Raises
        ------
        InterruptedTrainingError
            If that later start holds a run that was lost, or refused.
        """
        lost = [state for state, lease in self._leases.items() if lease.is_lost]
        for state in (*lost, *self._refused):
            holder = holder_of(state)
            if holder is not None and is_succeeded(self._holder, by=holder):
                raise InterruptedTrainingError(f"a later start of its SLURM job, {holder}")

    def end(self, run: ShardRun) -> None:
        """Remove the state of a finished run and its lease; what another holds by now stays."""
        if self.is_held(run):
            discard_state(run.state)
        lease = self._leases.pop(run.state, None)
        if lease is not None:
            lease.release()

    def release(self) -> None:
        """Give all leases up; the states stay."""
        for lease in self._leases.values():
            lease.release()
        self._leases.clear()

    def clear_up(self, run: ShardRun) -> None:
        """Remove what a job left that was killed just after it had finished the run."""
        # Nothing of a finished run can be lost, so old times of files are proof enough.
        if run.state.exists() and self._acquire(run, watching=False):
            self.end(run)

    def _take(self, run: ShardRun) -> bool:
        if not self._acquire(run):
            self._tell(run)
            return False
        # Whoever had the lease before us may have finished since we looked.
        if is_finished_or_set_aside(run):
            self.end(run)
            return False
        return True

    def _acquire(self, run: ShardRun, *, watching: bool = True) -> bool:
        lease = acquire(
            run.state, self._holder, expires_after=self._expires_after, watching=watching
        )
        if lease is None:
            self._refused.add(run.state)
        else:
            self._refused.discard(run.state)
            self._leases[run.state] = lease
        return lease is not None

    def _tell(self, run: ShardRun) -> None:
        """Say once who has it."""
        holder = holder_of(run.state)
        told = (run.state, holder.token if holder else "")
        if told not in self._told:
            self._told.add(told)
            by = holder or "another job"
            log.info("%s is being trained by %s; left for the end", run.directory, by)
