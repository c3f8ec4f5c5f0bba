"""The job that trains one shard: finished runs are skipped, interrupted ones go on, the rest start.

The shard is the unit that is safe against kills and doubles: every run is written whole under its
fingerprint, states are saved on the way, and a lease per run keeps two jobs from training the same.
Numbers are the trainer's business.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.config.models import model_declaration, trainer_declaration
from workflow_src.data.prepared import open_verified
from workflow_src.errors import UserError
from workflow_src.jobs.bars import Bar, bar
from workflow_src.jobs.heartbeat import current
from workflow_src.jobs.leases import EXPIRES_AFTER
from workflow_src.plan.fingerprints import ENVIRONMENT, Closures, Code
from workflow_src.plan.layout import RUN_RECORD
from workflow_src.provenance.record import remember_code
from workflow_src.storage import read_json_object, sha256_file, write_json
from workflow_src.train.bank import train_bank
from workflow_src.train.devices import open_job_device
from workflow_src.train.holding import Holding
from workflow_src.train.keeping import StateKeeper
from workflow_src.train.loading import load_code
from workflow_src.train.membership import Shard, ShardRun, read_shard
from workflow_src.train.run_directory import is_finished, write_run
from workflow_src.train.states import load_state
from workflow_src.train.telling import BankTeller, described
from workflow_src.train.training import Hooks, InterruptedTrainingError

log = logging.getLogger(__name__)

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ShardOptions:
    """How a shard is trained, as opposed to what.

    Attributes
    ----------
    device:
        ``cpu``, ``cuda`` or ``cuda:N``.
    threads:
        CPU threads.
    seconds_between_saves:
        A state is saved at the first validation after so long.
    stop_is_wanted:
        Asked before every step; true ends the job with all saved states standing.
    lease_seconds:
        A run whose job gave no sign of life for so long may be taken over by another one.
    seconds_between_looks:
        While other jobs have all that is left.
    """

    device: str = "cpu"
    threads: int = 1
    seconds_between_saves: float = 30.0
    stop_is_wanted: Callable[[], bool] = lambda: False
    lease_seconds: float = EXPIRES_AFTER
    seconds_between_looks: float = 5.0


def train_shard(membership: Path, manifest: Path, options: ShardOptions) -> None:
    """Train what is missing of a shard and write its manifest.

    Runs that another job has at the moment are left for the end and then waited for.

    Raises
    ------
    InterruptedTrainingError
        When ``options.stop_is_wanted`` says so, or when SLURM has started this job again and that
        later start has taken runs over.
    UserError
        If the code is no longer the one that was planned, or data or device are missing.
    """
    remember_code()
    shard = read_shard(membership)
    _load_code(shard)
    job = _Job(shard, options)
    try:
        with bar("runs of the shard", len(shard.runs), "runs") as job.bar:
            job.train()
    finally:
        job.holding.release()
    write_json(manifest, _manifest(shard))


class _Job:
    """What is left of a shard, round by round until nothing is."""

    def __init__(self, shard: Shard, options: ShardOptions) -> None:
        self.shard = shard
        self.options = options
        self.holding = Holding(options.lease_seconds)
        self.was_stopped = False
        self.finished = 0
        self.bar = Bar()
        self.device = open_job_device(
            options.device, options.threads, while_waiting=self._raise_if_stopped
        )

    def train(self) -> None:
        left = self._unfinished(self.shard.runs)
        log.info(
            "shard %s: %d runs, %d of them finished before",
            self.shard.digest[:12],
            len(self.shard.runs),
            len(self.shard.runs) - len(left),
        )
        self._tell(left)
        while left:
            any_ours = self._round(left)
            left = self._unfinished(left)
            self._tell(left, waiting_for=0 if any_ours else len(left))
            if left and not any_ours:
                # Another job finishes them, or its leases end.
                self._raise_if_stopped()
                time.sleep(self.options.seconds_between_looks)

    def _unfinished(self, runs: Sequence[ShardRun]) -> list[ShardRun]:
        left = [run for run in runs if not is_finished(run)]
        for run in runs:
            if run not in left:
                self.holding.clear_up(run)
        return left

    def _round(self, runs: Sequence[ShardRun]) -> bool:
        """Go through the banks once; whether any run of them was ours to train."""
        any_ours = False
        for bank in _banks(runs):
            ours = self.holding.take(bank)
            self.holding.raise_if_succeeded()
            if ours:
                any_ours = True
                self._train_bank(ours)
        return any_ours

    def _tell(self, left: Sequence[ShardRun], waiting_for: int = 0) -> None:
        self.finished = len(self.shard.runs) - len(left)
        self.bar.tell(done=self.finished)
        current().progress(
            runs=len(self.shard.runs),
            runs_finished=self.finished,
            waiting_for=waiting_for,
        )

    def _train_bank(self, runs: list[ShardRun]) -> None:
        """Train runs of one shape until they end, the job is to stop, or a lease is lost."""
        spec = runs[0].spec
        words = f"{len(runs)} x {spec['model']}, {spec['data_set']}, {spec['likelihood']}"
        with bar(words, unit="steps") as shown:
            self._train_together(runs, shown)

    def _train_together(self, runs: list[ShardRun], shown: Bar) -> None:
        started = datetime.now(UTC)
        spec = runs[0].spec
        data = open_verified(runs[0].prepared, runs[0].prepared_fingerprint)
        trainer = _trainer(runs[0])
        states = [load_state(run.state) for run in runs]
        seconds = self.options.seconds_between_saves
        keeper = StateKeeper(runs, states, seconds, self.holding.is_held)
        log.info("training %d x %s on %s", len(runs), described(spec), self.device)
        hooks = Hooks(
            save=keeper.save,
            saving_is_due=keeper.saving_is_due,
            stop_is_wanted=self._stop_is_wanted,
            progress=BankTeller(
                spec, len(runs), max(s[1]["step"] if s else 0 for s in states), shown
            ),
        )
        specs = [run.spec for run in runs]
        try:
            trained = train_bank(trainer, specs, data, self.device, states, hooks)
        except ValueError as error:
            place = f"model {spec['model']} on {spec['data_set']}"
            raise UserError(str(error), place=place) from None
        try:
            for outcome, result in trained:
                interruptions = keeper.interruptions[outcome.run]
                self._write(runs, outcome, result, interruptions, started)
        except InterruptedTrainingError:
            if self.was_stopped:
                raise
            self.holding.raise_if_succeeded()
            log.warning("another job took runs of this bank over; the others go on")
        finally:
            self.holding.release()

    def _write(
        self,
        bank: Sequence[ShardRun],
        outcome: Any,
        result: Mapping[str, Any],
        interruptions: list[dict[str, Any]],
        started: datetime,
    ) -> None:
        run = bank[outcome.run]
        write_run(
            run,
            status={"state": outcome.state, "reason": outcome.reason},
            result=result,
            parameters=outcome.parameters,
            history=outcome.history,
            circumstances={
                "device": str(self.device),
                "bank": [bank[member].fingerprint for member in outcome.bank],
                "interruptions": interruptions,
            },
            started=started,
        )
        self.holding.end(run)
        self.finished += 1
        self.bar.tell(done=self.finished)
        current().progress(runs_finished=self.finished)
        log.info("%s %s: %s", outcome.state, run.directory, outcome.reason)

    def _stop_is_wanted(self) -> bool:
        self.was_stopped = self.was_stopped or self.options.stop_is_wanted()
        return self.was_stopped or self.holding.has_lost_one()

    def _raise_if_stopped(self) -> None:
        if self.options.stop_is_wanted():
            raise InterruptedTrainingError


def _load_code(shard: Shard) -> None:
    """Load the code that was planned, and refuse to go on with any other."""
    for code in _checked_code(shard):
        load_code(code)
    # What was edited while it was loaded.
    _checked_code(shard)


def _checked_code(shard: Shard) -> list[Code]:
    """The code of the shard's models; results of other code are not filed under its names."""
    found = []
    environment = any(ENVIRONMENT in run.code["modules"] for run in shard.runs)
    closures = Closures(PACKAGE_ROOT, environment=environment)
    for model in sorted({run.spec["model"] for run in shard.runs}):
        code = closures.of_model(model)
        planned = {run.code["digest"] for run in shard.runs if run.spec["model"] == model}
        if planned != {code.digest}:
            raise UserError(
                f"the code of {model} is not what it was when this shard was planned",
                place=str(PACKAGE_ROOT),
                expected=f"code {', '.join(sorted(planned))[:24]}, found {code.digest[:12]}",
                remedy="start snakemake again; it plans from the code as it is now",
            )
        found.append(code)
    return found


def _banks(runs: Sequence[ShardRun]) -> list[list[ShardRun]]:
    """Runs grouped by what their trainer can train together, in the shard's order."""
    banks: dict[Any, list[ShardRun]] = {}
    for run in runs:
        key = (run.prepared, _trainer(run).bank_key(run.spec))
        banks.setdefault(key, []).append(run)
    return list(banks.values())


def _trainer(run: ShardRun) -> Any:
    declaration = model_declaration(run.spec["model"])
    return importlib.import_module(trainer_declaration(declaration.trainer).module)


def _manifest(shard: Shard) -> dict[str, Any]:
    runs = []
    for run in shard.runs:
        path = run.directory / RUN_RECORD
        status = read_json_object(path)["content"]["status"]
        runs.append(
            {
                "fingerprint": run.fingerprint,
                "directory": run.directory.as_posix(),
                "status": status,
                "record_sha256": sha256_file(path),
            }
        )
    return {"schema": 1, "digest": shard.digest, "runs": runs}
