"""Judges in the plan: runs among others, which evaluations wait for and are named by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.judged_world import SAMPLES, SEEDS, VALUES, JudgedWorld, judged_world

from workflow_src.commands.plan import _rows
from workflow_src.plan.fingerprints import Code, evaluation_fingerprint, measurement_fingerprint
from workflow_src.plan.judges import unjudged
from workflow_src.plan.memberships import evaluation_membership, write_memberships
from workflow_src.plan.overview import overview
from workflow_src.plan.plan import Plan
from workflow_src.plan.workflow import workflow_plan, workflow_plan_of_job
from workflow_src.storage import digest

CODE = Code("evaluation of vae", "0" * 64, {}, "0" * 64)


@pytest.fixture
def asked(tmp_path: Path) -> JudgedWorld:
    return judged_world(tmp_path)


def grid_of(world: JudgedWorld) -> dict[str, Any]:
    grid: dict[str, Any] = world.study["experiments"]["table1"]["scales"]["demo"]
    return grid


def config_of(world: JudgedWorld) -> dict[str, Any]:
    world.plan()
    return {"studies": [str(world.root / "tiny.yaml")], **world.settings}


def test_judges_are_runs_on_the_whole_data_set(asked: JudgedWorld) -> None:
    plan = asked.plan()
    judges = asked.judged(plan).judges
    assert [judge.spec.seed for judge in judges] == SEEDS
    for judge in judges:
        spec = judge.spec
        assert (spec.model, spec.data_set, spec.likelihood) == (
            "convolutional_classifier",
            "digits",
            "gaussian",
        )
        assert (spec.fraction, spec.stream, spec.protocol) == (1.0, "full", "authors")
        assert dict(spec.hyperparameters) == {"dropout": 0.1, **VALUES}
        assert plan.runs[judge.fingerprint] == judge
    assert {(data.data_set, data.likelihood) for data in plan.prepared} == {
        ("digits", "gaussian"),
        ("digits_class_3", "gaussian"),
    }
    assert set(plan.missing) == set(plan.runs)
    assert {name for shard in plan.shards for name in shard.runs} == set(plan.runs)


def test_judges_are_the_runs_of_their_own_experiment_and_of_every_class(
    asked: JudgedWorld,
) -> None:
    grid_of(asked)["data_sets"] = ["digits_class_3", "digits_class_4"]
    plan = asked.plan()
    judged = [one for one in plan.evaluations if one.judges]
    assert len(judged) == 2
    assert judged[0].judges == judged[1].judges
    own = [one for one in plan.evaluations if one.axes["model"] == "convolutional_classifier"]
    assert {name for one in own for name in one.runs} <= {j.fingerprint for j in judged[0].judges}
    assert sum(run.spec.model == "convolutional_classifier" for run in plan.runs.values()) == 2


def test_settings_choose_seeds_of_runs_and_not_of_judges(asked: JudgedWorld) -> None:
    asked.settings["seeds"] = [7]
    one = asked.judged(asked.plan())
    assert [one.axes["seed"], *(judge.spec.seed for judge in one.judges)] == [7, *SEEDS]


def test_values_for_all_trainers_are_not_those_of_judges(asked: JudgedWorld) -> None:
    before = asked.judged(asked.plan()).judges
    asked.study["training"]["batch_size"] = 8
    grid_of(asked)["training"]["learning_rate"] = 0.5
    assert asked.judged(asked.plan()).judges == before
    models = {"convolutional_classifier": {"dropout": 0.5, "filters": 99}}
    asked.study["protocols"]["authors"]["models"] = models
    values = dict(asked.judged(asked.plan()).judges[0].spec.hyperparameters)
    assert (values["dropout"], values["filters"]) == (0.5, VALUES["filters"])


def test_other_judges_make_another_evaluation_of_the_same_runs(asked: JudgedWorld) -> None:
    before = asked.judged(asked.plan())
    grid_of(asked)["judges"]["seeds"] = [0, 1, 2]
    after = asked.judged(asked.plan())
    assert before.runs == after.runs
    assert before.fingerprint != after.fingerprint


def test_names_without_judges_are_what_they_were() -> None:
    measures = {"samples": 3}

    def named(content: dict[str, Any]) -> str:
        return digest({**content, "measures": measures, "code": CODE.identity})[:16]

    assert evaluation_fingerprint(["b", "a"], measures, CODE) == named({"runs": ["a", "b"]})
    assert measurement_fingerprint("a", measures, CODE) == named({"run": "a"})
    assert evaluation_fingerprint(["a"], measures, CODE, ["d", "c"]) == named(
        {"runs": ["a"], "judges": ["c", "d"]}
    )
    assert measurement_fingerprint("a", measures, CODE, ["c"]) == named(
        {"run": "a", "judges": ["c"]}
    )


def test_what_nobody_asks_to_be_judged_is_measured_under_its_old_name(asked: JudgedWorld) -> None:
    del grid_of(asked)["judges"]
    table = asked.study["experiments"]["table1"]
    del table["measures"]["judged_samples"]
    table["table"]["metric"] = "test_bound"
    plan = asked.plan()
    (one,) = (e for e in plan.evaluations if e.axes["model"] == "vae")
    assert "judged_samples" not in one.measures
    assert "judges" not in evaluation_membership(plan, one)


def test_a_cell_that_cannot_be_judged_is_as_if_nobody_had_asked(asked: JudgedWorld) -> None:
    grid_of(asked)["data_sets"] = ["digits_class_3", "digits"]
    plan = asked.plan()
    (one,) = (
        e for e in plan.evaluations if (e.axes["model"], e.axes["data_set"]) == ("vae", "digits")
    )
    assert one.judges == ()
    assert "judged_samples" not in one.measures
    (note,) = unjudged(plan.studies, plan.groups)
    assert note.startswith("tiny/table1: what VAE draws is not judged on ")
    assert asked.judged(plan).measures["judged_samples"] == SAMPLES


def test_the_membership_names_judges_with_data_and_code(asked: JudgedWorld) -> None:
    plan = asked.plan()
    one = asked.judged(plan)
    membership = evaluation_membership(plan, one)
    assert [judge["fingerprint"] for judge in membership["judges"]] == [
        judge.fingerprint for judge in one.judges
    ]
    for said, judge in zip(membership["judges"], one.judges, strict=True):
        assert said["spec"] == judge.spec.canonical()
        assert said["directory"] == judge.directory.as_posix()
        assert said["prepared"]["fingerprint"] == judge.prepared.fingerprint
        assert said["code"]["digest"] == plan.closures.of_model(judge.spec.model).digest
    (run,) = membership["runs"]
    code = plan.closures.of_measurement("vae")
    judges = [judge.fingerprint for judge in one.judges]
    expected = measurement_fingerprint(run["fingerprint"], one.measures, code, judges)
    assert run["measurement"]["fingerprint"] == expected


def test_snakemake_waits_for_judges_and_their_data(asked: JudgedWorld) -> None:
    config = config_of(asked)
    workflow = workflow_plan(config, root=asked.root)
    plan = workflow.plan
    assert plan is not None
    one = asked.judged(plan)
    inputs = workflow.evaluation_inputs(one.fingerprint)
    shards = {workflow.shard_of_run[name] for name in one.needed}
    assert len(shards) == 2
    expected = {plan.layout.shard_manifest(name).as_posix() for name in shards}
    expected |= {data.record.as_posix() for data in plan.prepared}
    assert set(inputs) == expected | {workflow.evaluation_membership(one.fingerprint)}
    job = workflow_plan_of_job(config, root=asked.root)
    of_job = job.evaluation_inputs(one.fingerprint)
    assert set(of_job) == {
        workflow.evaluation_membership(one.fingerprint),
        *(data.record.as_posix() for data in plan.prepared),
    }


def test_overviews_count_judges(asked: JudgedWorld) -> None:
    plan: Plan = asked.plan()
    assert overview(plan)["runs"].keys() == plan.runs.keys()
    rows = {row[1]: row for row in _rows(plan)}
    assert rows["table1"][2] == str(1 + len(SEEDS))
    assert rows["each once"][2] == str(len(plan.runs))


def test_memberships_are_written_once(asked: JudgedWorld) -> None:
    plan = asked.plan()
    write_memberships(plan)
    path = asked.root / plan.layout.evaluation_membership(asked.judged(plan).fingerprint)
    before = path.stat().st_mtime_ns
    write_memberships(asked.plan())
    assert path.stat().st_mtime_ns == before
    assert len(json.loads(path.read_text())["judges"]) == len(SEEDS)
