"""A small workflow whose evaluation depends on judges, made whole in this process."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.studies import tiny_study
from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import settings_from_mapping
from workflow_src.data.job import fetch_data_set, prepare_data_set
from workflow_src.evaluate.job import evaluate
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.planned import PlannedEvaluation
from workflow_src.train.shard import ShardOptions, train_shard

SAMPLES = 12
SEEDS = [0, 1]
VALUES = {
    "filters": 8,
    "dense_units": 16,
    "batch_size": 50,
    "maximum_epochs": 4,
    "validation_interval": 2,
    "learning_rate": 0.01,
}


def judged_study() -> dict[str, Any]:
    """Images of threes that a VAE draws are judged; the judges have an experiment of their own."""
    study = tiny_study(vae=[{"hidden_units": [3], "latent_dimensions": [1]}])
    judged = study["experiments"]["table1"]
    judged["measures"]["judged_samples"] = SAMPLES
    judged["table"]["metric"] = "judged_accuracy"
    grid = judged["scales"]["demo"]
    grid["data_sets"] = ["digits_class_3"]
    grid["judges"] = {
        "model": "convolutional_classifier",
        "seeds": list(SEEDS),
        "values": dict(VALUES),
    }
    study["experiments"]["judges"] = own_experiment()
    return study


def own_experiment() -> dict[str, Any]:
    """The judges as what an experiment compares, with the very values that they judge with."""
    return {
        "title": "Judges",
        "description": "How many real images they know.",
        "presentation": "table",
        "table": {"rows": "model", "columns": ["data_set"], "metric": "test_accuracy"},
        "measures": {"classification": True},
        "scales": {
            "demo": {
                "data_sets": ["digits"],
                "likelihoods": ["gaussian"],
                "seeds": list(SEEDS),
                "models": {
                    "convolutional_classifier": [{n: [value] for n, value in VALUES.items()}]
                },
            }
        },
    }


@dataclass
class JudgedWorld:
    """Settings and results in a directory; ``study`` is written at every planning."""

    root: Path
    study: dict[str, Any]
    settings: dict[str, Any]

    def plan(self) -> Plan:
        path = self.root / "tiny.yaml"
        path.write_text(yaml.safe_dump(self.study))
        settings = settings_from_mapping({"studies": [str(path)], **self.settings})
        return build_plan(settings, root=self.root)

    def make(self) -> Plan:
        """Fetch, prepare, train and evaluate all that the plan lacks; the plan before that."""
        plan = self.plan()
        with contextlib.chdir(self.root):
            write_memberships(plan)
            for data in plan.prepared:
                if not data.record.is_file():
                    facts = data_set(data.data_set)
                    raw = plan.layout.raw(data.raw_name)
                    if not (raw / "record.json").is_file():
                        fetch_data_set(facts, raw, None)
                    prepare_data_set(facts, data.likelihood, data.fingerprint, raw, data.directory)
            for shard in plan.shards:
                train_shard(
                    plan.layout.shard_membership(shard.digest),
                    plan.layout.shard_manifest(shard.digest),
                    ShardOptions(),
                )
            for one in plan.evaluations:
                if not one.exists:
                    self.evaluate(plan, one)
        return plan

    def evaluate(self, plan: Plan, one: PlannedEvaluation) -> None:
        with contextlib.chdir(self.root):
            membership = plan.layout.evaluation_membership(one.fingerprint)
            evaluate(membership, device="cpu", threads=1, memory_megabytes=100)

    def judged(self, plan: Plan) -> PlannedEvaluation:
        """The one evaluation that has judges."""
        (found,) = [one for one in plan.evaluations if one.judges]
        return found

    def record(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.root / path).read_text())
        return content


def judged_world(root: Path) -> JudgedWorld:
    return JudgedWorld(root, copy.deepcopy(judged_study()), {"seeds": [0]})


@contextlib.contextmanager
def without_mirror() -> Iterator[None]:
    mirror = os.environ.pop("DENSITY_BENCH_MIRROR", None)
    try:
        yield
    finally:
        if mirror is not None:
            os.environ["DENSITY_BENCH_MIRROR"] = mirror
