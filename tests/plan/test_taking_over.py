"""The plan of a cluster: jobs of an earlier start, limits of partitions, and what is asked for."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow_src.cluster.drivers import Driver, earlier_drivers
from workflow_src.errors import UserError
from workflow_src.jobs.journal import DRIVER_VARIABLE
from workflow_src.plan import packing
from workflow_src.plan.costs import Cost
from workflow_src.plan.taking_over import needed_keys
from workflow_src.plan.workflow import WorkflowPlan, workflow_plan, workflow_plan_of_job

UNLIMITED = SimpleNamespace(overwrite_resources={}, default_resources=None)
SHORT = SimpleNamespace(
    overwrite_resources={"train_shard": {"slurm_partition": "short"}}, default_resources=None
)
OTHER = "f" * 16
RUN = "density-bench_a"


class Queue:
    """What a fake squeue and sinfo say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        cat = shlex.quote(str(shutil.which("cat")))
        for name in ("squeue", "sinfo"):
            (folder / f"{name}.says").touch()
            script = f"#!/bin/sh\n{cat} {shlex.quote(str(folder))}/{name}.says\n"
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
        (folder / "sinfo.says").write_text("main*|infinite|64000\nshort|2:00|4000\n")

    def holds(self, root: Path, *jobs: tuple[str, str, str]) -> None:
        """Let these be in the queue: id, rule, and what the job makes."""
        lines = [f"{i}|RUNNING|{RUN}|rule_{r}_wildcards_{n}|{root}" for i, r, n in jobs]
        (self.folder / "squeue.says").write_text("\n".join(lines) + "\n")

    def is_silent(self) -> None:
        (self.folder / "squeue").write_text("#!/bin/sh\nexit 1\n")


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(DRIVER_VARIABLE, "")
    before = signal.getsignal(signal.SIGINT)
    yield Queue(folder)
    signal.signal(signal.SIGINT, before)


def noted() -> None:
    """Let the driver of this process be the one that sent what the queue holds."""
    driver = Driver.current()
    assert driver is not None
    driver.note_run(RUN)


def plan(package: Path, root: Path, *, alone: bool = True, **settings: object) -> WorkflowPlan:
    return workflow_plan(
        settings, package_root=package, root=root, alone=alone, resources=UNLIMITED
    )


def test_the_first_start_finds_nothing_and_becomes_the_driver(
    package: Path, root: Path, queue: Queue, capfd: pytest.CaptureFixture[str]
) -> None:
    plan(package, root)
    driver = Driver.current()
    assert driver is not None
    assert earlier_drivers(root / "results") == [driver]
    assert driver.orphans() == {}
    assert capfd.readouterr().err == ""


def test_a_start_takes_over_what_it_needs_and_names_the_rest(
    package: Path, root: Path, queue: Queue, capfd: pytest.CaptureFixture[str]
) -> None:
    first = plan(package, root)
    noted()
    digest = next(iter(first.shards))
    evaluation = next(iter(first.evaluations))
    queue.holds(
        root,
        ("5", "train_shard", digest),
        ("6", "evaluate_group", evaluation),
        ("7", "report", OTHER),
    )
    second = plan(package, root)
    driver = Driver.current()
    assert driver is not None
    assert set(driver.orphans()) == {("train_shard", digest), ("evaluate_group", evaluation)}
    said = capfd.readouterr().err
    assert "2 jobs of an earlier start are still in the queue (2 running)" in said
    assert "to end it: scancel 7" in said
    assert second.shards == first.shards


def test_a_live_shard_keeps_its_runs_when_the_packing_changes(
    package: Path, root: Path, queue: Queue
) -> None:
    first = plan(package, root)
    noted()
    digest, shard = max(first.shards.items(), key=lambda item: len(item[1].runs))
    assert len(shard.runs) > 1
    queue.holds(root, ("5", "train_shard", digest))
    second = plan(package, root, shard={"maximum_runs": 1})
    assert second.shards[digest] == shard
    assert all(len(one.runs) == 1 for name, one in second.shards.items() if name != digest)


def test_a_dry_run_looks_but_is_no_driver(
    package: Path, root: Path, queue: Queue, capfd: pytest.CaptureFixture[str]
) -> None:
    first = plan(package, root, alone=False)
    assert Driver.current() is None
    earlier = Driver(root / "results" / "jobs" / "drivers" / "one.json")
    earlier.path.parent.mkdir(parents=True)
    earlier.path.write_text("{}")
    earlier.note_run(RUN)
    queue.holds(root, ("5", "train_shard", next(iter(first.shards))))
    plan(package, root, alone=False)
    assert "1 job of an earlier start" in capfd.readouterr().err
    assert Driver.current() is None
    queue.is_silent()
    plan(package, root, alone=False)


def test_a_silent_slurm_stops_a_start_that_may_double_jobs(
    package: Path, root: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_src.cluster.orphans.PATIENCE", 0.1)
    monkeypatch.setattr("workflow_src.cluster.orphans._PAUSE", 0.01)
    plan(package, root)
    driver = Driver.current()
    assert driver is not None
    queue.is_silent()
    plan(package, root)
    driver.part(".sent").write_text(
        '{"id": "5", "rule": "report", "name": "' + OTHER + '", "run": "density-bench_a"}\n'
    )
    with pytest.raises(UserError, match="SLURM does not answer"):
        plan(package, root)


def test_ctrl_c_is_prepared_for(package: Path, root: Path, queue: Queue) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    plan(package, root, alone=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    plan(package, root)
    driver = Driver.current()
    assert driver is not None
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert driver.is_cancelled
    signal.signal(signal.SIGINT, before)


def test_jobs_in_an_odd_folder_are_refused(package: Path, root: Path, queue: Queue) -> None:
    odd = root / "a$b"
    odd.mkdir()
    with pytest.raises(UserError, match="do not work in a folder"):
        plan(package, odd)
    workflow_plan({}, package_root=package, root=odd)


def test_what_exists_needs_no_job(package: Path, root: Path) -> None:
    found = workflow_plan({}, package_root=package, root=root).plan
    assert found is not None
    keys = needed_keys(found)
    assert {rule for rule, _ in keys} == {"prepare", "train_shard", "evaluate_group", "report"}
    for data in found.prepared:
        (root / data.record).parent.mkdir(parents=True)
        (root / data.record).write_text("{}")
    done = tuple(dataclasses.replace(one, exists=True) for one in found.evaluations)
    rest = needed_keys(dataclasses.replace(found, shards=(), evaluations=done))
    assert rest == {("report", found.report)}


def test_partitions_limit_what_is_asked_for(package: Path, root: Path, queue: Queue) -> None:
    made = workflow_plan({}, package_root=package, root=root, resources=SHORT)
    assert made.allowed_minutes("train_shard", 60) == 2
    assert made.allowed_minutes("train_shard", 1) == 1
    assert made.allowed_minutes("report", 60) == 60
    assert made.allowed_megabytes("train_shard", 8000) == 4000
    assert made.allowed_megabytes("report", 8000) == 8000
    digest = next(iter(made.shards))
    assert made.shard_minutes(digest, 1) == 2


def test_without_a_cluster_nothing_is_limited(package: Path, root: Path) -> None:
    made = workflow_plan({}, package_root=package, root=root)
    assert made.allowed_minutes("train_shard", 10**6) == 10**6
    assert made.allowed_megabytes("train_shard", 10**6) == 10**6


def test_the_time_of_a_shard_is_what_its_runs_need(package: Path, root: Path) -> None:
    made = workflow_plan({}, package_root=package, root=root)
    assert made.plan is not None
    digest = next(iter(made.shards))
    expected = {**made.plan.expected, digest: Cost(36_000.0, "measured")}
    made = dataclasses.replace(made, plan=dataclasses.replace(made.plan, expected=expected))
    first = made.shard_minutes(digest, 1)
    assert first == packing.minutes(36_000.0, "measured", 1)
    assert made.shard_minutes(digest, 2) > first
    job = workflow_plan_of_job({}, root=root)
    assert job.shard_minutes(digest, 1) > 0


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [("cuda", "0,1,2", 3), ("cuda", "", 1), ("cuda:1", "0,1", 1)],
)
def test_as_many_jobs_as_gpus_run_here(
    device: str,
    visible: str,
    expected: int,
    package: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    made = workflow_plan({"device": device}, package_root=package, root=root)
    assert made.gpus_at_once() == expected
