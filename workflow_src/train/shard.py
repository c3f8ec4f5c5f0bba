"""The job that trains one shard: finished runs are skipped, interrupted ones go on, the rest start.

The shard is the unit that is safe against kills and doubles: every run is written whole under its
fingerprint, and states are saved on the way. Numbers are the trainer's business.
"""

from __future__ import annotations

import importlib
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from workflow_src.compute import open_device
from workflow_src.config.models import model_declaration, trainer_declaration
from workflow_src.data.prepared import open_verified
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import ENVIRONMENT, Closures
from workflow_src.plan.layout import RUN_RECORD
from workflow_src.provenance.record import remember_code
from workflow_src.storage import read_json_object, sha256_file, write_json
from workflow_src.train.bank import train_bank
from workflow_src.train.membership import Shard, ShardRun, read_shard
from workflow_src.train.run_directory import is_finished, write_run
from workflow_src.train.states import State, discard_state, load_state, save_state

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
    """

    device: str = "cpu"
    threads: int = 1
    seconds_between_saves: float = 30.0
    stop_is_wanted: Callable[[], bool] = lambda: False


def train_shard(membership: Path, manifest: Path, options: ShardOptions) -> None:
    """Train what is missing of a shard and write its manifest.

    Raises
    ------
    UserError
        If the code is no longer the one that was planned, or data or device are missing.
    """
    remember_code()
    shard = read_shard(membership)
    _check_code(shard)
    device = open_device(options.device, options.threads)
    waiting = [run for run in shard.runs if not is_finished(run)]
    for run in shard.runs:
        if run not in waiting:
            # A job that was killed just after it wrote the run leaves the state behind.
            discard_state(run.state)
    log.info(
        "shard %s: %d runs, %d of them finished before",
        shard.digest[:12],
        len(shard.runs),
        len(shard.runs) - len(waiting),
    )
    for bank in _banks(waiting):
        _train_bank(bank, device, options)
    write_json(manifest, _manifest(shard))


def _check_code(shard: Shard) -> None:
    """Refuse to file results of other code under the planned fingerprints."""
    environment = any(ENVIRONMENT in run.code["modules"] for run in shard.runs)
    closures = Closures(PACKAGE_ROOT, environment=environment)
    for model in sorted({run.spec["model"] for run in shard.runs}):
        now = closures.of_model(model).digest
        planned = {run.code["digest"] for run in shard.runs if run.spec["model"] == model}
        if planned != {now}:
            raise UserError(
                f"the code of {model} is not what it was when this shard was planned",
                place=str(PACKAGE_ROOT),
                expected=f"code {', '.join(sorted(planned))[:24]}, found {now[:12]}",
                remedy="start snakemake again; it plans from the code as it is now",
            )


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


def _train_bank(runs: list[ShardRun], device: torch.device, options: ShardOptions) -> None:
    started = datetime.now(UTC)
    first = runs[0]
    data = open_verified(first.prepared, first.prepared_fingerprint)
    trainer = _trainer(first)
    states = [load_state(run.state) for run in runs]
    keeper = _StateKeeper(runs, states, options)
    log.info("training %d x %s on %s", len(runs), _described(first.spec), device)
    hooks = trainer.Hooks(
        save=keeper.save,
        saving_is_due=keeper.saving_is_due,
        stop_is_wanted=options.stop_is_wanted,
        progress=_Teller(len(runs)),
    )
    try:
        trained = train_bank(trainer, [run.spec for run in runs], data, device, states, hooks)
    except ValueError as error:
        place = f"model {first.spec['model']} on {first.spec['data_set']}"
        raise UserError(str(error), place=place) from None
    for outcome, result in trained:
        run = runs[outcome.run]
        write_run(
            run,
            status={"state": outcome.state, "reason": outcome.reason},
            result=result,
            parameters=outcome.parameters,
            history=outcome.history,
            circumstances={
                "device": str(device),
                "bank": [runs[member].fingerprint for member in outcome.bank],
                "interruptions": keeper.interruptions[outcome.run],
            },
            started=started,
        )
        discard_state(run.state)
        log.info("%s %s: %s", outcome.state, run.directory, outcome.reason)


class _StateKeeper:
    """Saves states at intervals and remembers what each run went on from."""

    def __init__(
        self, runs: list[ShardRun], states: Sequence[State | None], options: ShardOptions
    ) -> None:
        self._runs = runs
        self._options = options
        self._last = time.monotonic()
        self.interruptions: list[list[dict[str, Any]]] = [
            [*state[1].get("interruptions", []), _resumption(state)] if state else []
            for state in states
        ]

    def saving_is_due(self) -> bool:
        due = time.monotonic() - self._last >= self._options.seconds_between_saves
        if due:
            self._last = time.monotonic()
        return due

    def save(self, run: int, state: State) -> None:
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


class _Teller:
    """Says on the log how a bank goes, at most every few seconds."""

    def __init__(self, runs: int, seconds: float = 5.0) -> None:
        self._runs = runs
        self._seconds = seconds
        self._last = 0.0

    def __call__(self, progress: Any) -> None:
        if time.monotonic() - self._last < self._seconds:
            return
        self._last = time.monotonic()
        log.info(
            "step %d, %d of %d runs training, best validation bound %.1f nats",
            progress.step,
            progress.active_runs,
            self._runs,
            progress.best_validation_bound,
        )


def _described(spec: Mapping[str, Any]) -> str:
    names = model_declaration(spec["model"]).hyperparameters
    shape = ", ".join(f"{name} {spec[name]}" for name in names)
    return f"{spec['model']} ({shape}) on {spec['data_set']}, {spec['likelihood']}"


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
