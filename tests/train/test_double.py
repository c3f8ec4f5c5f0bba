"""Two jobs at one shard: each run is trained by one of them, and what comes out is the same."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.shards import REPOSITORY, Planned
from support.studies import INTERVAL, STEPS

from workflow_src.jobs import leases
from workflow_src.jobs.holders import this_process
from workflow_src.jobs.leases import LEASE_FILE, Lease, acquire
from workflow_src.jobs.renewing import RENEWALS
from workflow_src.plan.layout import STATE_FILE
from workflow_src.train.run_directory import read_parameters, read_run
from workflow_src.train.training import InterruptedTrainingError

# Says when it has taken so many steps, and waits there for a word.
HALTED = """
import sys
from pathlib import Path
from workflow_src.train.shard import ShardOptions, train_shard

steps = 0

def halt_in_time():
    global steps
    steps += 1
    if steps == int(sys.argv[3]):
        print("halted", flush=True)
        sys.stdin.readline()
    return False

options = ShardOptions(
    seconds_between_saves=0.0, stop_is_wanted=halt_in_time, seconds_between_looks=0.05
)
train_shard(Path(sys.argv[1]), Path(sys.argv[2]), options)
print("ended", flush=True)
"""


@pytest.fixture
def halted() -> Iterator[Callable[[Planned, int], subprocess.Popen[str]]]:
    """Start a job on a shard that halts before the step of that number."""
    started: list[subprocess.Popen[str]] = []

    def start(shard: Planned, step: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HALTED, str(shard.membership), str(shard.manifest), str(step)],
            cwd=shard.root,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "halted\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def go_on(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout is not None
    return process.stdout.read()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks of this process at a lease much time passes."""
    moments = itertools.count(0, 10_000)
    monkeypatch.setattr(leases, "_clock", lambda: float(next(moments)))


def elsewhere(run: dict[str, Any], expires_after: float = 3600.0, **facts: Any) -> Lease:
    """Have a job on another node hold a run."""
    holder = dataclasses.replace(this_process(), boot="another boot", host="far", **facts)
    for _ in range(1000):
        lease = acquire(Path(run["state"]), holder, expires_after=expires_after)
        if lease is not None:
            return lease
        # Its holder renewed it between our look and our hand.
        time.sleep(0.005)
    raise AssertionError(f"{run['state']} is not free")


def wait_until_the_loss_is_noticed(run: dict[str, Any]) -> None:
    """By the thread that renews the leases of this process, those of `elsewhere` among them."""
    end = time.monotonic() + 60
    while any(
        isinstance(one, Lease) and one.folder == Path(run["state"]) and one.holder.host != "far"
        for one in list(RENEWALS._due)
    ):
        assert time.monotonic() < end, "the lease is still renewed"
        time.sleep(0.005)


def age(run: dict[str, Any]) -> None:
    path = Path(run["state"]) / LEASE_FILE
    moment = path.stat().st_mtime - 1e5
    os.utime(path, (moment, moment))


def files(shard: Planned) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in shard.directories() for path in folder.iterdir()}


def parameters(shard: Planned) -> dict[str, dict[str, torch.Tensor]]:
    return {
        folder.name: {name: value.clone() for name, value in read_parameters(folder).items()}
        for folder in shard.directories()
    }


def remaining_states(shard: Planned) -> list[Path]:
    return list((shard.root / "results" / "states").glob("*/*"))


def test_a_stopped_job_whose_leases_expire_is_taken_over_and_ends_in_peace(
    planned: Any, halted: Any
) -> None:
    shard: Planned = planned()
    stopped = halted(shard, 2 * INTERVAL + 3)
    stopped.send_signal(signal.SIGSTOP)
    first_bank = [run for run in shard.runs if (Path(run["state"]) / LEASE_FILE).exists()]
    assert len(first_bank) == 2
    for run in first_bank:
        age(run)
    manifest = shard.train(seconds_between_looks=0.05)
    assert [run["status"]["state"] for run in manifest["runs"]] == ["completed"] * 4
    before = files(shard)
    for run in first_bank:
        folder = shard.root / run["directory"]
        (interruption,) = read_run(folder)["content"]["circumstances"]["interruptions"]
        assert interruption["resumed_from_step"] == 2 * INTERVAL
    stopped.send_signal(signal.SIGCONT)
    assert go_on(stopped) == "ended\n"
    assert stopped.wait() == 0
    assert files(shard) == before
    assert remaining_states(shard) == []

    saved = {path: text for path, text in before.items() if path.name == "checkpoint.safetensors"}
    shutil.rmtree(shard.root / "results" / "runs")
    shard.train()
    assert {path: path.read_bytes() for path in saved} == saved


def test_two_jobs_at_once_share_a_shard(
    planned: Any, halted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    shard: Planned = planned()
    other = halted(shard, 3)
    held = [run for run in shard.runs if (Path(run["state"]) / LEASE_FILE).exists()]
    let_go: list[str] = []

    def look() -> bool:
        # Once what is free is done, let the other one finish what it holds.
        done = [folder for folder in shard.directories() if folder.exists()]
        if len(done) == 2 and not let_go:
            let_go.append(go_on(other))
        return False

    shard.train(stop_is_wanted=look, seconds_between_looks=0.05)
    assert let_go == ["ended\n"]
    assert caplog.text.count("training 2 x") == 1
    for run in held:
        assert f"{run['directory']} is being trained by process {other.pid} on" in caplog.text
    for folder in shard.directories():
        circumstances = read_run(folder)["content"]["circumstances"]
        assert circumstances["interruptions"] == []
        assert len(circumstances["bank"]) == 2
    assert remaining_states(shard) == []


def test_a_run_held_by_another_is_left_for_the_end_and_taken_when_free(planned: Any) -> None:
    shard: Planned = planned()
    first, *others = shard.runs
    elsewhere(first)
    looks: list[int] = []

    def look() -> bool:
        done = sum((shard.root / run["directory"]).exists() for run in others)
        looks.append(done)
        if looks.count(3) == 3:
            assert not (shard.root / first["directory"]).exists()
            age(first)
        return False

    shard.train(stop_is_wanted=look, seconds_between_looks=0.01)
    circumstances = read_run(shard.root / first["directory"])["content"]["circumstances"]
    assert circumstances["bank"] == [first["fingerprint"]]
    assert remaining_states(shard) == []


def test_a_run_that_another_job_finishes_is_waited_for_and_not_trained(planned: Any) -> None:
    shard: Planned = planned()
    shard.train()
    first = shard.runs[0]
    directory, aside = shard.root / first["directory"], shard.root / "aside"
    before = files(shard)
    directory.rename(aside)
    shard.manifest.unlink()
    lease = elsewhere(first)
    looks: list[None] = []

    def look() -> bool:
        looks.append(None)
        if len(looks) == 3:
            assert not shard.manifest.exists()
            aside.rename(directory)
            lease.release()
        return False

    shard.train(stop_is_wanted=look, seconds_between_looks=0.01)
    assert files(shard) == before
    assert remaining_states(shard) == []


def test_a_stop_ends_the_waiting_too(planned: Any) -> None:
    shard: Planned = planned()
    theirs = [elsewhere(run) for run in shard.runs]
    with pytest.raises(InterruptedTrainingError):
        shard.train(stop_is_wanted=lambda: True, seconds_between_looks=1e6)
    assert all(lease.is_held() for lease in theirs)


def test_a_stop_gives_the_leases_back(planned: Any) -> None:
    shard: Planned = planned()
    steps: list[None] = []

    def stop() -> bool:
        steps.append(None)
        return len(steps) > INTERVAL + 2

    with pytest.raises(InterruptedTrainingError):
        shard.train(stop_is_wanted=stop)
    assert {path.name for path in remaining_states(shard)} == {STATE_FILE}
    assert len(remaining_states(shard)) == 2


def test_a_lease_lost_in_training_costs_that_run_alone_and_nothing_wrong(planned: Any) -> None:
    shard: Planned = planned()
    shard.train()
    undisturbed = parameters(shard)
    shutil.rmtree(shard.root / "results" / "runs")
    thief: list[Lease] = []
    kept: list[bytes] = []
    steps: list[None] = []
    lost, other = shard.runs[0], shard.runs[1]
    state = shard.root / lost["state"] / STATE_FILE

    def look() -> bool:
        steps.append(None)
        if len(steps) == 2 * INTERVAL + 2:
            # As if this job had stood still until another one took the run over.
            (shard.root / lost["state"] / LEASE_FILE).unlink()
            thief.append(elsewhere(lost))
            kept.append(state.read_bytes())
            state.write_bytes(b"theirs")
            wait_until_the_loss_is_noticed(lost)
        if thief and sum(folder.exists() for folder in shard.directories()) == 3:
            assert state.read_bytes() == b"theirs"
            state.write_bytes(kept[0])
            thief.pop().release()
        return False

    manifest = shard.train(
        stop_is_wanted=look,
        seconds_between_saves=0.0,
        seconds_between_looks=0.01,
        lease_seconds=0.06,
    )
    assert [run["status"]["state"] for run in manifest["runs"]] == ["completed"] * 4
    for run in (lost, other):
        circumstances = read_run(shard.root / run["directory"])["content"]["circumstances"]
        (interruption,) = circumstances["interruptions"]
        assert interruption["resumed_from_step"] == 2 * INTERVAL
    for name, values in parameters(shard).items():
        for part, value in values.items():
            torch.testing.assert_close(value, undisturbed[name][part], rtol=1e-4, atol=1e-4)
    assert remaining_states(shard) == []


def test_a_run_that_ends_after_its_lease_was_lost_counts_and_leaves_the_other_alone(
    planned: Any,
) -> None:
    shard: Planned = planned()
    lost = shard.runs[0]
    thief: list[Lease] = []
    steps: list[None] = []

    def look() -> bool:
        steps.append(None)
        if len(steps) == STEPS:
            # The next renewal, which would tell, comes too late.
            (shard.root / lost["state"] / LEASE_FILE).unlink()
            thief.append(elsewhere(lost))
        return False

    manifest = shard.train(stop_is_wanted=look)
    assert [run["status"]["state"] for run in manifest["runs"]] == ["completed"] * 4
    assert thief[0].is_held()
    assert [path.name for path in remaining_states(shard)] == [LEASE_FILE]
    thief[0].release()


def test_the_state_of_a_finished_run_that_another_still_holds_is_left_to_it(planned: Any) -> None:
    shard: Planned = planned()
    shard.train()
    lease = elsewhere(shard.runs[0])
    shard.train()
    assert lease.is_held()
    lease.release()


def test_a_damaged_run_that_another_holds_is_left_to_it(planned: Any) -> None:
    shard: Planned = planned()
    shard.train()
    directory = shard.root / shard.runs[0]["directory"]
    checkpoint = directory / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-8])
    theirs = elsewhere(shard.runs[0])
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(InterruptedTrainingError):
        shard.train(stop_is_wanted=stop, seconds_between_looks=0.01)
    assert checkpoint.exists()
    assert not list(directory.parent.glob(".*damaged*"))
    theirs.release()
    shard.train()
    assert len(list(directory.parent.glob(".*damaged*"))) == 1


def test_an_expired_lease_of_a_finished_run_is_cleared_away_at_once(planned: Any) -> None:
    shard: Planned = planned()
    shard.train()
    elsewhere(shard.runs[0])
    age(shard.runs[0])
    shard.train()
    assert remaining_states(shard) == []


@pytest.mark.parametrize("first_step", [0, INTERVAL + 2])
def test_a_start_that_slurm_has_given_up_ends_when_the_next_one_takes_over(
    planned: Any, monkeypatch: pytest.MonkeyPatch, first_step: int
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    shard: Planned = planned()
    steps: list[None] = []
    theirs: list[Lease] = []

    def requeue() -> None:
        theirs.extend(elsewhere(run, slurm_job="77", slurm_restarts=1) for run in shard.runs)

    def look() -> bool:
        steps.append(None)
        if len(steps) == first_step:
            requeue()
            for run in shard.runs:
                wait_until_the_loss_is_noticed(run)
        return len(steps) > 1000

    if not first_step:
        requeue()
    with pytest.raises(InterruptedTrainingError, match="a later start of its SLURM job"):
        shard.train(stop_is_wanted=look, seconds_between_looks=0.01, lease_seconds=0.06)
    assert all(lease.is_held() for lease in theirs)
    assert len(steps) < STEPS
    for lease in theirs:
        lease.release()
