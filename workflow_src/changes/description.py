"""A plan as JSON, for programs: what `plan --json` prints and `why --since` compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.config.models import model_declarations
from workflow_src.plan.fingerprints import Closures, Code
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedEvaluation

SCHEMA = 1


def described(plan: Plan) -> dict[str, Any]:
    """Everything that the plan names, by fingerprint, and whether it exists."""
    return {
        "schema": SCHEMA,
        "settings": plan.settings.model_dump(mode="json"),
        "closures": {code.step: _code(code) for code in all_code(plan.closures)},
        "prepared": {
            data.fingerprint: {
                "data_set": data.data_set,
                "likelihood": data.likelihood,
                "recipe": data.recipe,
                "directory": data.directory.as_posix(),
                "exists": (plan.root / data.record).is_file(),
            }
            for data in plan.prepared
        },
        "runs": _runs(plan),
        "cut_cells": [one.described() for one in plan.cut_cells],
        "evaluations": {
            one.fingerprint: {
                "axes": one.axes,
                "runs": list(one.runs),
                "measures": one.measures,
                "prepared": one.prepared.fingerprint,
                **_judges(one),
                "directory": one.directory.as_posix(),
                "exists": one.exists,
                "groups": [
                    {"study": group.study, "experiment": group.experiment, "variant": group.variant}
                    for group in one.groups
                ],
            }
            for one in plan.evaluations
        },
        "report": {
            "fingerprint": plan.report,
            "exists": (plan.root / plan.layout.report_manifest(plan.report)).is_file(),
        },
    }


def all_code(closures: Closures) -> tuple[Code, ...]:
    """The code of every step of every model that there is, planned or not."""
    models = sorted(model_declarations())
    return (
        closures.of_preparation(),
        *(closures.of_model(model) for model in models),
        *(closures.of_measurement(model) for model in models),
        *(closures.of_evaluation(model) for model in models),
        closures.of_report(),
    )


def _judges(one: PlannedEvaluation) -> dict[str, list[str]]:
    """The runs that judge what a winner draws; no key where nothing is judged."""
    judges = [judge.fingerprint for judge in one.judges]
    return {"judges": judges} if judges else {}


def _runs(plan: Plan) -> Mapping[str, Any]:
    missing = frozenset(plan.missing)
    return {
        name: {
            "spec": run.spec.canonical(),
            "data": run.prepared.fingerprint,
            "directory": run.directory.as_posix(),
            "exists": name not in missing,
        }
        for name, run in plan.runs.items()
    }


def _code(code: Code) -> dict[str, Any]:
    return {"digest": code.digest, "identity": code.identity, "modules": code.modules}
