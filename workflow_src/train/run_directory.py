"""A finished run on disk: record, checkpoint and history, written whole and checked when read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from workflow_src.archive.results import CHECKPOINT, read_not_kept
from workflow_src.compute import settings
from workflow_src.data.arrays import SPLIT_INDICES
from workflow_src.errors import UserError
from workflow_src.plan.layout import PREPARED_RECORD, RUN_RECORD
from workflow_src.provenance.record import build_record, parent, refuse_newer_record, verify_outputs
from workflow_src.storage import (
    NewerSchemaError,
    explain,
    new_directory,
    read_json_object,
    write_json,
)
from workflow_src.train.checkpoints import tensors_of, write_tensors
from workflow_src.train.membership import ShardRun

log = logging.getLogger(__name__)

HISTORY = "history.parquet"


def write_run(
    run: ShardRun,
    *,
    status: Mapping[str, str],
    result: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    history: Sequence[Mapping[str, float]],
    circumstances: Mapping[str, Any],
    started: datetime,
) -> None:
    """Write a finished run; where another writer was quicker, its result stays.

    ``parameters`` may be empty (a run that never had a finite bound has no checkpoint);
    ``circumstances`` is how the run was computed: device, bank members, interruptions.
    """
    with new_directory(run.directory) as directory:
        outputs: dict[str, Path] = {HISTORY: directory / HISTORY}
        pq.write_table(pa.Table.from_pylist([dict(row) for row in history]), directory / HISTORY)
        if parameters:
            outputs[CHECKPOINT] = directory / CHECKPOINT
            write_tensors(directory / CHECKPOINT, parameters)
        data_record = run.prepared / PREPARED_RECORD
        data = read_json_object(data_record)
        record = build_record(
            "run",
            fingerprint=run.fingerprint,
            content={
                "spec": run.spec,
                "seed_derivation": "every random stream is seeded by the sha256 of its purpose "
                "and named axes of the spec (workflow_src.plan.seeds)",
                "data": run.prepared_fingerprint,
                "data_recipe": data["content"]["recipe"],
                "split_indices_sha256": data["outputs"][SPLIT_INDICES]["sha256"],
                "code": run.code,
                "status": dict(status),
                "result": dict(result),
                "circumstances": dict(circumstances),
                "settings": run.settings,
            },
            parents=[parent("prepared", run.prepared_fingerprint, data_record)],
            outputs=outputs,
            timed_outputs=(HISTORY,),
            started=started,
            threads=settings()["threads"],
            determinism=settings(),
            sources=run.sources,
        )
        write_json(directory / RUN_RECORD, record)


def read_run(directory: Path) -> dict[str, Any]:
    """A finished run's record, after every byte that it vouches for was checked.

    Raises
    ------
    UserError
        If a file is missing or changed.
    """
    record = read_json_object(directory / RUN_RECORD)
    refuse_newer_record(record, directory / RUN_RECORD)
    findings = verify_outputs(record, directory)
    if findings:
        raise UserError(
            f"the run is damaged: {'; '.join(findings)}",
            place=str(directory),
            remedy=f"remove {directory} and start again; it is trained anew",
        )
    return record


def read_parameters(directory: Path) -> dict[str, Tensor]:
    """The parameters of a finished run, without a run axis.

    Raises
    ------
    UserError
        If the checkpoint was not kept when the run was packed.
    """
    path = directory / CHECKPOINT
    if not path.exists() and CHECKPOINT in read_not_kept(directory):
        fingerprint = directory.name.rpartition("-")[2]
        raise UserError(
            "the checkpoint of this run was not kept, since no evaluation had needed it",
            place=str(directory),
            remedy=f"drop the run with `python -m workflow_src pack --forget {fingerprint}` and "
            "start Snakemake; it is trained anew",
        )
    return tensors_of(path.read_bytes())


def is_finished(run: ShardRun) -> bool:
    """Whether the run is there and whole; only looks.

    Raises
    ------
    NewerSchemaError
        If a newer version of this project wrote it.
    UserError, OSError
        If the file system does not let one look: then it may be whole.
    """
    return _is_there(run) and _damage(run) is None


def is_finished_or_set_aside(run: ShardRun) -> bool:
    """As `is_finished`, for who holds the run's lease: a damaged one is moved away and told."""
    if not _is_there(run):
        return False
    damage = _damage(run)
    if damage is None:
        return True
    moment = f"{datetime.now():%Y%m%d%H%M%S%f}"
    aside = run.directory.with_name(f".{run.directory.name}.damaged-{moment}")
    try:
        run.directory.rename(aside)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise explain(error, run.directory) from error
    log.warning("%s; it is kept as %s and trained anew", damage, aside)
    return False


def _is_there(run: ShardRun) -> bool:
    try:
        return any(run.directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _damage(run: ShardRun) -> UserError | None:
    """What is wrong with a run; None where it is whole."""
    try:
        read_run(run.directory)
    except NewerSchemaError:
        raise
    except UserError as error:
        if isinstance(error.__cause__, OSError):
            # A passing fault of the file system says nothing about the run.
            raise
        return error
    except FileNotFoundError as error:
        return UserError("it vanished while it was looked at", place=str(error.filename))
    return None
