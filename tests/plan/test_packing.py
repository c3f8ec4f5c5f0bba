"""What is asked of the cluster grows with what is expected, and what is too long is told before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.config.settings import Settings
from workflow_src.plan.costs import Cost
from workflow_src.plan.packing import minutes, packing, too_long, total
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.time_limit import TimeLimit, complaints

PAPER = {"scale": "paper", "experiments": ["figure2"], "seeds": [0], "device": "cuda"}
"""13 fractions of 6 x 47 cells of the text and 4 of published winners."""
SOURCES = ("measured", "scaled", "guessed")
some_seconds = st.floats(0, 1e7)
some_source = st.sampled_from(SOURCES)


@given(some_seconds, some_source, st.integers(1, 5))
def test_more_is_asked_for_than_is_expected(seconds: float, source: str, attempt: int) -> None:
    asked = minutes(seconds, source, attempt)
    assert asked * 60 > seconds
    assert asked >= 30
    assert minutes(seconds, source, attempt + 1) > asked


@given(some_seconds, some_source, st.integers(1, 5), st.integers(1, 10_000))
def test_never_more_than_the_partition_gives(
    seconds: float, source: str, attempt: int, limit: int
) -> None:
    freely = minutes(seconds, source, attempt)
    assert minutes(seconds, source, attempt, limit) == (limit if limit < freely else freely)


def test_the_less_is_known_the_more_is_asked_for() -> None:
    asked = [minutes(4 * 3600, source) for source in SOURCES]
    assert asked == sorted(set(asked))


def test_a_sum_is_as_good_as_its_worst_part() -> None:
    parts = [Cost(10.0, "measured"), Cost(20.0, "scaled")]
    assert total(parts) == Cost(30.0, "scaled")
    assert total([*parts, Cost(5.0, "guessed")]) == Cost(35.0, "guessed")
    assert total(parts[:1]) == parts[0]


def test_too_long_is_what_lasts_beyond_the_limit() -> None:
    expected = {name: Cost(hours * 3600, "guessed") for name, hours in {"a": 1, "b": 2}.items()}
    assert too_long(expected, 119) == ("b",)
    assert too_long(expected, 120) == ()


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Callable[..., Plan]:
    return lambda **keys: build_plan(settings(**keys), package_root=package, root=root)


def test_the_paper_s_grid_is_about_a_hundred_jobs(plan: Callable[..., Plan]) -> None:
    paper = plan(**PAPER)
    assert len(paper.runs) == 3718
    assert 80 <= len(paper.shards) <= 125
    packed = packing(paper.shards, paper.expected, paper.costs)
    assert packed.runs_per_job is not None
    assert packed.hours_per_job is not None
    assert packed.jobs * packed.runs_per_job.least <= 3718 <= packed.jobs * packed.runs_per_job.most
    assert packed.hours_per_job.most <= 4.0
    assert packed.hours == pytest.approx(sum(c.seconds for c in paper.costs.values()) / 3600)


def test_hours_decide_how_many_jobs_there_are(plan: Callable[..., Plan]) -> None:
    jobs = [len(plan(**PAPER, shard={"target_hours": hours}).shards) for hours in (1, 4, 16)]
    assert jobs[0] > 2 * jobs[1] > 2 * jobs[2]


def test_the_demo_has_a_job_for_each_model_and_likelihood(plan: Callable[..., Plan]) -> None:
    assert len(plan().shards) == 4 * 2


def test_expectations_decide_where_runs_are_packed_and_name_nothing(
    plan: Callable[..., Plan],
) -> None:
    before = plan()
    done = before.missing[0]
    path = before.root / before.runs[done].record
    path.parent.mkdir(parents=True)
    spec = before.runs[done].spec
    record = {
        "content": {"spec": spec.canonical(), "result": {"device_seconds": 5 * 3600.0}},
        "machine": {"gpu": None},
    }
    path.write_text(json.dumps(record))
    after = plan()
    family = (spec.model, spec.data_set, spec.likelihood)
    of_family = {
        name
        for name in after.missing
        if (one := after.runs[name].spec) and (one.model, one.data_set, one.likelihood) == family
    }
    assert {cost.source for name, cost in after.costs.items() if name in of_family} <= {
        "measured",
        "scaled",
    }
    # Each of these takes longer than the target now, so it has a job of its own.
    same_cell = {n for n in of_family if after.costs[n].seconds > 4 * 3600}
    assert same_cell
    assert all((name,) in {shard.runs for shard in after.shards} for name in same_cell)
    assert list(after.runs) == list(before.runs)
    assert [e.fingerprint for e in after.evaluations] == [e.fingerprint for e in before.evaluations]
    assert after.report == before.report


def test_a_limit_that_suits_all_is_one_sentence(plan: Callable[..., Plan]) -> None:
    (told,) = complaints(plan(), TimeLimit(60, "partition gpu"))
    assert told == "every job fits into the time limit of 60 min (partition gpu)"
    assert complaints(plan(), None) == []


def test_runs_and_jobs_that_are_too_long_are_told_apart(plan: Callable[..., Plan]) -> None:
    paper = plan(**PAPER)
    # Runs are expected to take 320 s, jobs of up to 45 runs 4 h.
    (runs,) = complaints(paper, TimeLimit(5, "partition short"))
    assert runs.startswith("too long: 3718 runs are each expected")
    most = max(len(shard.runs) for shard in paper.shards)
    attempts = -(-most * 320 // 300)
    assert f"their {len(paper.shards)} jobs need up to {attempts} attempts" in runs
    assert f"set `retries` in profiles/slurm/profile.yaml to {attempts - 1} or more" in runs
    (jobs,) = complaints(paper, TimeLimit(60, "partition short"))
    assert "set shard.target_hours to 0.8 or less" in jobs
    (cut,) = complaints(paper, TimeLimit(240, "partition short"))
    assert cut.startswith(f"{len(paper.shards)} jobs would ask for more")


def test_one_run_and_one_job_are_told_in_the_singular(plan: Callable[..., Plan]) -> None:
    before = plan()
    for name in before.missing[1:]:
        path = before.root / before.runs[name].record
        path.parent.mkdir(parents=True)
        path.write_text("{}\n")
    one = plan()
    (run,), (shard,) = one.missing, one.shards
    hour = Cost(3600.0, "guessed")
    one = dataclasses.replace(one, costs={run: hour}, expected={shard.digest: hour})
    (told,) = complaints(one, TimeLimit(25, "partition short"))
    assert told.startswith("too long: 1 run is expected to take longer")
    assert "its job needs 3 attempts; set `retries` in profiles/slurm/profile.yaml to 2" in told
    (cut,) = complaints(one, TimeLimit(60, "partition short"))
    assert cut.startswith("1 job would ask for more")
    assert cut.endswith("and asks for all of it")


def test_no_job_asks_for_more_than_the_limit(plan: Callable[..., Plan]) -> None:
    paper = plan(**PAPER)
    freely = packing(paper.shards, paper.expected, paper.costs).minutes
    within = packing(paper.shards, paper.expected, paper.costs, 45).minutes
    assert freely is not None
    assert within is not None
    assert freely.most > 45
    assert within.most == within.median == 45


def test_the_advice_on_the_target_is_good_advice(plan: Callable[..., Plan]) -> None:
    limit = TimeLimit(60, "partition short")
    assert limit.too_long(plan(**PAPER))
    assert limit.too_long(plan(**PAPER, shard={"target_hours": 0.8})) == ()
