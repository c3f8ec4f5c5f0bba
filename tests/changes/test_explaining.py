"""Everything that would be made has its reason, down to the function or the setting."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

import pytest
from support.world import World

from workflow_src.changes.reasons import Explanation
from workflow_src.jobs.leases import LEASE_FILE
from workflow_src.storage import write_json

Lines = Callable[[Explanation, str], set[tuple[str, str]]]


def models(explanation: Explanation, names: Iterable[str]) -> set[str]:
    runs = explanation.plan.runs
    return {runs[name].spec.model for name in names}


def test_of_nothing_everything_is_new(world: World, lines: Lines) -> None:
    found = world.explain()
    assert set(found.runs) == set(found.plan.runs)
    assert lines(found, "runs") == {
        ("new", "spvae: nothing of this model was trained yet"),
        ("new", "vae: nothing of this model was trained yet"),
    }
    assert lines(found, "prepared") == {("new", "digits, gaussian: not prepared here yet")}
    assert [one.kind for one in found.report or ()] == ["evaluations"]


def test_what_is_there_needs_no_reason(world: World) -> None:
    world.finish()
    assert world.explain().nothing


def test_a_comment_and_a_touch_make_nothing_run(world: World) -> None:
    world.finish()
    path = world.package / "models/vae/model.py"
    path.write_text(f"# A comment.\n{path.read_text()}")
    for record in (world.root / "results").rglob("*.json"):
        record.touch()
    assert world.explain().nothing


def test_an_edit_inside_one_model_names_its_function(world: World, lines: Lines) -> None:
    world.finish()
    world.edit("models/vae/model.py", "return z", "return z + 0")
    found = world.explain()
    assert models(found, found.runs) == {"vae"}
    assert len(found.runs) == 2
    expected = {("code", "workflow_src.models.vae.model: Vae.decode")}
    assert lines(found, "runs") == expected
    assert lines(found, "evaluations") == expected
    assert len(found.evaluations) == 1
    assert found.prepared == {}
    assert [one.kind for one in found.report or ()] == ["evaluations"]


def test_an_edit_of_a_shared_layer_reaches_both_models_for_one_reason(
    world: World, lines: Lines
) -> None:
    world.finish()
    world.edit("models/shared.py", "2 * a", "a + a")
    found = world.explain()
    assert len(found.runs) == len(found.plan.runs)
    assert lines(found, "runs") == {("code", "workflow_src.models.shared: double")}
    assert len(set(found.runs.values())) == 1


def test_without_any_earlier_text_the_module_has_to_do(world: World, lines: Lines) -> None:
    world.finish()
    shutil.rmtree(world.root / "results" / "sources")
    world.edit("models/shared.py", "2 * a", "a + a")
    assert lines(world.explain(), "runs") == {("code", "workflow_src.models.shared")}


def test_the_nearest_of_several_generations_is_told(world: World, lines: Lines) -> None:
    world.finish()
    world.edit("models/shared.py", "2 * a", "a + a")
    world.finish()
    world.edit("models/vae/model.py", "return z", "return z + 0")
    found = world.explain()
    assert models(found, found.runs) == {"vae"}
    assert lines(found, "runs") == {("code", "workflow_src.models.vae.model: Vae.decode")}


def test_going_back_needs_nothing(world: World) -> None:
    world.finish()
    world.edit("models/shared.py", "2 * a", "a + a")
    world.finish()
    world.edit("models/shared.py", "a + a", "2 * a")
    found = world.explain()
    assert found.runs == found.evaluations == {}


def test_other_code_of_the_preparation_is_a_reason_of_data(world: World, lines: Lines) -> None:
    world.finish()
    world.edit("data/preparation.py", "x / 255", "x / 256")
    found = world.explain()
    line = "workflow_src.data.preparation: scale"
    assert lines(found, "runs") == {("data", line)}
    assert lines(found, "prepared") == {("code", line)}
    assert len(found.runs) == len(found.plan.runs)


def test_a_changed_setting_is_told_with_both_values(world: World, lines: Lines) -> None:
    world.finish()
    world.study["protocols"]["authors"]["training"]["learning_rate"] = 0.02
    found = world.explain()
    assert lines(found, "runs") == {("setting", "learning_rate 0.01 -> 0.02")}
    assert len(found.runs) == len(found.plan.runs)


def test_code_and_a_setting_changed_at_once_are_both_told(world: World, lines: Lines) -> None:
    world.finish()
    world.edit("models/shared.py", "2 * a", "a + a")
    world.study["training"]["batch_size"] = 8
    found = world.explain()
    assert lines(found, "runs") == {
        ("code", "workflow_src.models.shared: double"),
        ("setting", "batch_size 16 -> 8"),
    }
    assert {len(reasons) for reasons in found.runs.values()} == {2}


def test_two_values_swapped_are_two_settings(world: World, lines: Lines) -> None:
    world.grid()["models"] = {"vae": [{"hidden_units": [4], "latent_dimensions": [2]}]}
    world.finish()
    world.grid()["models"] = {"vae": [{"hidden_units": [2], "latent_dimensions": [4]}]}
    assert lines(world.explain(), "runs") == {
        ("setting", "hidden_units 4 -> 2"),
        ("setting", "latent_dimensions 2 -> 4"),
    }


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"seeds": [0, 1]}, "vae: seed 1"),
        ({"seeds": [0], "streams": ["full", "restart"]}, "vae: stream restart"),
        ({"seeds": [0], "likelihoods": ["gaussian", "binomial"]}, "vae: likelihood binomial"),
    ],
)
def test_what_was_never_trained_is_told_by_its_new_values(
    settings: dict[str, object], line: str, world: World, lines: Lines
) -> None:
    world.finish()
    world.settings = settings
    found = world.explain()
    assert ("new", line) in lines(found, "runs")
    assert len(found.runs) == len(found.plan.runs) // 2


def test_runs_of_far_settings_are_runs_of_the_model(world: World, lines: Lines) -> None:
    world.finish()
    world.study["training"] |= {
        "importance_samples": 3,
        "batch_size": 17,
        "validation_interval": 9,
    }
    world.study["protocols"]["authors"]["training"]["learning_rate"] = 0.5
    world.grid()["training"]["maximum_steps"] = 99
    found = lines(world.explain(), "runs")
    assert ("new", "vae: no run near these settings was trained yet") in found
    assert not any("nothing of this model" in line for _, line in found)


def test_one_grid_value_more_trains_it_alone_and_chooses_again(world: World, lines: Lines) -> None:
    world.finish()
    world.grid()["models"]["vae"][0]["hidden_units"] = [4, 8, 16]
    found = world.explain()
    assert lines(found, "runs") == {("new", "vae: hidden_units 16")}
    assert len(found.runs) == 1
    assert len(found.evaluations) == 1


def test_fewer_candidates_are_a_reason_to_choose_again(world: World, lines: Lines) -> None:
    world.finish()
    world.grid()["models"]["vae"][0]["hidden_units"] = [4]
    found = world.explain()
    assert found.runs == {}
    assert lines(found, "evaluations") == {("candidates", "0 more, 1 fewer runs to choose from")}


def test_a_choice_is_compared_with_the_earlier_one_of_the_same_variant(
    world: World, lines: Lines
) -> None:
    world.study["experiments"]["table1"]["compare"] = ["hidden_units"]
    world.grid()["models"]["vae"] = [{"hidden_units": [4, 8, 16], "latent_dimensions": [2, 3]}]
    world.finish()
    world.grid()["models"]["vae"] = [{"hidden_units": [4, 8, 16], "latent_dimensions": [2]}]
    found = world.explain()
    assert len(found.evaluations) == 3
    assert lines(found, "evaluations") == {("candidates", "0 more, 1 fewer runs to choose from")}


def test_a_new_variant_is_named(world: World, lines: Lines) -> None:
    world.finish()
    world.study["experiments"]["table1"]["compare"] = ["hidden_units"]
    world.grid()["models"] = {"vae": [{"hidden_units": [4], "latent_dimensions": [2]}]}
    ((kind, line),) = lines(world.explain(), "evaluations")
    assert kind == "new"
    assert line.endswith("stream full, hidden_units 4")


def test_what_the_report_compares_is_a_reason_to_make_it_again(world: World) -> None:
    world.grid()["models"] = {"vae": [{"hidden_units": [4], "latent_dimensions": [2]}]}
    world.finish()
    world.study["experiments"]["table1"]["compare"] = ["hidden_units"]
    found = world.explain()
    assert found.runs == found.evaluations == {}
    assert found.report is not None
    (reason,) = found.report
    assert reason.lines == ("1 groups more or changed, 1 fewer or changed",)


def test_other_measures_are_told_key_by_key(world: World, lines: Lines) -> None:
    world.finish()
    world.study["experiments"]["table1"]["measures"] = {"importance_samples": [2, 4]}
    found = world.explain()
    assert found.runs == {}
    assert lines(found, "evaluations") == {("measures", "importance_samples [2] -> [2, 4]")}
    assert len(found.evaluations) == 2


@pytest.mark.parametrize(
    ("module", "before", "now", "line", "count"),
    [
        ("evaluate/selection.py", "max", "min", "evaluate.selection: choose", 2),
        (
            "models/vae/drawing.py",
            "ROWS = 1",
            "ROWS = 2",
            "models.vae.drawing: ROWS",
            1,
        ),
    ],
)
def test_code_of_the_evaluation_evaluates_and_trains_nothing(
    module: str, before: str, now: str, line: str, count: int, world: World, lines: Lines
) -> None:
    world.finish()
    world.edit(module, before, now)
    found = world.explain()
    assert found.runs == {}
    assert lines(found, "evaluations") == {("code", f"workflow_src.{line}")}
    assert len(found.evaluations) == count


def test_code_of_the_report_makes_it_alone(world: World) -> None:
    world.finish()
    world.edit("report/report.py", "Report", "A report")
    found = world.explain()
    assert found.runs == found.evaluations == found.prepared == {}
    assert found.report is not None
    (reason,) = found.report
    assert (reason.kind, reason.lines) == ("code", ("workflow_src.report.report: TITLE",))


def test_another_title_is_something_else_to_show(world: World) -> None:
    world.finish()
    world.study["title"] = "Another"
    found = world.explain()
    assert found.runs == found.evaluations == {}
    assert [one.kind for one in found.report or ()] == ["shown"]


def test_a_run_that_a_manifest_names_is_lost(world: World, lines: Lines) -> None:
    plan = world.finish()
    run = next(iter(plan.runs.values()))
    manifest = world.root / "results" / "shards" / "0123.json"
    write_json(manifest, {"runs": [{"fingerprint": run.fingerprint}]})
    shutil.rmtree(world.root / run.directory)
    found = world.explain()
    assert {kind for kind, _ in lines(found, "runs")} == {"lost"}
    assert list(found.runs) == [run.fingerprint]


def test_an_evaluation_that_the_report_shows_is_lost(world: World, lines: Lines) -> None:
    plan = world.finish()
    shutil.rmtree(world.root / plan.evaluations[0].directory)
    assert {kind for kind, _ in lines(world.explain(), "evaluations")} == {"lost"}


def test_a_run_with_a_saved_state_was_interrupted(world: World, lines: Lines) -> None:
    plan = world.plan()
    name = plan.missing[0]
    folder = world.root / plan.layout.state(name)
    folder.mkdir(parents=True)
    # A job that has only begun has a lease and nothing to go on from.
    (folder / LEASE_FILE).touch()
    assert [reason.kind for reason in world.explain().runs[name]] == ["new"]
    (folder / "state.safetensors").touch()
    assert [reason.kind for reason in world.explain().runs[name]] == ["interrupted"]


def test_data_that_nothing_missing_needs_are_not_prepared(world: World) -> None:
    plan = world.finish()
    shutil.rmtree(world.root / plan.prepared[0].directory)
    assert world.explain().nothing


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"content": 3}', '{"content": {"spec": 1}}']
)
def test_a_damaged_record_explains_nothing_and_stops_nothing(
    text: str, world: World, lines: Lines
) -> None:
    world.finish()
    for path in sorted((world.root / "results").rglob("run.json"))[::2]:
        path.write_text(text)
    for path in (world.root / "results").rglob("evaluation.json"):
        path.write_text(text)
    world.edit("models/shared.py", "2 * a", "a + a")
    found = world.explain()
    assert ("code", "workflow_src.models.shared: double") in lines(found, "runs")


def test_hours_come_from_earlier_runs_of_the_same_cell(world: World) -> None:
    world.finish()
    world.edit("models/shared.py", "2 * a", "a + a")
    found = world.explain()
    assert [found.seconds(name) for name in found.runs] == [360.0] * 4
