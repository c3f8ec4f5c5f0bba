"""The plan packs runs together exactly where the trainer can train them together."""

from __future__ import annotations

from itertools import combinations

from workflow_src.plan.shards import bank_key as planned_key
from workflow_src.plan.specs import RunSpec
from workflow_src.train.gradient.trainer import bank_key as trained_key

BASE = {
    "model": "vae",
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "authors",
    "stream": "full",
    "hyperparameters": (
        ("batch_size", 128),
        ("hidden_units", 30),
        ("learning_rate", 0.01),
        ("maximum_steps", 100),
        ("objective", "importance_weighted_bound"),
        ("stopping", "eleven_below_best"),
        ("validation_interval", 8),
    ),
}
OTHER_AXES = {
    "model": "spvae",
    "data_set": "mnist",
    "likelihood": "binomial",
    "fraction": 0.5,
    "seed": 1,
    "protocol": "text",
    "stream": "restart",
}
OTHER_VALUES = {
    "batch_size": 64,
    "hidden_units": 100,
    "learning_rate": 0.001,
    "maximum_steps": 200,
    "objective": "evidence_lower_bound",
    "stopping": "five_decreases",
    "validation_interval": 16,
}


def variants() -> list[RunSpec]:
    specs = [RunSpec(**BASE)]
    specs += [RunSpec(**{**BASE, axis: value}) for axis, value in OTHER_AXES.items()]
    for name, value in OTHER_VALUES.items():
        changed = tuple((n, value if n == name else v) for n, v in BASE["hyperparameters"])
        specs.append(RunSpec(**{**BASE, "hyperparameters": changed}))
    return specs


def test_plan_and_trainer_agree_on_who_may_share_a_bank() -> None:
    for one, other in combinations(variants(), 2):
        planned = planned_key(one) == planned_key(other)
        trained = trained_key(one.canonical()) == trained_key(other.canonical())
        assert planned == trained, (one, other)
