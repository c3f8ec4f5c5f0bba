"""What may explain differences: settings, code down to the function, trainings, machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.comparisons import Row, rows, side

from workflow_src.compare.causes import Causes, causes
from workflow_src.compare.sources import Source
from workflow_src.compare.verdicts import judged

RUN = "runs/vae/digits-gaussian/run-0"
EVALUATION = "evaluations/vae/digits-gaussian/evaluation-0"
TEXTS = {
    "old": "def encode(x):\n    return x\n\nWIDTH = 3\n",
    "new": "def encode(x):\n    return -x\n\nWIDTH = 3\n",
}


def source(name: str, parts: list[Row] | None = None, **more: Any) -> Source:
    """A side whose records lie in memory."""
    held = records()
    value = 1.0 if name == "a" else 2.0
    numbers = parts or rows([value], record=f"results/{EVALUATION}/evaluation.json")
    made = Source(
        name=name,
        stem=name,
        kind="path",
        place=name,
        rows=side(numbers),
        commit=None,
        uncommitted=None,
        settings={"seeds": [0]},
        records=held.get,
    )
    return replace(made, **more)


def records(
    training: Mapping[str, str] | None = None,
    spec: Mapping[str, Any] | None = None,
    machine: str = "a processor",
) -> dict[str, Mapping[str, Any]]:
    """The records of one evaluation and its winner."""
    candidate = {
        "fingerprint": "run-0",
        "directory": f"elsewhere/results/{RUN}",
        "spec": {"model": "vae", "hidden_units": 4, "maximum_steps": 16, **(spec or {})},
        "hyperparameters": {"hidden_units": 4},
    }
    return {
        EVALUATION: {
            "content": {
                "code": {"modules": {"evaluate.selection": "one"}},
                "candidates": [candidate],
                "winner": "run-0",
            }
        },
        RUN: {
            "content": {"code": {"modules": training or {"models.vae": "old"}}, "data": "d1"},
            "environment": {"python": "3.11.7", "packages": {"torch": "2.1"}},
            "machine": {"cpu": machine, "gpu": None},
        },
    }


def found(before: Source, after: Source) -> Causes:
    differing = judged(before.rows, after.rows)
    return causes(before, after, differing, TEXTS.get)


def test_equal_sides_have_none() -> None:
    assert found(source("a"), source("b")) == Causes((), (), (), (), (), 1, 1)


def test_settings() -> None:
    told = found(source("a"), source("b", settings={"seeds": [0, 1]}))
    assert told.settings == ("seeds [0] -> [0, 1]",)


def test_settings_that_one_side_does_not_tell_are_not_compared() -> None:
    assert found(source("a"), source("b", settings={})).settings == ()


def test_code_down_to_the_function() -> None:
    after = source("b", records=records({"models.vae": "new", "models.added": "x"}).get)
    told = found(source("a"), after)
    assert told.code == (("training of vae", ("models.added (new)", "models.vae: encode")),)


def test_code_whose_text_was_not_kept_is_named_by_its_module() -> None:
    after = source("b", records=records({"models.vae": "lost"}).get)
    assert found(source("a"), after).code == (("training of vae", ("models.vae",)),)


def test_a_plan_tells_its_code_itself() -> None:
    plan = {
        "training of vae": {"models.vae": "new"},
        "evaluation of vae": {"evaluate.selection": "one"},
        "training of spvae": {"models.spvae": "other"},
    }
    told = found(source("a"), source("b", code=plan))
    assert told.code == (("training of vae", ("models.vae: encode",)),)


def test_how_long_was_trained_but_not_what_won() -> None:
    after = source("b", records=records(spec={"maximum_steps": 32, "hidden_units": 8}).get)
    assert found(source("a"), after).specs == ("maximum_steps 16 -> 32 (vae)",)


def test_trainings_of_other_cells_are_not_compared() -> None:
    parts = rows([1.0], record=f"results/{EVALUATION}/evaluation.json", data_set="mnist")
    after = source("b", parts, records=records(spec={"maximum_steps": 32}).get)
    assert found(source("a"), after).specs == ()


def test_what_differs_is_looked_into_and_the_rest_is_not() -> None:
    """Seed 0 is equal; of seeds 1 and 2, which differ, the second was trained anew."""

    def held(steps: int) -> dict[str, Mapping[str, Any]]:
        return {
            **renamed(records(spec={"maximum_steps": 1}), "0"),
            **renamed(records(spec={"maximum_steps": 2}), "1"),
            **renamed(records(spec={"maximum_steps": steps}), "2"),
        }

    def numbered(values: tuple[float, ...], winners: tuple[str, ...]) -> list[Row]:
        told = enumerate(zip(values, winners, strict=True))
        return [
            row
            for seed, (value, winner) in told
            for row in rows({seed: value}, winner=winner, record=record_of(seed))
        ]

    before = source("a", numbered((1.0, 1.0, 1.0), ("x", "y", "z")), records=held(16).get)
    after = source("b", numbered((1.0, 2.0, 3.0), ("x", "y", "new")), records=held(32).get)
    told = found(before, after)
    assert told.specs == ("maximum_steps 16 -> 32 (vae)",)
    assert (told.looked_into, told.differing) == (1, 2)


def test_every_data_set_is_looked_into() -> None:
    def held(steps: int) -> dict[str, Mapping[str, Any]]:
        return {
            **renamed(records(), "0"),
            **renamed(records(spec={"maximum_steps": steps}), "1"),
        }

    def both(value: float) -> list[Row]:
        return [
            *rows([value], record=record_of(0)),
            *rows([value], record=record_of(1), data_set="mnist", evaluation="other"),
        ]

    told = found(
        source("a", both(1.0), records=held(16).get), source("b", both(2.0), records=held(32).get)
    )
    assert told.specs == ("maximum_steps 16 -> 32 (vae on mnist)",)
    assert (told.looked_into, told.differing) == (2, 2)


def record_of(number: int) -> str:
    return f"results/{EVALUATION[:-1]}{number}/evaluation.json"


def renamed(held: Mapping[str, Mapping[str, Any]], number: str) -> dict[str, Mapping[str, Any]]:
    """The same records as those of another evaluation and its winner."""
    evaluation = json.loads(json.dumps(held[EVALUATION]))
    evaluation["content"]["candidates"][0]["directory"] = f"results/{RUN[:-1]}{number}"
    return {EVALUATION[:-1] + number: evaluation, RUN[:-1] + number: held[RUN]}


def test_machines_and_versions() -> None:
    after = source("b", records=records(machine="another").get)
    assert found(source("a"), after).circumstances == ("cpu a processor -> another (vae)",)


@pytest.mark.parametrize(
    "held", [{}, {EVALUATION: {}}, {EVALUATION: {"content": {"candidates": [3], "winner": "x"}}}]
)
def test_records_that_are_not_here_or_of_another_form(held: dict[str, Any]) -> None:
    told = found(source("a"), source("b", records=held.get))
    assert told.unknown == ("vae",)
    assert told.code == told.specs == ()
