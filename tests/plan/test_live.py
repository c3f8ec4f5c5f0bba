"""Shards whose jobs are alive keep what they have; only the rest is packed anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_src.config.settings import Settings
from workflow_src.plan.layout import Layout
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import Plan, build_plan

Planner = Callable[..., Plan]
LAYOUT = Layout(Path("data"), Path("results"))


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Planner:
    def planned(*live: str, **keys: object) -> Plan:
        # Of each model at least four runs on the same data.
        chosen = settings(**{"experiments": ["table1"], "seeds": [0, 1, 2, 3], **keys})
        return build_plan(chosen, package_root=package, root=root, live_shards=live)

    return planned


@pytest.fixture
def before(plan: Planner) -> Plan:
    """The plan of an earlier start, with its memberships: shards of two runs."""
    made = plan(shard={"maximum_runs": 2})
    write_memberships(made)
    assert {len(shard.runs) for shard in made.shards} == {2}
    return made


def finish(plan: Plan, *runs: str) -> None:
    for name in runs:
        path = plan.root / plan.runs[name].record
        path.parent.mkdir(parents=True)
        path.write_text("{}\n")


def membership(plan: Plan, digest: str) -> Path:
    return plan.root / plan.layout.shard_membership(digest)


def packed(plan: Plan) -> list[str]:
    return sorted(name for shard in plan.shards for name in shard.runs)


def test_a_live_shard_stays_and_its_runs_are_packed_nowhere_else(
    plan: Planner, before: Plan
) -> None:
    alive = before.shards[1]
    after = plan(alive.digest)
    assert after.live_shards == {alive.digest}
    assert alive in after.shards
    assert len(after.shards) < len(before.shards)
    assert packed(after) == sorted(before.runs)


def test_all_live_shards_leave_nothing_to_pack(plan: Planner, before: Plan) -> None:
    after = plan(*(shard.digest for shard in before.shards))
    assert set(after.shards) == set(before.shards)
    assert after.unneeded_shards == ()


def test_what_a_live_shard_has_finished_is_not_planned(plan: Planner, before: Plan) -> None:
    alive = before.shards[0]
    finish(before, alive.runs[0])
    after = plan(alive.digest)
    (same,) = (shard for shard in after.shards if shard.digest == alive.digest)
    assert same.runs == alive.runs[1:]
    assert after.expected[alive.digest].seconds == after.costs[alive.runs[1]].seconds
    assert packed(after) == sorted(after.missing)


def test_its_membership_is_the_one_that_its_job_was_started_with(
    plan: Planner, before: Plan
) -> None:
    alive = before.shards[0]
    finish(before, alive.runs[0])
    path = membership(before, alive.digest)
    text = path.read_text()
    write_memberships(plan(alive.digest, threads=2))
    assert path.read_text() == text


def test_a_shard_whose_runs_are_all_there_is_not_needed(plan: Planner, before: Plan) -> None:
    alive = before.shards[0]
    finish(before, *alive.runs)
    after = plan(alive.digest)
    assert after.unneeded_shards == (alive.digest,)
    assert after.live_shards == frozenset()
    assert packed(after) == sorted(after.missing)


def test_a_shard_of_other_settings_is_not_needed(plan: Planner) -> None:
    other = plan(seeds=[7])
    write_memberships(other)
    after = plan(other.shards[0].digest, seeds=[0])
    assert after.unneeded_shards == (other.shards[0].digest,)
    assert packed(after) == sorted(after.missing)


def test_a_shard_of_more_seeds_makes_what_is_asked_for_now(plan: Planner) -> None:
    more = plan(seeds=[0, 1])
    write_memberships(more)
    after = plan(*(shard.digest for shard in more.shards), seeds=[0])
    assert after.live_shards == {shard.digest for shard in more.shards}
    assert packed(after) == sorted(after.runs)


def test_a_run_that_two_live_shards_have_is_in_the_first(plan: Planner, before: Plan) -> None:
    large = plan()
    write_memberships(large)
    whole = next(s for s in large.shards if set(before.shards[0].runs) <= set(s.runs))
    after = plan(before.shards[0].digest, whole.digest)
    of = {shard.digest: set(shard.runs) for shard in after.shards}
    assert of[before.shards[0].digest] == set(before.shards[0].runs)
    assert of[whole.digest] == set(whole.runs) - set(before.shards[0].runs)
    assert packed(after) == sorted(after.missing)


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_text(path.read_text()[:-100])


def forge(path: Path) -> None:
    content = json.loads(path.read_text())
    content["runs"] = content["runs"][:1]
    path.write_text(json.dumps(content))


def take_another_s(path: Path) -> None:
    others = [other for other in path.parent.iterdir() if other != path]
    path.write_text(others[0].read_text())


def be_done(path: Path) -> None:
    manifest = path.parents[2] / "shards" / path.name
    manifest.parent.mkdir()
    manifest.write_text("{}\n")


@pytest.mark.parametrize("spoil", [remove, cut, forge, take_another_s, be_done])
def test_a_job_that_nobody_can_count_on_keeps_nothing(
    plan: Planner, before: Plan, spoil: Callable[[Path], None]
) -> None:
    alive = before.shards[0]
    spoil(membership(before, alive.digest))
    after = plan(alive.digest)
    assert after.unneeded_shards == (alive.digest,)
    assert packed(after) == sorted(before.runs)
    assert alive.digest not in {shard.digest for shard in after.shards}


def test_a_job_of_other_code_keeps_nothing(plan: Planner, before: Plan, package: Path) -> None:
    # Another code that was accepted as equal has the same fingerprints; the job would refuse it.
    of_vae = [s for s in before.shards if before.runs[s.runs[0]].spec.model == "vae"]
    alive = of_vae[0]
    path = membership(before, alive.digest)
    text = path.read_text()
    (package / "models/vae/model.py").write_text("SAMPLES = 6\n")
    after = plan(alive.digest)
    assert after.unneeded_shards == (alive.digest,)
    assert path.read_text() == text


def test_a_job_that_writes_elsewhere_keeps_nothing(plan: Planner, before: Plan, root: Path) -> None:
    alive = before.shards[0]
    elsewhere = root / "elsewhere"
    (root / "results").rename(elsewhere)
    after = plan(alive.digest, directories={"results": "elsewhere"})
    assert after.unneeded_shards == (alive.digest,)
    assert packed(after) == sorted(before.runs)
