"""The job of one group: read its runs, choose the winner, measure it once, write both down.

A measurement lies under its own fingerprint, so that a winner that stays the winner of a larger
grid is not measured again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workflow_src.archive.results import Results
from workflow_src.compute import settings
from workflow_src.config.models import model_declaration
from workflow_src.data.prepared import open_verified
from workflow_src.errors import UserError
from workflow_src.evaluate.judge_runs import (
    JudgeRun,
    are_as_named,
    loaded_judges,
    parents_of,
    read_judges,
)
from workflow_src.evaluate.measurement import Measurement, MemoryBudgetError
from workflow_src.evaluate.measuring import measure_run
from workflow_src.evaluate.selection import choose_among, held_in_common
from workflow_src.jobs.bars import bar
from workflow_src.plan.fingerprints import ENVIRONMENT, Closures, Code
from workflow_src.plan.layout import (
    EVALUATION_RECORD,
    MEASUREMENT_RECORD,
    PREPARED_RECORD,
    RUN_RECORD,
)
from workflow_src.provenance.record import build_record, parent, remember_code, verify_outputs
from workflow_src.storage import new_directory, read_json_object, write_json
from workflow_src.train.devices import open_job_device
from workflow_src.train.loading import load_code
from workflow_src.train.run_directory import read_parameters, read_run

log = logging.getLogger(__name__)

TIMED_OUTPUTS = frozenset({"costs.npz"})
"""Files of arrays that tell how long something took, in which equal measurements differ."""

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


def evaluate(membership: Path, *, device: str, threads: int, memory_megabytes: int) -> None:
    """Evaluate the group that the membership file describes.

    Raises
    ------
    UserError
        If a run, the data or the device is missing or damaged, the code is no longer the one that
        was planned, or the memory budget is too small.
    """
    started = datetime.now(UTC)
    remember_code()
    group = read_json_object(membership)
    for code in _checked_code(group):
        load_code(code)
    # What was edited while it was loaded.
    _checked_code(group)
    place = open_job_device(device, threads)
    _bring_from_packs(group)
    records = [read_run(Path(run["directory"])) for run in group["runs"]]
    winner, reason = choose_among(records)
    candidates = [
        _candidate(run, record) for run, record in zip(group["runs"], records, strict=True)
    ]
    judges = read_judges(group)
    measurement = None
    if winner is not None:
        run = next(run for run in group["runs"] if run["fingerprint"] == winner)
        measurement = _ensure_measurement(group, run, judges, place, memory_megabytes << 20)
    else:
        common = held_in_common([run["spec"] for run in group["runs"]], group["axes"])
        log.warning("no winner for %s with %s: %s", group["axes"], common, reason)
    _write_evaluation(group, candidates, winner, reason, judges, measurement, started)


def _checked_code(group: Mapping[str, Any]) -> list[Code]:
    """The code of the evaluation and its judges; results of other code do not get its name."""
    closures = Closures(PACKAGE_ROOT, environment=ENVIRONMENT in group["code"]["modules"])
    planned = [(group["code"], closures.of_evaluation(group["axes"]["model"]))]
    judging = {one["spec"]["model"]: one["code"] for one in group.get("judges", ())}
    planned += [(code, closures.of_model(model)) for model, code in judging.items()]
    for said, code in planned:
        if code.digest != said["digest"]:
            raise UserError(
                "the code of the evaluation is not what it was when this job was planned",
                place=str(PACKAGE_ROOT),
                expected=f"code {said['digest'][:12]}, found {code.digest[:12]}",
                remedy="start snakemake again; it plans from the code as it is now",
            )
    return [code for _, code in planned]


def _bring_from_packs(group: Mapping[str, Any]) -> None:
    """Put runs, measurements of them, and judges in their places where they are only packed."""
    root = Path(group["output"]).parents[3]
    results = Results(root)
    directories = [
        directory
        for run in group["runs"]
        for directory in (run["directory"], run["measurement"]["directory"])
    ]
    for directory in [*directories, *(one["directory"] for one in group.get("judges", ()))]:
        results.bring(Path(directory).relative_to(root).as_posix())


def _candidate(run: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate as the evaluation's record shows it."""
    content = record["content"]
    spec, result, status = content["spec"], content["result"], content["status"]
    names = model_declaration(spec["model"]).hyperparameters
    return {
        "fingerprint": run["fingerprint"],
        "directory": run["directory"],
        "spec": spec,
        "hyperparameters": {name: spec[name] for name in names},
        "state": status["state"],
        "reason": status["reason"],
        "validation_bound": result["best_validation_bound"],
        "parameter_count": result["parameter_count"],
        "best_step": result["best_step"],
        "steps": result["steps"],
        "device_seconds": result["device_seconds"],
    }


def _ensure_measurement(
    group: Mapping[str, Any],
    run: Mapping[str, Any],
    judges: Sequence[JudgeRun],
    device: torch.device,
    memory_bytes: int,
) -> dict[str, Any]:
    """The winner's measurement record, made where it is not there yet."""
    started = datetime.now(UTC)
    directory = Path(run["measurement"]["directory"])
    path = directory / MEASUREMENT_RECORD
    if path.exists():
        record = read_json_object(path)
        findings = verify_outputs(record, directory)
        if findings:
            raise UserError(
                f"the measurement is damaged: {'; '.join(findings)}",
                place=str(directory),
                remedy=f"remove {directory} and start again; it is measured anew",
            )
        own = {run["fingerprint"]: Path(run["directory"])}
        if are_as_named(record, {**_directories(judges), **own}):
            return record
        aside = directory.with_name(f".{directory.name}.damaged-{started:%Y%m%d%H%M%S%f}")
        log.warning("a run was made again with another result; %s is measured anew", directory)
        directory.rename(aside)
    prepared = group["prepared"]
    data = open_verified(Path(prepared["directory"]), prepared["fingerprint"])
    parameters = read_parameters(Path(run["directory"]))
    log.info("measuring %s on %d test images", run["directory"], len(data.test))
    shown = f"measuring {run['spec']['model']} on {len(data.test)} test images"
    try:
        with bar(shown):
            measurement = measure_run(
                run["spec"],
                parameters,
                data,
                group["measures"],
                device,
                memory_bytes,
                loaded_judges(judges, device),
            )
    except MemoryBudgetError as error:
        raise UserError(
            str(error),
            place=f"evaluation.{'gpu_' if device.type == 'cuda' else ''}memory_megabytes",
            remedy="raise it in config.yaml",
        ) from error
    _write_measurement(directory, group, run, judges, measurement, started)
    return read_json_object(path)


def _directories(judges: Iterable[JudgeRun]) -> dict[str, Path]:
    return {judge.named["fingerprint"]: judge.directory for judge in judges}


def _described(judges: Sequence[JudgeRun]) -> dict[str, Any]:
    """What a record says of judges; nothing where there are none."""
    return {"judges": [judge.described() for judge in judges]} if judges else {}


def _write_measurement(
    directory: Path,
    group: Mapping[str, Any],
    run: Mapping[str, Any],
    judges: Sequence[JudgeRun],
    measurement: Measurement,
    started: datetime,
) -> None:
    with new_directory(directory) as temporary:
        outputs = {}
        for name, arrays in measurement.arrays.items():
            outputs[f"{name}.npz"] = temporary / f"{name}.npz"
            np.savez_compressed(temporary / f"{name}.npz", allow_pickle=False, **arrays)
        run_path = Path(run["directory"]) / RUN_RECORD
        data_path = Path(group["prepared"]["directory"]) / PREPARED_RECORD
        record = build_record(
            "measurement",
            fingerprint=run["measurement"]["fingerprint"],
            content={
                "run": run["fingerprint"],
                "spec": run["spec"],
                "measures": group["measures"],
                **_described(judges),
                "code": group["measurement_code"],
                "metrics": measurement.metrics,
                "images": measurement.images,
                "dimensions": measurement.dimensions,
                "seconds": round(measurement.seconds, 3),
                "images_per_second": round(measurement.images / measurement.seconds, 3),
                "settings": group["settings"],
            },
            parents=[
                parent("run", run["fingerprint"], run_path),
                parent("prepared", group["prepared"]["fingerprint"], data_path),
                *parents_of(judges, with_data=group["prepared"]["fingerprint"]),
            ],
            outputs=outputs,
            timed_outputs=TIMED_OUTPUTS & outputs.keys(),
            started=started,
            threads=settings()["threads"],
            determinism=settings(),
            sources=Path(group["sources"]),
        )
        write_json(temporary / MEASUREMENT_RECORD, record)


def _write_evaluation(
    group: Mapping[str, Any],
    candidates: list[dict[str, Any]],
    winner: str | None,
    reason: str | None,
    judges: Sequence[JudgeRun],
    measurement: Mapping[str, Any] | None,
    started: datetime,
) -> None:
    parents = [
        parent("run", c["fingerprint"], Path(c["directory"]) / RUN_RECORD) for c in candidates
    ]
    measured = None
    if measurement is not None:
        directory = next(
            run["measurement"]["directory"] for run in group["runs"] if run["fingerprint"] == winner
        )
        measured = {"fingerprint": measurement["fingerprint"], "directory": directory}
        parents.append(
            parent("measurement", measurement["fingerprint"], Path(directory) / MEASUREMENT_RECORD)
        )
    parents += parents_of(judges)
    with new_directory(Path(group["output"])) as temporary:
        record = build_record(
            "evaluation",
            fingerprint=group["fingerprint"],
            content={
                "axes": group["axes"],
                "selection": group["selection"],
                "measures": group["measures"],
                "code": group["code"],
                "candidates": candidates,
                **_described(judges),
                "winner": winner,
                "reason": reason,
                "measurement": measured,
                "metrics": measurement["content"]["metrics"] if measurement else [],
                "settings": group["settings"],
            },
            parents=parents,
            started=started,
            threads=settings()["threads"],
            sources=Path(group["sources"]),
        )
        write_json(temporary / EVALUATION_RECORD, record)
