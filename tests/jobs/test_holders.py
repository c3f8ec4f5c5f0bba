"""A process is seen to live or to have ended, and never taken for another one of its number."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.jobs import slurm
from workflow_src.jobs.holders import (
    Holder,
    as_mapping,
    from_mapping,
    is_dead,
    is_succeeded,
    this_process,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system does not show its processes"
)

PROGRAM = """
import json, sys
from workflow_src.jobs.holders import as_mapping, this_process
print(json.dumps(as_mapping(this_process())), flush=True)
sys.stdin.read()
"""

holders = st.builds(
    Holder,
    token=st.text(min_size=1, max_size=5),
    host=st.text(max_size=5),
    pid=st.integers(1, 2**22),
    started=st.none() | st.integers(0),
    boot=st.none() | st.text(max_size=5),
    namespace=st.none() | st.text(max_size=5),
    slurm_job=st.none() | st.sampled_from(["1", "2"]),
    slurm_restarts=st.integers(0, 3),
)


@pytest.fixture
def other() -> tuple[subprocess.Popen[bytes], Holder]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    import json

    holder = from_mapping(json.loads(process.stdout.readline()))
    assert holder is not None
    assert holder.pid == process.pid
    return process, holder


def test_a_process_lives_until_it_is_killed(other: tuple[subprocess.Popen[bytes], Holder]) -> None:
    process, holder = other
    assert not is_dead(holder)
    process.send_signal(signal.SIGSTOP)
    assert not is_dead(holder)
    process.kill()
    # Dead too while nobody has asked for its exit code.
    end = time.monotonic() + 60
    while not is_dead(holder):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert process.returncode is None
    process.wait()
    assert is_dead(holder)


def test_a_number_used_again_is_another_process() -> None:
    me = this_process()
    assert not is_dead(me)
    assert me.started is not None
    assert is_dead(dataclasses.replace(me, started=me.started - 1))


@pytest.mark.parametrize("name", ["boot", "namespace"])
@pytest.mark.parametrize("elsewhere", ["another", None])
def test_what_runs_elsewhere_cannot_be_seen_to_be_dead(name: str, elsewhere: str | None) -> None:
    gone = dataclasses.replace(this_process(), pid=2**22 - 1)
    assert is_dead(gone)
    assert not is_dead(dataclasses.replace(gone, **{name: elsewhere}))  # type: ignore[arg-type]


def test_a_process_that_is_somebody_elses_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert not is_dead(this_process())


@given(one=holders)
def test_a_holder_is_read_as_it_was_written(one: Holder) -> None:
    assert from_mapping(as_mapping(one)) == one


@given(one=holders, two=holders)
def test_only_a_later_start_of_the_same_job_succeeds_a_holder(one: Holder, two: Holder) -> None:
    expected = (one.slurm_job, two.slurm_job) in [("1", "1"), ("2", "2")] and (
        two.slurm_restarts > one.slurm_restarts
    )
    assert is_succeeded(one, by=two) == expected


@pytest.mark.parametrize(
    "change", [{"pid": "1"}, {"token": None}, {"slurm_restarts": None}, {"started": "x"}]
)
def test_a_damaged_holder_is_none(change: dict[str, object]) -> None:
    assert from_mapping(as_mapping(this_process()) | change) is None
    content = as_mapping(this_process())
    del content[next(iter(change))]
    assert from_mapping(content) is None


def test_two_holders_of_one_process_are_two() -> None:
    assert this_process().token != this_process().token


def test_slurm_is_asked_by_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", slurm.REMEMBERED):
        monkeypatch.delenv(name, raising=False)
    slurm.remember_restarts()
    assert slurm.REMEMBERED not in os.environ
    assert (slurm.job(), slurm.restarts()) == (None, 0)
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    assert (slurm.job(), slurm.restarts()) == ("41", 0)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert slurm.restarts() == 2
    monkeypatch.setenv(slurm.REMEMBERED, "")
    slurm.remember_restarts()
    # srun hides the variable from the step.
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    assert slurm.restarts() == 2
    # A driver that is a job itself hands its own number on; it is not that of its jobs.
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    assert slurm.restarts() == 0
