"""Evidence of a report put together by hand, with records where a test writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_src.lineage.remembering import RememberedResults
from workflow_src.report.evaluations import MEASURED, MISSING, Evaluation, Run
from workflow_src.report.evidence import Evidence, Group
from workflow_src.storage import digest, write_json

AXES = {"fraction": 1.0, "seed": 0, "protocol": "authors", "stream": "full"}


def run_of(name: str, model: str = "vae", data_set: str = "digits", **facts: Any) -> Run:
    """A run that took 100 steps and 2 seconds, unless said otherwise; its spec is short."""
    spec = {"model": model, "data_set": data_set, "likelihood": "gaussian", **AXES}
    known = {"state": "completed", "steps": 100, "device_seconds": 2.0, "parameter_count": 10}
    return Run(name, spec, f"results/runs/{model}/{data_set}-gaussian/{name}", **(known | facts))


def group_of(
    study: str,
    name: str,
    runs: Iterable[Run],
    *,
    winner: str | None = None,
    state: str = MEASURED,
    judges: Iterable[Run] = (),
) -> Group:
    """An evaluation of these runs, all of one model and data set."""
    candidates = tuple(runs)
    spec = candidates[0].spec
    axes = {one: spec[one] for one in ("model", "data_set", "likelihood", *AXES)}
    evaluation = Evaluation(
        fingerprint=name,
        path=Path(f"results/evaluations/{spec['model']}/{spec['data_set']}/{name}/evaluation.json"),
        state=state,
        reason="not evaluated yet" if state == MISSING else None,
        runs=candidates,
        winner=next((run for run in candidates if run.fingerprint == winner), None),
        metrics=(),
        measurement=None,
        dimensions=None,
        ended=None,
        archive=RememberedResults(Path("results")),
        judge_runs=tuple(judges),
    )
    return Group(study, "table1", axes, evaluation)


def evidence_of(*groups: Group) -> Evidence:
    """These groups, with results in the working directory."""
    return Evidence(
        fingerprint="x",
        manifest=Path("results/report/manifest-x.json"),
        code={},
        studies=(),
        groups=groups,
        settings={},
        sources=Path("results/sources"),
        archive=RememberedResults(Path("results")),
    )


def write_record(path: str | Path, **fields: Any) -> None:
    """A whole record with these fields alone."""
    record = {"schema_version": 2} | fields
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_json(Path(path), record | {"record_digest": digest(record)})
