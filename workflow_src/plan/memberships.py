"""What every job needs to know, as one file per job, so that no job plans again.

A file is named by what it says and written once. Processes that plan at the same time write the
same text; a file that is there is never seen half.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import data_set
from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Code, measurement_fingerprint
from workflow_src.plan.layout import RAW_RECORD
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedData, PlannedEvaluation, PlannedRun, Shard
from workflow_src.plan.seals import SEAL, is_sealed, sealed
from workflow_src.plan.sources import write_sources
from workflow_src.storage import explain, read_json_object, replacing_file

SCHEMA = 2

_CIRCUMSTANTIAL = frozenset({"settings", SEAL})


def write_memberships(plan: Plan) -> None:
    """Write the files of all preparations, shards, evaluations and of the report.

    What has been made already keeps its file as it is; of what is to be made, a file that differs
    (damaged, or written under other directories) is written again. A shard whose job is alive keeps
    the file that the job was started with.
    """
    layout, root = plan.layout, plan.root
    write_sources(plan)
    for data in plan.prepared:
        path = root / layout.prepared_membership(data.fingerprint)
        _ensure(path, lambda data=data: prepared_membership(plan, data))  # type: ignore[misc]
    for shard in plan.shards:
        if shard.digest in plan.live_shards:
            continue
        path = root / layout.shard_membership(shard.digest)
        _ensure(path, lambda shard=shard: shard_membership(plan, shard))  # type: ignore[misc]
    for one in plan.evaluations:
        path = root / layout.evaluation_membership(one.fingerprint)
        if not (one.exists and path.exists()):
            _ensure(path, lambda one=one: evaluation_membership(plan, one))  # type: ignore[misc]
    path = root / layout.report_membership(plan.report)
    _ensure(path, lambda: report_membership(plan))
    _drop_untrue_manifest(root / layout.report_manifest(plan.report))


def discard_outdated(plan: Plan) -> None:
    """Remove what says of files here that they are what the registry asks for, and is wrong.

    For a process that is about to make things, and has the results alone; others only look.
    """
    for data in plan.prepared:
        if not (plan.root / data.record).is_file():
            raw = plan.root / plan.layout.raw(data.raw_name)
            _drop_outdated_raw_record(raw / RAW_RECORD, data)


def _drop_outdated_raw_record(path: Path, data: PlannedData) -> None:
    """Remove the record of published files that are no longer the registry's: they are fetched."""
    with contextlib.suppress(OSError, UserError, AttributeError, KeyError, TypeError):
        found = {name: one["sha256"] for name, one in read_json_object(path)["outputs"].items()}
        wanted = {f.name: f.sha256 for f in data_set(data.data_set).files}
        if found.keys() != wanted.keys() or any(
            sha256 is not None and found[name] != sha256 for name, sha256 in wanted.items()
        ):
            path.unlink()


def _drop_untrue_manifest(path: Path) -> None:
    """Remove a report's manifest that vouches for files which are gone, so that they are remade."""
    with contextlib.suppress(OSError, UserError):
        outputs = read_json_object(path).get("outputs", {})
        if not all((path.parent / name).exists() for name in outputs):
            path.unlink()


def prepared_membership(plan: Plan, data: PlannedData) -> dict[str, Any]:
    """What a preparation job needs to know."""
    return sealed(
        {
            "schema": SCHEMA,
            "fingerprint": data.fingerprint,
            "data_set": data.data_set,
            "likelihood": data.likelihood,
            "recipe": data.recipe,
            "code": _code(plan.closures.of_preparation()),
            "raw": plan.layout.raw(data.raw_name).as_posix(),
            "output": data.directory.as_posix(),
            **_circumstances(plan),
        }
    )


def shard_membership(plan: Plan, shard: Shard) -> dict[str, Any]:
    """What a training job needs to know; its runs are of one model and share the code."""
    first = plan.runs[shard.runs[0]]
    return sealed(
        {
            "schema": SCHEMA,
            "digest": shard.digest,
            "code": _code(plan.closures.of_model(first.spec.model)),
            "runs": [_run_of_shard(plan, plan.runs[fingerprint]) for fingerprint in shard.runs],
            **_circumstances(plan),
        }
    )


def evaluation_membership(plan: Plan, evaluation: PlannedEvaluation) -> dict[str, Any]:
    """What an evaluation job needs to know; ``measurement`` is where a run's would go."""
    return sealed(
        {
            "schema": SCHEMA,
            "fingerprint": evaluation.fingerprint,
            "axes": evaluation.axes,
            "selection": {"metric": "validation_bound"},
            "measures": evaluation.measures,
            "runs": [_run_of_evaluation(plan, evaluation, plan.runs[f]) for f in evaluation.runs],
            "prepared": _prepared(evaluation.prepared),
            **_judges(plan, evaluation),
            "code": _code(plan.closures.of_evaluation(str(evaluation.axes["model"]))),
            "measurement_code": _code(plan.closures.of_measurement(str(evaluation.axes["model"]))),
            "output": evaluation.directory.as_posix(),
            "measurements": plan.layout.measurements(evaluation.axes).as_posix(),
            **_circumstances(plan),
        }
    )


def report_membership(plan: Plan) -> dict[str, Any]:
    """What the report job needs to know: every group with its evaluation, and what was cut."""
    rows = [
        {
            "study": group.study,
            "experiment": group.experiment,
            "axes": group.axes,
            "variant": group.variant,
            "evaluation": one.fingerprint,
            "path": one.path.as_posix(),
        }
        for one in plan.evaluations
        for group in one.groups
    ]
    return sealed(
        {
            "schema": SCHEMA,
            "fingerprint": plan.report,
            "studies": [study.path.as_posix() for study in plan.studies],
            "groups": rows,
            "cut_cells": [one.described() for one in plan.cut_cells],
            "code": _code(plan.closures.of_report()),
            "output": plan.layout.report_manifest(plan.report).as_posix(),
            **_circumstances(plan),
        }
    )


def asked(settings: Settings) -> dict[str, Any]:
    """What the settings ask for, but for paths of one machine."""
    return settings.model_dump(mode="json", exclude={"mirror", "directories"})


def membership_text(content: Mapping[str, Any]) -> str:
    """The text that a membership file has."""
    return json.dumps(content, sort_keys=True) + "\n"


def _asks_for_the_same(there: str, value: Mapping[str, Any]) -> bool:
    """Whether a file asks for the same work, be it by other settings: the first to ask is kept."""
    try:
        known = json.loads(there)
        if there != membership_text(known) or not is_sealed(known):
            return False
        return bool(_work(known) == _work(value))
    except (ValueError, TypeError, AttributeError):
        return False


def _work(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in content.items() if name not in _CIRCUMSTANTIAL}


def _run_of_shard(plan: Plan, run: PlannedRun) -> dict[str, Any]:
    return {
        "fingerprint": run.fingerprint,
        "spec": run.spec.canonical(),
        "directory": run.directory.as_posix(),
        "state": plan.layout.state(run.fingerprint).as_posix(),
        "prepared": _prepared(run.prepared),
    }


def _run_of_evaluation(plan: Plan, one: PlannedEvaluation, run: PlannedRun) -> dict[str, Any]:
    code = plan.closures.of_measurement(str(one.axes["model"]))
    judges = [judge.fingerprint for judge in one.judges]
    fingerprint = measurement_fingerprint(run.fingerprint, one.measures, code, judges)
    directory = plan.layout.measurement(one.axes, run.fingerprint, fingerprint)
    return {
        "fingerprint": run.fingerprint,
        "spec": run.spec.canonical(),
        "directory": run.directory.as_posix(),
        "measurement": {"fingerprint": fingerprint, "directory": directory.as_posix()},
    }


def _judges(plan: Plan, one: PlannedEvaluation) -> dict[str, list[dict[str, Any]]]:
    """The runs that judge what the winner draws, with their data and code; no key without any."""
    judges = [
        {
            "fingerprint": judge.fingerprint,
            "spec": judge.spec.canonical(),
            "directory": judge.directory.as_posix(),
            "prepared": _prepared(judge.prepared),
            "code": _code(plan.closures.of_model(judge.spec.model)),
        }
        for judge in one.judges
    ]
    return {"judges": judges} if judges else {}


def _prepared(data: PlannedData) -> dict[str, str]:
    return {"fingerprint": data.fingerprint, "directory": data.directory.as_posix()}


def _code(code: Code) -> dict[str, Any]:
    return {"digest": code.digest, "modules": code.modules, "identity": code.identity}


def _circumstances(plan: Plan) -> dict[str, Any]:
    """What enters no fingerprint: who asked, and where copies of code go."""
    return {"settings": asked(plan.settings), "sources": plan.layout.sources.as_posix()}


def _ensure(path: Path, content: Callable[[], dict[str, Any]]) -> None:
    value = content()
    text = membership_text(value)
    try:
        with contextlib.suppress(FileNotFoundError):
            there = path.read_text()
            if there == text or _asks_for_the_same(there, value):
                return
    except OSError as error:
        raise explain(error, path) from error
    # Hundreds are written while Snakemake starts, and one that a power cut damages is found to
    # differ and written again.
    with replacing_file(path, durable=False) as temporary:
        temporary.write_text(text)
