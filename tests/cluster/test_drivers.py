"""Drivers: who they are, what they sent, and that nobody sends for one that is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import ROOT

from workflow_src.cluster import drivers
from workflow_src.cluster.drivers import Driver, Sent, earlier_drivers, forget_old, register
from workflow_src.cluster.tools import COMMANDS, real_path
from workflow_src.jobs.journal import DRIVER_VARIABLE, driver_token

JOB = Sent("7", "train_shard", "0123456789abcdef", "density-bench_a")
ELSEWHERE = """
import sys
from pathlib import Path
from workflow_src.cluster.drivers import register
driver = register(Path(sys.argv[1]), [])
with driver.sending():
    print(driver.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> subprocess.Popen[str]:
    """A driver in another process, which is sending a job until its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "results")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )


def test_a_driver_is_found_by_what_it_starts(driver: Driver) -> None:
    assert Driver.current() == driver
    assert driver_token() == driver.token
    assert driver.path.is_absolute()
    assert driver.results.name == "results"
    assert driver.is_alive()
    assert driver.is_wanting


def test_without_a_driver_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DRIVER_VARIABLE, raising=False)
    assert Driver.current() is None


def test_its_commands_stand_first_and_once_and_do_not_reach_the_jobs(driver: Driver) -> None:
    before = real_path()
    assert os.environ["PATH"] == f"{COMMANDS}{os.pathsep}{before}"
    register(driver.results, [])
    assert os.environ["PATH"] == f"{COMMANDS}{os.pathsep}{before}"
    assert str(COMMANDS) not in before.split(os.pathsep)


def test_what_it_sent_is_read_in_order_and_past_damage(driver: Driver) -> None:
    assert driver.sent() == []
    driver.note_sent(JOB)
    with driver.part(".sent").open("a") as stream:
        stream.write('{"id": "8", "ru\n[]\n{"id": "9"}\n')
    driver.note_sent(Sent("10", "report", "f" * 16, "density-bench_a", "far", adopted=True))
    assert [one.id for one in driver.sent()] == ["7", "10"]
    assert driver.sent()[0] == JOB
    assert driver.sent()[1].adopted


def test_names_of_its_jobs_are_noted_once(driver: Driver) -> None:
    assert driver.runs() == []
    driver.note_run("density-bench_b")
    driver.note_run("density-bench_b")
    driver.note_run("density-bench_c")
    assert driver.part(".runs").read_text() == "density-bench_b\ndensity-bench_c\n"
    assert driver.runs() == ["density-bench_b", "density-bench_c"]
    driver.note_sent(JOB)
    assert driver.names() == {"density-bench_a", "density-bench_b", "density-bench_c"}


def test_what_it_may_have_left(driver: Driver) -> None:
    assert not driver.may_have_left_jobs
    driver.note_run("density-bench_a")
    assert driver.may_have_left_jobs
    driver.part(".ended").touch()
    # The call of sbatch that seemed to fail may have been accepted.
    assert driver.may_have_left_jobs
    driver.note_sent(JOB)
    assert driver.unsettled() == [JOB]
    driver.part(".states").write_text('{"7": {"state": "COMPLETED", "final": true}}')
    assert driver.unsettled() == []
    assert not driver.may_have_left_jobs


def test_orphans_are_by_what_they_make(tmp_path: Path, driver: Driver) -> None:
    assert driver.orphans() == {}
    assert register(tmp_path / "results", [JOB]).orphans() == {JOB.key: JOB}


def test_a_process_that_has_ended_is_no_driver(elsewhere: subprocess.Popen[str]) -> None:
    assert elsewhere.stdout is not None
    other = Driver(Path(elsewhere.stdout.readline().strip()))
    assert other.is_alive()
    elsewhere.kill()
    elsewhere.wait()
    assert not other.is_alive()
    assert not other.is_wanting


def test_a_driver_that_cancels_wants_nothing(driver: Driver) -> None:
    driver.part(".cancelled").touch()
    assert driver.is_alive()
    assert not driver.is_wanting


def test_who_comes_next_waits_for_a_job_that_is_being_sent(
    elsewhere: subprocess.Popen[str],
) -> None:
    assert elsewhere.stdout is not None
    other = Driver(Path(elsewhere.stdout.readline().strip()))
    assert not other.waits_for_sending(0.0)
    elsewhere.communicate()
    assert other.waits_for_sending(0.0)


def test_what_is_sent_by_a_killed_command_still_counts_as_being_sent(driver: Driver) -> None:
    with driver.sending() as descriptor:
        child = subprocess.Popen(["sleep", "600"], pass_fds=(descriptor,))
    assert not driver.waits_for_sending(0.0)
    child.kill()
    child.wait()
    assert driver.waits_for_sending(0.0)


def test_two_commands_may_send_at_once(driver: Driver) -> None:
    with driver.sending(), driver.sending():
        assert not driver.waits_for_sending(0.0)


def test_old_drivers_are_forgotten_but_for_those_of_living_jobs(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "_KEPT", 1)
    driver.note_sent(JOB)
    later = [register(driver.results, []) for _ in range(2)]
    every = earlier_drivers(driver.results)
    assert set(every) == {driver, *later}
    forget_old(driver.results, needed={"density-bench_a"})
    assert driver in earlier_drivers(driver.results)
    (driver.path.parent / ".x.json.partial-y").touch()
    forget_old(driver.results)
    assert len(earlier_drivers(driver.results)) == 1
    assert {path.stem for path in driver.path.parent.glob("[!.]*")} == {every[-1].token}
