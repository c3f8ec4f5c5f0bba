"""Code that can change a number is in fingerprints; the rest of what jobs load is named here."""

from __future__ import annotations

import pytest
from support import architecture

from workflow_src.config.models import model_declarations
from workflow_src.plan.fingerprints import BEYOND, Closures

BESIDE = {
    "workflow_src.data.fetching": "files are checked against the registry, the recipe's digests",
    "workflow_src.data.downloading": "files are checked against the registry, the recipe's digests",
    "workflow_src.data.progress": "shows how a download goes",
    "workflow_src.data.job": "hands the recipe to preparation.py and its splits to arrays.py",
    "workflow_src.train.shard": "hands specs and whole prepared data to bank.py, keeps its results",
    "workflow_src.train.devices": "chooses among the GPUs of a node; compute.py opens it",
    "workflow_src.train.holding": "decides which job trains a run, not how",
    "workflow_src.train.keeping": "hands states to states.py, now and then",
    "workflow_src.train.telling": "says how training goes",
    "workflow_src.train.loading": "imports what closures name",
    "workflow_src.train.membership": "reads specs, of which the fingerprint is made",
    "workflow_src.train.run_directory": "writes what bank.py gives by checkpoints.py, with records",
    "workflow_src.train.states": "keeps what checkpoints.py writes between attempts",
    "workflow_src.jobs.bar_columns": "shows how a job goes",
    "workflow_src.jobs.bars": "shows how a job goes",
    "workflow_src.jobs.failures": "tells the machine's failures from others after they happened",
    "workflow_src.jobs.gpus": "chooses among the GPUs of a node; compute.py opens it",
    "workflow_src.jobs.heartbeat": "says how a job goes",
    "workflow_src.jobs.holders": "names processes, for leases",
    "workflow_src.jobs.journal": "says how a job goes",
    "workflow_src.jobs.leases": "decide which job trains a run, not how",
    "workflow_src.jobs.renewing": "keeps leases alive",
    "workflow_src.jobs.slurm": "tells which SLURM job a process belongs to",
    "workflow_src.evaluate.measuring": "finds the covered module that measures a model",
    "workflow_src.evaluate.judge_runs": "hands whole checkpoints and data to judging.py",
    "workflow_src.evaluate.job": "hands whole records, data and parameters to the covered modules",
}
"""Modules that jobs load and no closure covers, and why they cannot change a number."""

JOBS = ("workflow_src.data.job", "workflow_src.train.shard", "workflow_src.evaluate.job")


@pytest.fixture(scope="module")
def covered() -> set[str]:
    closures = Closures(architecture.PACKAGE)
    closures.of_preparation()
    for model in model_declarations():
        closures.of_model(model), closures.of_evaluation(model), closures.of_measurement(model)
    return {name for code in closures.known for name in code.modules}


def housekeeping(module: str) -> bool:
    # Planning makes the names themselves; of its modules only seeds decides numbers.
    return architecture.part(module) in {*BEYOND, "exit_codes", "__init__"} or (
        module.startswith("workflow_src.plan") and module != "workflow_src.plan.seeds"
    )


def test_everything_that_jobs_load_is_covered_or_named_with_its_reason(covered: set[str]) -> None:
    loaded = architecture.reachable(JOBS, architecture.imports())
    beside = {name for name in loaded - covered if not housekeeping(name)}
    empty = {
        name
        for name in beside
        if name.endswith((".train", ".evaluate", ".data", ".models", ".jobs"))
    }
    assert beside - empty == set(BESIDE)


@pytest.mark.parametrize(
    "module",
    [
        "data.arrays",
        "data.preparation",
        "data.prepared",
        "data.streams",
        "evaluate.leaf_models.bounds",
        "evaluate.leaf_models.measurement",
        "evaluate.selection",
        "models.building",
        "plan.seeds",
        "train.bank",
        "train.checkpoints",
        "train.annealed.trainer",
        "train.gradient.trainer",
        "train.loop",
    ],
)
def test_what_decides_numbers_is_covered(module: str, covered: set[str]) -> None:
    assert f"workflow_src.{module}" in covered
