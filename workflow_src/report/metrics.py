"""The rows of results/metrics.parquet and results/runs.parquet.

Tidy: one row per metric per evaluation of an experiment, and one row per run of the grids. A group
without a number has one row too, with its state and reason.
"""

from __future__ import annotations

import json
import math
from typing import Any

from workflow_src.report.evaluations import Metric, Run
from workflow_src.report.evidence import Evidence, Group

_NEVER = "it never came 95 % of the way to the best run from the same start"
_NOT_FINITE = {
    "epochs_to_converge": _NEVER,
    "seconds_to_converge": _NEVER,
    "largest_likelihood_fall": "its training log likelihood was not finite",
    "multimodal_approximation_gap": "none of its points has a posterior of several modes",
    "unimodal_approximation_gap": "all of its points have posteriors of several modes",
    "zero_noise_distance": "none of its points has a limit of one point",
    "reference_difference": "the reference gives none of its points a positive density",
}
"""Why the evaluation or the training leaves these without a number."""


def metric_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Rows for the columns `workflow_src.report.schema.METRICS`."""
    studies = {study.name: study for study in evidence.studies}
    rows = []
    for group in evidence.groups:
        shown = studies[group.study].experiments[group.experiment].table.metric
        rows += group_rows(group, shown)
    return rows


def run_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Rows for the columns `workflow_src.report.schema.runs_columns`."""
    chosen = {one.winner.fingerprint for one in evidence.evaluations if one.winner}
    return [_run_row(run, run.fingerprint in chosen) for run in evidence.runs]


def group_rows(group: Group, shown: str) -> list[dict[str, Any]]:
    """The rows of one group; ``shown`` is the metric that stands for those it does not have."""
    evaluation, winner = group.evaluation, group.evaluation.winner
    common = {
        "study": group.study,
        "experiment": group.experiment,
        **group.axes,
        "fraction": float(group.axes["fraction"]),
        "variant": json.dumps(dict(group.variant), sort_keys=True) if group.variant else None,
        "state": evaluation.state,
        "reason": evaluation.reason,
        "winner": winner.fingerprint if winner else None,
        "training_end": winner.reason if winner else None,
        "hyperparameters": _json(winner),
        "evaluation": evaluation.fingerprint,
        "record": evaluation.path.as_posix(),
    }
    if evaluation.metrics:
        return [common | _metric(metric) for metric in evaluation.metrics]
    return [common | {"metric": shown}]


def _metric(metric: Metric) -> dict[str, Any]:
    error = metric.standard_error
    row: dict[str, Any] = {
        "metric": metric.name,
        "importance_samples": metric.importance_samples,
        "unit": metric.unit,
        "value": metric.value,
        # A mean of one point has none.
        "standard_error": error if error is not None and math.isfinite(error) else None,
    }
    if not math.isfinite(metric.value):
        row |= {"value": None, "standard_error": None, "reason": not_finite(metric)}
    return row


def not_finite(metric: Metric) -> str:
    """Why a metric that was measured has no number."""
    if metric.name in _NOT_FINITE:
        return _NOT_FINITE[metric.name]
    return f"the {metric.name.replace('_', ' ')} was {metric.value}"


def _json(run: Run | None) -> str | None:
    if run is None:
        return None
    return json.dumps(dict(run.hyperparameters or {}), sort_keys=True)


def _run_row(run: Run, chosen: bool) -> dict[str, Any]:
    bound = run.validation_bound
    return {
        **run.spec,
        "fraction": float(run.spec["fraction"]),
        "fingerprint": run.fingerprint,
        "state": run.state,
        "reason": run.reason,
        "ended_by_maximum_steps": run.ended_by_maximum_steps,
        "chosen": chosen,
        "validation_bound": bound if bound is not None and math.isfinite(bound) else None,
        "best_step": run.best_step,
        "steps": run.steps,
        "parameter_count": run.parameter_count,
        "device_seconds": run.device_seconds,
        "directory": run.directory,
    }
