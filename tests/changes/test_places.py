"""A run, an evaluation or an experiment is found by what a person may call it, or refused."""

from __future__ import annotations

import pytest
from support.world import World

from workflow_src.changes.orphans import results_of
from workflow_src.changes.places import Place, find
from workflow_src.errors import UserError
from workflow_src.plan.plan import Plan


@pytest.fixture
def plan(world: World) -> Plan:
    return world.finish()


def found(plan: Plan, text: str) -> Place:
    return find(plan, results_of(plan), text)


@pytest.mark.parametrize("text", ["table1", "tiny/table1"])
def test_an_experiment_with_or_without_its_study(text: str, plan: Plan) -> None:
    assert found(plan, text) == Place("experiment", "tiny/table1")


def test_a_run_by_fingerprint_beginning_and_directory(plan: Plan) -> None:
    name, run = next(iter(plan.runs.items()))
    others = [*plan.runs, *(one.fingerprint for one in plan.evaluations)]
    length = next(n for n in range(1, 17) if sum(o.startswith(name[:n]) for o in others) == 1)
    for text in (name, name[:length], f"{run.directory}/", str(plan.root / run.directory)):
        assert found(plan, text) == Place("run", name)


def test_an_evaluation_by_its_directory(plan: Plan) -> None:
    one = plan.evaluations[0]
    assert found(plan, one.directory.as_posix()) == Place("evaluation", one.fingerprint)


def test_a_run_that_the_settings_do_not_ask_for(plan: Plan, world: World) -> None:
    gone = next(run for run in plan.runs.values() if run.spec.hyperparameter("hidden_units") == 8)
    world.grid()["models"]["vae"][0]["hidden_units"] = [4]
    place = found(world.plan(), gone.fingerprint)
    assert place.kind == "unplanned"
    assert place.name.endswith(gone.fingerprint)


@pytest.mark.parametrize(
    ("text", "near"), [("tabel1", "did you mean table1"), ("0123456789abcdef", "tiny/table1")]
)
def test_what_is_unknown_is_told_with_what_is_near(text: str, near: str, plan: Plan) -> None:
    with pytest.raises(UserError, match=near):
        found(plan, text)


def test_a_mistyped_fingerprint_is_near_the_right_one(plan: Plan) -> None:
    name = next(iter(plan.runs))
    wrong = name[:-1] + ("0" if name[-1] != "0" else "1")
    with pytest.raises(UserError, match=f"did you mean {name}"):
        found(plan, wrong)


def test_what_may_be_several_things_is_told_with_them(plan: Plan) -> None:
    every = [*plan.runs, *(one.fingerprint for one in plan.evaluations)]
    first = next(n[0] for n in every if sum(other[0] == n[0] for other in every) == 1)
    assert found(plan, first).name.startswith(first)
    plan.runs[f"{first}000000000000000"] = next(iter(plan.runs.values()))
    with pytest.raises(UserError, match="may be any of 2"):
        found(plan, first)
