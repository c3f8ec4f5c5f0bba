"""The plan packs runs together exactly where the trainer can train them together."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from workflow_src.plan.shards import bank_key as planned_key
from workflow_src.plan.specs import RunSpec
from workflow_src.train.annealed.trainer import bank_key as annealed_key
from workflow_src.train.expectation_maximisation.trainer import bank_key as expectation_key
from workflow_src.train.gradient.trainer import bank_key as gradient_key

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

ANNEALED_BASE = {
    **BASE,
    "model": "discrete_vae",
    "likelihood": "bernoulli",
    "hyperparameters": (
        ("batch_size", 100),
        ("binarisation", "each_batch"),
        ("kl_annealing", 0.3),
        ("learning_rate", 0.003),
        ("maximum_steps", 100),
        ("objective", "joint_bound"),
        ("optimizer", "adam"),
    ),
}
OTHER_ANNEALED_VALUES = {
    "batch_size": 64,
    "binarisation": "once",
    "kl_annealing": 0.5,
    "learning_rate": 0.001,
    "maximum_steps": 200,
    "objective": "marginal_bound",
    "optimizer": "adamax",
}

EXPECTATION_BASE = {
    **BASE,
    "model": "rat_spn",
    "hyperparameters": (
        ("batch_size", 100),
        ("batches_per_step", 1),
        ("components", 10),
        ("maximum_epochs", 25),
        ("minimum_variance", 0.0001),
        ("split_depth", 4),
        ("step_size", 0.05),
        ("structure_seed", 0),
    ),
}
OTHER_EXPECTATION_VALUES = {
    "batch_size": 0,
    "batches_per_step": 2,
    "components": 20,
    "maximum_epochs": 5,
    "minimum_variance": 0.01,
    "split_depth": 1,
    "step_size": 1.0,
    "structure_seed": 1,
}


def variants(base: dict[str, Any], other_values: dict[str, Any]) -> list[RunSpec]:
    specs = [RunSpec(**base)]
    specs += [RunSpec(**{**base, axis: value}) for axis, value in OTHER_AXES.items()]
    for name, value in other_values.items():
        changed = tuple((n, value if n == name else v) for n, v in base["hyperparameters"])
        specs.append(RunSpec(**{**base, "hyperparameters": changed}))
    return specs


@pytest.mark.parametrize(
    ("trained_key", "base", "other_values"),
    [
        (gradient_key, BASE, OTHER_VALUES),
        (annealed_key, ANNEALED_BASE, OTHER_ANNEALED_VALUES),
        (expectation_key, EXPECTATION_BASE, OTHER_EXPECTATION_VALUES),
    ],
)
def test_plan_and_trainer_agree_on_who_may_share_a_bank(
    trained_key: Any, base: dict[str, Any], other_values: dict[str, Any]
) -> None:
    for one, other in combinations(variants(base, other_values), 2):
        planned = planned_key(one) == planned_key(other)
        trained = trained_key(one.canonical()) == trained_key(other.canonical())
        assert planned == trained, (one, other)
