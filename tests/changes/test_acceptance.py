"""What can be accepted, and which results are fit to try a change on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.world import World

from workflow_src.changes.acceptance import (
    acceptable,
    not_covered,
    refuse_other_code,
    refuse_untried,
)
from workflow_src.changes.comparison import Comparison, compared
from workflow_src.changes.description import described
from workflow_src.changes.effect import without_effect
from workflow_src.changes.orphans import results_of
from workflow_src.changes.repetitions import Repeater
from workflow_src.changes.revisions import Since
from workflow_src.changes.samples import Sample
from workflow_src.changes.trials import Trial, incomparable, made_with
from workflow_src.errors import UserError
from workflow_src.evaluate import selection
from workflow_src.plan.acceptances import (
    Acceptance,
    Replacement,
    append_acceptance,
    identifier_of,
)
from workflow_src.provenance.machine import describe_machine


def since(world: World, change: Callable[[], None]) -> Comparison:
    before: dict[str, Any] = json.loads(json.dumps(described(world.plan())))
    change()
    return compared(Since("HEAD", "c0ffee", before, world.plan()))


def append(world: World, step: str, old: str, new: str) -> None:
    entry = Acceptance(
        identifier="0" * 12,
        why="because",
        by="nobody",
        at="now",
        since="c0ffee",
        until="decaf",
        steps={step: Replacement(old=old, new=new)},
    )
    identifier = identifier_of(entry.model_dump(mode="json"))
    append_acceptance(world.package, entry.model_copy(update={"identifier": identifier}))


def test_every_step_but_the_report_is_accepted(world: World) -> None:
    def change() -> None:
        world.edit("models/shared.py", "2 * a", "a + a")
        world.edit("report/report.py", "Report", "A report")
        world.edit("data/preparation.py", "x / 255", "x / 255.0")
        world.settings["seeds"] = [0, 1]

    found = since(world, change)
    steps = {one.step for one in acceptable(found)}
    assert steps == {"preparation", "training of spvae", "training of vae"}
    assert "the code of the report" in not_covered(found)
    assert "seeds [0] -> [0, 1]" in not_covered(found)


@pytest.mark.parametrize(
    ("module", "before", "now", "told"),
    [
        ("compute.py", "", "", "no code that a result depends on was changed"),
        ("report/report.py", "Report", "A report", "only the report's code was changed"),
    ],
)
def test_what_needs_no_acceptance_is_refused(
    module: str, before: str, now: str, told: str, world: World
) -> None:
    found = since(world, lambda: world.edit(module, before, now))
    with pytest.raises(UserError, match=told):
        acceptable(found)


def test_code_is_accepted_once(world: World) -> None:
    old = world.plan().closures.of_model("vae")

    def change() -> None:
        world.edit("models/vae/model.py", "return z", "return z + 0")
        append(world, old.step, old.digest, world.plan().closures.of_model("vae").digest)

    with pytest.raises(UserError, match="is accepted already"):
        acceptable(since(world, change))


def test_code_that_was_accepted_for_other_code_is_refused(world: World) -> None:
    def change() -> None:
        world.edit("models/vae/model.py", "return z", "return z + 0")
        code = world.plan().closures.of_model("vae")
        append(world, code.step, "a" * 64, code.digest)

    with pytest.raises(UserError, match="in the place of other code"):
        acceptable(since(world, change))


def test_an_accepted_change_leaves_all_names(world: World) -> None:
    world.finish()
    old = world.plan().closures.of_preparation()
    world.edit("data/preparation.py", "x / 255", "x / 255.0")
    assert world.explain().runs
    append(world, old.step, old.digest, world.plan().closures.of_preparation().digest)
    assert world.explain().nothing


def test_results_of_the_old_code_are_found_and_no_others(world: World) -> None:
    plan = world.finish()
    results = results_of(plan)
    code = plan.closures.of_model("vae").digest
    found = list(made_with(results, "runs", "vae", frozenset((code,))))
    assert len(found) == 2
    assert list(made_with(results, "runs", "vae", frozenset(("0" * 64,)))) == []


def record(**changed: Any) -> dict[str, Any]:
    """A record of this machine and these versions, but for ``changed``."""
    from workflow_src.changes.trials import _versions

    versions = _versions()
    made = {
        "machine": {"cpu": describe_machine()["cpu"], "gpu": None},
        "environment": {"python": versions["python"], "packages": versions},
        "threads": 1,
    }
    return made | changed


@pytest.mark.parametrize(
    ("changed", "device", "threads", "reason"),
    [
        ({}, None, None, None),
        ({}, "cpu", 1, None),
        ({}, "cuda:1", None, "made on cpu"),
        ({}, None, 2, "made with 1 threads"),
        ({"machine": {"cpu": "another"}}, None, None, "made on another kind of machine"),
        ({"environment": {"python": "2.7"}}, None, None, "other versions"),
        ({"machine": None, "environment": None}, None, None, "made on another kind of machine"),
    ],
)
def test_only_like_is_compared_with_like(
    changed: dict[str, Any], device: str | None, threads: int | None, reason: str | None
) -> None:
    found = incomparable(record(**changed), device, threads)
    assert (found is None) if reason is None else (found is not None and reason in found)


def sample(world: World, tmp_path: Path, step: str, code: str) -> Sample:
    plan = world.plan()
    return Repeater(plan, results_of(plan), tmp_path, 1).sample(step, frozenset((code,)))


def untried(world: World, tmp_path: Path, step: str, code: str) -> Trial:
    found = sample(world, tmp_path, step, code)
    assert not found.chosen
    (trial,) = found.untried
    return trial


def test_what_cannot_be_made_again_is_said(world: World, tmp_path: Path) -> None:
    plan = world.finish()
    code = plan.closures.of_model("vae").digest
    assert untried(world, tmp_path, "training of vae", "1" * 64).evidence() == {
        "step": "training of vae",
        "equal": None,
        "reason": "no result of the old code is here",
    }
    for path in (world.root / "results" / "runs" / "vae").rglob("run.json"):
        made = json.loads(path.read_text())
        circumstances = {"bank": [made["fingerprint"]], "interruptions": [{"at": "noon"}]}
        made["content"]["circumstances"] = circumstances
        path.write_text(json.dumps(made))
    trial = untried(world, tmp_path, "training of vae", code)
    assert trial.line() == (
        "training of vae, digits-gaussian, cpu: not run again (training was interrupted and "
        "resumed)"
    )
    with pytest.raises(UserError, match="1 kind of results cannot be tried"):
        refuse_untried([sample(world, tmp_path, "training of vae", code)])


def test_nothing_to_try_is_no_reason_to_refuse(world: World, tmp_path: Path) -> None:
    world.finish()
    refuse_untried([sample(world, tmp_path, "training of vae", "1" * 64)])


def test_data_that_only_runs_tell_of_cannot_be_tried(world: World, tmp_path: Path) -> None:
    plan = world.finish()
    code = plan.closures.of_preparation().digest
    (data,) = plan.prepared
    trial = untried(world, tmp_path, "preparation", code)
    assert trial.reason == "the published files are not here"
    (world.root / data.record).unlink()
    trial = untried(world, tmp_path, "preparation", code)
    assert (trial.family, trial.reason) == ("digits-gaussian", "the prepared data are not here")


def test_measurements_of_before_a_measure_was_known_are_not_made_again(
    world: World, tmp_path: Path
) -> None:
    plan = world.finish()
    closure = plan.closures.of_evaluation("vae")
    name, run = next((n, r) for n, r in plan.runs.items() if r.spec.model == "vae")
    (world.root / run.record).with_name("checkpoint.safetensors").write_bytes(b"")
    whole = {
        "importance_samples": [5],
        "samples": 0,
        "leaf_manifolds": False,
        "leaf_posteriors": False,
        "inpainting": [],
    }

    def reason(measures: dict[str, Any]) -> str | None:
        content = {
            "run": name,
            "spec": run.spec.canonical(),
            "measures": measures,
            "seconds": 1.0,
            "code": {"digest": closure.digest, "identity": closure.identity},
        }
        record = {"content": content, "machine": {"gpu": None, "cpu": "another"}}
        record["parents"] = [{"kind": "prepared", "fingerprint": run.prepared.fingerprint}]
        folder = world.root / "results" / "measurements" / "vae" / "digits-gaussian" / f"x-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "measurement.json").write_text(json.dumps(record))
        return untried(world, tmp_path, "measurement of vae", closure.digest).reason

    assert reason(whole) == "made on another kind of machine"
    del whole["inpainting"], whole["leaf_posteriors"]
    assert reason(whole) == "made before the measures inpainting, leaf_posteriors were known"


def test_a_choice_is_made_again_from_the_records_of_the_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = world.finish()
    code = plan.closures.of_evaluation("vae").digest
    bounds = {}
    for path in (world.root / "results" / "runs" / "vae").rglob("run.json"):
        made = json.loads(path.read_text())
        bounds[made["fingerprint"]] = -100.0 - len(bounds)
        made["content"]["status"] = {"state": "completed"}
        made["content"]["result"] |= {
            "best_validation_bound": bounds[made["fingerprint"]],
            "parameter_count": 10,
        }
        path.write_text(json.dumps(made))
    for path in (world.root / "results" / "evaluations" / "vae").rglob("evaluation.json"):
        made = json.loads(path.read_text())
        for one in made["content"]["candidates"]:
            bound = bounds[one["fingerprint"]]
            one |= {"state": "completed", "validation_bound": bound, "parameter_count": 10}
        made["content"] |= {"winner": max(bounds, key=bounds.__getitem__), "reason": None}
        path.write_text(json.dumps(made))

    def chosen() -> Trial:
        plan = world.plan()
        repeater = Repeater(plan, results_of(plan), tmp_path, 1)
        (trial,) = repeater.repeat(sample(world, tmp_path, "evaluation of vae", code))
        return trial

    assert chosen().equal
    inverted = selection.candidate_of

    def upside_down(record: Mapping[str, Any]) -> selection.Candidate:
        one = inverted(record)
        assert one.validation_bound is not None
        return dataclasses.replace(one, validation_bound=-one.validation_bound)

    monkeypatch.setattr(selection, "candidate_of", upside_down)
    found = chosen()
    assert found.equal is False
    assert any("the winner is" in line for line in found.differences)


def test_code_that_is_changed_during_the_trial_is_refused(world: World) -> None:
    plan = world.plan()
    before = described(plan)["closures"]
    refuse_other_code(plan.closures, before)
    world.edit("models/vae/model.py", "return z", "return z + 0")
    with pytest.raises(UserError, match="was changed while it was tried: training of vae"):
        refuse_other_code(plan.closures, before)


def test_an_acceptance_without_effect_is_told(world: World) -> None:
    old = world.plan().closures.of_model("vae")

    def change() -> None:
        world.finish()
        world.edit("models/vae/model.py", "return z", "return z + 0")

    found = since(world, change)
    before = json.loads(json.dumps(found.since.before))
    for kind in ("runs", "evaluations", "prepared"):
        for one in before[kind].values():
            one["exists"] = True

    def remains() -> list[str]:
        after = compared(dataclasses.replace(found.since, before=before, plan=world.plan()))
        return list(without_effect(["training of vae"], after))

    told = remains()
    assert told[0] == "the code of training of vae still counts as other than before"
    assert told[1].startswith("2 runs are still to be made again: workflow_src.models.vae.model")
    append(world, old.step, old.digest, world.plan().closures.of_model("vae").digest)
    assert remains() == []


def test_a_bank_is_repeated_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    plan = world.finish()
    for path in (world.root / "results" / "runs" / "vae").rglob("run.json"):
        made = json.loads(path.read_text())
        made["content"]["circumstances"] = {"bank": [made["fingerprint"], "0" * 16]}
        path.write_text(json.dumps(made))
    code = plan.closures.of_model("vae").digest
    trial = untried(world, tmp_path, "training of vae", code)
    assert trial.reason == "not all runs that were trained together are here"
