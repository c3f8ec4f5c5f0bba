"""Ctrl-C: every job of the driver is cancelled, whatever the plugin knows of it just then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.conftest import COMMENT, DIGEST, Tools, line
from support.checkout import ROOT

from workflow_src.cluster.cancelling import Cancellation, cancel
from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.tools import NoAnswerError

OURS = "density-bench_ours"
EARLIER = "density-bench_earlier"
DRIVER = """
import os, sys, time
from pathlib import Path
from workflow_src.cluster.cancelling import Cancellation
from workflow_src.cluster.drivers import Sent, register
digest = "0123456789abcdef"
taken = Sent("5", "report", digest, "density-bench_earlier")
driver = register(Path(sys.argv[1]), [taken])
Cancellation(driver).prepare()
driver.note_run("density-bench_ours")
for number in ("6", "7"):
    driver.note_sent(Sent(number, "train_shard", digest, "density-bench_ours"))
driver.part(".states").write_text('{"6": {"state": "COMPLETED", "final": true}}')
exec(sys.argv[2])
"""
WAIT = "print(driver.path, flush=True); time.sleep(600)"
QUEUE = (
    line("5", "RUNNING", run=EARLIER)
    + line("6", "COMPLETED", run=OURS)
    + line("7", "RUNNING", run=OURS)
    + line("8", "PENDING", run=OURS)
    + line("9", "RUNNING", run=EARLIER)
)
"""Job 8 was accepted without that its id was noted; 9 was not taken over."""


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def started(tmp_path: Path, code: str) -> subprocess.Popen[str]:
    # Where tests run in the background, Ctrl-C would do nothing.
    usual = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-c", usual + DRIVER, str(tmp_path / "results"), code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )


def interrupted(tmp_path: Path) -> tuple[Driver, subprocess.Popen[str], str]:
    """A driver after Ctrl-C, its process, and what it said."""
    process = started(tmp_path, WAIT)
    assert process.stdout is not None
    driver = Driver(Path(process.stdout.readline().strip()))
    process.send_signal(signal.SIGINT)
    return driver, process, process.communicate()[1]


def test_ctrl_c_cancels_every_job_of_the_driver(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", QUEUE)
    tools.answer("scancel", "")
    driver, process, said = interrupted(tmp_path)
    assert "KeyboardInterrupt" in said
    assert process.returncode != 0
    assert driver.is_cancelled
    assert {word for call in tools.calls("scancel") for word in call} == {"5", "7", "8"}
    assert "3 jobs cancelled" in said


def test_what_the_plugin_cancelled_is_told_and_not_cancelled_again(
    tmp_path: Path, tools: Tools
) -> None:
    tools.answer("squeue", line("7", "CANCELLED", run=OURS))
    tools.answer("scancel", "")
    assert "1 job cancelled" in interrupted(tmp_path)[2]
    assert tools.calls("scancel") == []


def test_a_failed_scancel_is_told_with_the_line_to_type(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", QUEUE)
    tools.answer("scancel", ("scancel: error: Unable to contact", 1))
    said = interrupted(tmp_path)[2]
    assert "error: jobs could not be cancelled (scancel: scancel: error: Unable" in said
    assert "scancel 5 7 8\n" in said


def test_without_an_answer_all_jobs_that_may_be_left_are_cancelled(
    tmp_path: Path, tools: Tools
) -> None:
    tools.answer("squeue", ("Unable to contact", 1))
    tools.answer("scancel", "")
    interrupted(tmp_path)
    assert {word for call in tools.calls("scancel") for word in call} == {"5", "7"}


def test_an_end_without_ctrl_c_cancels_nothing(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", QUEUE)
    tools.answer("scancel", "")
    process = started(tmp_path, "print(driver.path)")
    out, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert tools.calls("scancel") == []
    assert Driver(Path(out.strip())).part(".ended").exists()


def test_only_the_driver_itself_cancels(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", QUEUE)
    tools.answer("scancel", "")
    child = """
driver.part(".cancelled").touch()
if not (pid := os.fork()):
    sys.exit()
os.waitpid(pid, 0)
print(driver.part(".ended").exists(), flush=True)
os._exit(0)
"""
    assert started(tmp_path, child).communicate()[0] == "False\n"
    assert tools.calls("scancel") == []


def test_a_full_disk_keeps_no_job_alive(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", QUEUE)
    tools.answer("scancel", "")
    full = """
def no_space(path): raise OSError(28, "No space left on device")
Path.touch = no_space
"""
    process = started(tmp_path, full + WAIT)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert "3 jobs cancelled" in process.communicate()[1]


def test_an_ignored_ctrl_c_stays_ignored(driver: Driver) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Cancellation(driver).prepare()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_nothing_is_asked_where_nothing_was_sent(driver: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("7", "RUNNING"))
    assert Cancellation(driver).cancel_rest() is None
    assert tools.calls("squeue") == []


def test_jobs_are_cancelled_on_their_clusters_and_in_portions(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_src.cluster.cancelling._IDS_AT_ONCE", 2)
    tools.answer("scancel", "")
    cancel({"1": "", "2": "far", "3": "", "4": ""})
    assert tools.calls("scancel") == [["1", "3"], ["4"], ["--clusters=far", "2"]]
    tools.answer("scancel", ("no", 1))
    with pytest.raises(NoAnswerError):
        cancel({"1": ""})


def test_what_was_taken_over_counts_until_it_ended(driver: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("7", "RUNNING", COMMENT), line("7", "CANCELLED", COMMENT))
    tools.answer("scancel", "")
    driver.note_sent(Sent("7", "train_shard", DIGEST, "density-bench_0b0e0d0c", adopted=True))
    cancellation = Cancellation(driver)
    assert str(cancellation.cancel_rest()).startswith("1 job cancelled")
    # Asked again, it tells the same of a job that has ended meanwhile.
    driver.part(".states").write_text('{"7": {"state": "CANCELLED", "final": true}}')
    assert str(cancellation.cancel_rest()).startswith("1 job cancelled")
    assert tools.calls("scancel") == [["7"]]
