"""What exists under its fingerprint is done; the rest is in exactly one shard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.studies import tiny_study

from workflow_src.config.data_sets import data_set
from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Closures, measurement_fingerprint, run_fingerprint
from workflow_src.plan.memberships import discard_outdated, write_memberships
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.specs import from_canonical

Planner = Callable[..., Plan]


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Planner:
    return lambda **keys: build_plan(settings(**keys), package_root=package, root=root)


def finish(plan: Plan, *fingerprints: str) -> None:
    for name in fingerprints or plan.missing:
        path = plan.root / plan.runs[name].record
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")


def files(plan: Plan) -> dict[str, str]:
    folder = plan.root / plan.layout.results / "plan"
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.json")}


def test_of_nothing_everything_is_missing(plan: Planner) -> None:
    new = plan(experiments=["table1", "table2", "figure3"])
    # Table 1 of the demo: two models of two cells and two of one, two likelihoods, two seeds;
    # Figure 3's one cell is one of them.
    assert len(new.runs) == 6 * 2 * 2
    assert set(new.missing) == set(new.runs)
    assert sorted(name for shard in new.shards for name in shard.runs) == sorted(new.runs)


def test_what_experiments_share_is_evaluated_once(plan: Planner) -> None:
    new = plan(experiments=["table1", "table2", "figure3"])
    shared = [one for one in new.evaluations if len(one.groups) > 1]
    assert {tuple(g.experiment for g in one.groups) for one in shared} == {("table1", "table2")}
    # Four models, two likelihoods, two seeds; and Figure 3 on one likelihood with one seed.
    assert len(new.evaluations) == 4 * 2 * 2 + 1


def test_what_differs_in_what_is_compared_alone_is_evaluated_apart(plan: Planner) -> None:
    new = plan(experiments=["learning_rates"], likelihoods=["gaussian"], seeds=[0])
    groups = [(group, one) for one in new.evaluations for group in one.groups]
    assert len(groups) == len(new.evaluations) == 2 * 2
    for group, one in groups:
        rates = {new.runs[name].spec.hyperparameter("learning_rate") for name in one.runs}
        assert rates == {group.variant["learning_rate"]}


def test_the_report_is_another_where_other_hyperparameters_are_told_apart(
    plan: Planner, tmp_path: Path
) -> None:
    content = tiny_study(vae=[{"hidden_units": [4], "latent_dimensions": [2]}])
    reports = set()
    for compare in (["hidden_units"], ["latent_dimensions"]):
        content["experiments"]["table1"]["compare"] = compare
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(content))
        new = plan(studies=[str(path)], seeds=[0])
        (one,) = new.evaluations
        assert list(one.groups[0].variant) == compare
        reports.add(new.report)
    assert len(reports) == 2


def test_a_run_with_its_record_is_done(plan: Planner) -> None:
    before = plan()
    done = before.missing[::3]
    finish(before, *done)
    after = plan()
    assert set(after.missing) == set(before.missing) - set(done)
    assert {name for shard in after.shards for name in shard.runs} == set(after.missing)


def test_a_run_without_its_record_is_not(plan: Planner) -> None:
    before = plan()
    finish(before)
    run = next(iter(before.runs.values()))
    (before.root / run.record).rename(before.root / run.directory / "history.parquet")
    assert plan().missing == (run.fingerprint,)


def test_when_all_is_there_nothing_is_packed(plan: Planner) -> None:
    finish(plan())
    assert plan().shards == ()
    assert plan().missing == ()


def test_one_more_seed_trains_its_own_runs_alone(plan: Planner) -> None:
    before = plan(seeds=[0])
    finish(before)
    after = plan(seeds=[0, 1])
    assert set(before.runs) < set(after.runs)
    assert {after.runs[name].spec.seed for name in after.missing} == {1}
    assert len(after.missing) == len(before.runs)


def test_the_size_of_shards_names_no_run(plan: Planner) -> None:
    small, large = plan(shard={"maximum_runs": 1}), plan(shard={"maximum_runs": 100})
    assert set(small.runs) == set(large.runs)
    assert len(small.shards) == len(small.runs)
    assert len(large.shards) == 2 * 4


def test_an_evaluation_with_its_file_exists(plan: Planner) -> None:
    one = plan().evaluations[0]
    path = plan().root / one.path
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    assert [e.fingerprint for e in plan().evaluations if e.exists] == [one.fingerprint]


def test_a_manifest_whose_runs_are_gone_does_not_pass_for_them(plan: Planner) -> None:
    before = plan()
    for shard in before.shards:
        path = before.root / before.layout.shard_manifest(shard.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    after = plan()
    assert [shard.runs for shard in after.shards] == [shard.runs for shard in before.shards]
    assert not {shard.digest for shard in after.shards} & {shard.digest for shard in before.shards}
    assert [shard.digest for shard in plan().shards] == [shard.digest for shard in after.shards]


def test_nothing_to_run_is_refused(plan: Planner, settings: Callable[..., Settings]) -> None:
    with pytest.raises(UserError, match="published_winners has no cells for digits"):
        plan(scale="paper", experiments=["published_winners"], data_sets=["digits"])


def test_planning_writes_nothing(plan: Planner, root: Path) -> None:
    plan()
    assert list(root.iterdir()) == []


def test_a_shard_s_membership_is_enough_to_name_its_runs(plan: Planner, package: Path) -> None:
    new = plan()
    write_memberships(new)
    closures = Closures(package)
    for shard in new.shards:
        content = json.loads((new.root / new.layout.shard_membership(shard.digest)).read_text())
        assert (content["schema"], content["digest"]) == (2, shard.digest)
        assert tuple(run["fingerprint"] for run in content["runs"]) == shard.runs
        for run in content["runs"]:
            spec = from_canonical(run["spec"])
            code = closures.of_model(spec.model)
            assert content["code"] == {
                "digest": code.digest,
                "modules": code.modules,
                "identity": code.digest,
            }
            name = run_fingerprint(spec, run["prepared"]["fingerprint"], code)
            assert name == run["fingerprint"]
            assert run["directory"] == new.layout.run(spec, name).as_posix()
            assert run["state"] == f"results/states/{name}"


def test_an_evaluation_s_membership_says_what_to_measure_and_where(
    plan: Planner, package: Path
) -> None:
    new = plan()
    write_memberships(new)
    closures = Closures(package)
    for one in new.evaluations:
        code = closures.of_measurement(str(one.axes["model"]))
        path = new.root / new.layout.evaluation_membership(one.fingerprint)
        content = json.loads(path.read_text())
        assert content["axes"] == one.axes
        assert content["output"] == one.directory.as_posix()
        for run in content["runs"]:
            name = measurement_fingerprint(run["fingerprint"], one.measures, code)
            place = f"{content['measurements']}/{run['fingerprint']}-{name}"
            assert run["measurement"] == {"fingerprint": name, "directory": place}


def test_the_report_s_membership_has_every_group_once(plan: Planner) -> None:
    new = plan()
    write_memberships(new)
    path = new.root / new.layout.report_membership(new.report)
    groups = json.loads(path.read_text())["groups"]
    names = ("study", "experiment", "axes", "variant")
    shown = {json.dumps([group[name] for name in names], sort_keys=True) for group in groups}
    assert len(shown) == len(groups) == len(new.groups)


def test_memberships_are_written_once(plan: Planner) -> None:
    new = plan()
    write_memberships(new)
    folder = new.root / new.layout.results / "plan"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    write_memberships(plan())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")} == before
    assert len(before) == len(new.shards) + len(new.evaluations) + len(new.prepared) + 1


def test_a_damaged_membership_is_written_again(plan: Planner) -> None:
    new = plan()
    write_memberships(new)
    before = files(new)
    path = new.root / new.layout.shard_membership(new.shards[0].digest)
    path.write_text(path.read_text()[:100])
    write_memberships(plan())
    assert files(new) == before


def test_other_settings_that_ask_for_the_same_work_change_no_membership(plan: Planner) -> None:
    new = plan()
    write_memberships(new)
    before = files(new)
    write_memberships(plan(threads=2))
    assert files(new) == before


def test_a_forged_membership_is_written_again(plan: Planner) -> None:
    new = plan()
    write_memberships(new)
    before = files(new)
    path = new.root / new.layout.shard_membership(new.shards[0].digest)
    forged = json.loads(path.read_text())
    forged["settings"]["scale"] = "paper"
    path.write_text(json.dumps(forged, sort_keys=True) + "\n")
    write_memberships(plan())
    assert files(new) == before


def raw_record(plan: Plan, **changed: str) -> Path:
    published = {file.name: file.sha256 for file in data_set("mnist").files} | changed
    path = plan.root / plan.layout.raw("mnist") / "record.json"
    path.parent.mkdir(parents=True)
    outputs = {name: {"sha256": sha256} for name, sha256 in published.items()}
    path.write_text(json.dumps({"outputs": outputs}))
    return path


def test_published_files_of_another_checksum_are_fetched_anew(plan: Planner) -> None:
    new = plan(data_sets=["mnist"])
    name = data_set("mnist").files[0].name
    record = raw_record(new, **{name: "0" * 64})
    write_memberships(new)
    assert record.exists(), "whoever only looks removes nothing"
    discard_outdated(new)
    assert not record.exists()


def test_published_files_of_the_registry_stay(plan: Planner) -> None:
    new = plan(data_sets=["mnist"])
    record = raw_record(new)
    discard_outdated(new)
    assert record.exists()


def test_processes_that_plan_at_once_do_not_disturb_each_other(plan: Planner, root: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from workflow_src.config.loading import settings_from_mapping\n"
        "from workflow_src.plan.workflow import workflow_plan\n"
        "settings = {'studies': ['spvae']}\n"
        "workflow_plan(settings, package_root=Path(sys.argv[1]), root=Path(sys.argv[2]))\n"
    )
    expected = plan()
    package = expected.closures.package_root
    command = [sys.executable, "-c", code, str(package), str(root)]
    started = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    write_memberships(plan())
    assert len(files(expected)) == len(expected.shards) + len(expected.evaluations) + 2 + 1
    assert not list(root.rglob("*.partial-*"))


def test_a_place_that_cannot_be_written_is_named(plan: Planner, root: Path) -> None:
    (root / "results").write_text("a file")
    with pytest.raises(UserError, match="results"):
        write_memberships(plan())
