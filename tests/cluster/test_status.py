"""squeue and sacct for the plugin: an answer always, and a true end for every job."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

import pytest
from cluster.conftest import DIGEST, RUN, Tools, line
from snakemake_executor_plugin_slurm.job_status_query import (
    query_job_status_sacct,
    query_job_status_squeue,
)

from workflow_src.cluster import status
from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.reasons import answer_reason
from workflow_src.cluster.status import answer_states, states_of
from workflow_src.errors import UserError
from workflow_src.jobs.journal import Entry, State, entry_path, note_queued, read_entry, write_entry

KEY = ("train_shard", DIGEST)
DOWN = ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 1)
MOMENT = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def waiting(driver: Driver) -> Driver:
    """A driver that waits for job 7."""
    driver.note_sent(Sent("7", *KEY, RUN))
    note_queued(driver.results, *KEY, slurm_job="7", driver=driver.token)
    return driver


def entry(driver: Driver) -> Entry:
    found = read_entry(entry_path(driver.results, *KEY))
    assert found is not None
    return found


@pytest.mark.parametrize("query", [query_job_status_squeue, query_job_status_sacct])
def test_the_plugins_question_is_answered_for_every_job(
    query: object, waiting: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting.note_sent(Sent("5", "report", "f" * 16, "density-bench_before", adopted=True))
    tools.answer("squeue", line("7", "RUNNING") + line("5", "COMPLETED"))
    words = shlex.split(query(RUN))[1:]  # type: ignore[operator]
    assert answer_states(words, waiting) == 0
    assert capsys.readouterr().out == "7|RUNNING\n5|COMPLETED\n"
    (asked,) = tools.calls("squeue")
    assert f"--name={RUN},density-bench_before" in asked


@pytest.mark.parametrize(
    "words", [["--me"], ["-j", "7"], ["--noheader", "--name", RUN], ["--name"], []]
)
def test_other_questions_are_left_to_the_tool(words: list[str], waiting: Driver) -> None:
    assert answer_states(words, waiting) is None


def test_a_job_that_ended_stays_so(waiting: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("7", "COMPLETED"), "")
    for _ in range(4):
        assert states_of(waiting, RUN) == {"7": "COMPLETED"}


def test_a_short_silence_is_waited_out(waiting: Driver, tools: Tools) -> None:
    tools.answer("squeue", DOWN, DOWN, line("7", "RUNNING"))
    assert states_of(waiting, RUN) == {"7": "RUNNING"}


def test_in_a_long_silence_jobs_are_what_they_were(
    waiting: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for answer, patience in ((DOWN, 0.1), (line("7", "RUNNING"), 40.0), (DOWN, 0.1)):
        monkeypatch.setattr(status, "PATIENCE", patience)
        tools.answer("squeue", answer)
        told.append(states_of(waiting, RUN)["7"])
    assert told == ["PENDING", "RUNNING", "RUNNING"]
    assert entry(waiting).state is State.QUEUED


def test_a_failure_reaches_the_journal(waiting: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("7", "TIMEOUT"))
    assert states_of(waiting, RUN) == {"7": "TIMEOUT"}
    assert entry(waiting).state is State.FAILED
    assert entry(waiting).reason == "SLURM: TIMEOUT"
    assert entry(waiting).worth_repeating


def test_a_forgotten_job_is_asked_of_the_accounting(waiting: Driver, tools: Tools) -> None:
    tools.answer("squeue", "")
    tools.answer("sacct", "7|CANCELLED by 0\n")
    assert states_of(waiting, RUN) == {"7": "CANCELLED"}


@pytest.mark.parametrize("accounting", [("Slurm accounting storage is disabled", 1), ""])
def test_then_its_own_last_word_counts(
    accounting: str | tuple[str, int], waiting: Driver, tools: Tools
) -> None:
    done = Entry(*KEY, State.FINISHED, MOMENT, MOMENT, slurm_job="7")
    write_entry(entry_path(waiting.results, *KEY), done)
    tools.answer("squeue", "")
    tools.answer("sacct", accounting)
    assert states_of(waiting, RUN) == {"7": "COMPLETED"}


@pytest.mark.parametrize("said", [(State.RUNNING, "7"), (State.FINISHED, "6"), None])
def test_without_one_it_has_failed_when_it_is_missed_twice(
    said: tuple[State, str] | None, waiting: Driver, tools: Tools
) -> None:
    path = entry_path(waiting.results, *KEY)
    path.unlink()
    if said is not None:
        write_entry(path, Entry(*KEY, said[0], MOMENT, MOMENT, slurm_job=said[1]))
    tools.answer("squeue", line("7", "RUNNING"), "")
    assert states_of(waiting, RUN) == {"7": "RUNNING"}
    assert states_of(waiting, RUN) == {"7": "RUNNING"}
    assert states_of(waiting, RUN) == {"7": "FAILED"}


def test_a_job_that_comes_back_was_not_forgotten(waiting: Driver, tools: Tools) -> None:
    tools.answer("squeue", "", line("7", "RUNNING"), "", line("7", "RUNNING"))
    assert [states_of(waiting, RUN)["7"] for _ in range(4)] == ["PENDING", *["RUNNING"] * 3]


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED"])
def test_a_lost_node_is_waited_for_as_long_as_slurm_may_requeue(
    state: str,
    waiting: Driver,
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = shlex.split(query_job_status_squeue(RUN))[1:]
    tools.answer("squeue", line("7", state))
    for moment, told in ((1000.0, "PENDING"), (1059.0, "PENDING"), (1061.0, "FAILED")):
        monkeypatch.setattr(status.time, "time", functools.partial(float, moment))
        answer_states(words, waiting)
        assert capsys.readouterr().out == f"7|{told}\n"
    assert entry(waiting).reason == f"SLURM: {state}"


def test_a_requeued_job_is_not_counted_from_its_first_failure(
    waiting: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1000.0
    monkeypatch.setattr(status.time, "time", lambda: moment)
    tools.answer("squeue", line("7", "NODE_FAIL"), line("7", "PENDING"), line("7", "NODE_FAIL"))
    states_of(waiting, RUN)
    states_of(waiting, RUN)
    moment = 2000.0
    assert states_of(waiting, RUN) == {"7": "NODE_FAIL"}


def test_a_job_that_could_not_be_noted_is_told_by_its_name(driver: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("42", "RUNNING"), line("42", "COMPLETED"))
    assert states_of(driver, RUN) == {"42": "RUNNING"}
    assert states_of(driver, RUN) == {"42": "COMPLETED"}


OTHER = f"rule_train_shard_wildcards_{'b' * 16}"


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("comment", [OTHER, "project=1"])
def test_one_beside_others_that_ended_is_told_and_in_the_end_forgotten(
    is_full: bool, comment: str, waiting: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_full:
        monkeypatch.setattr(Driver, "note_sent", refuse)
    first = line("7", "COMPLETED")
    answers = [first + line("8", "RUNNING", comment), first + line("8", "PENDING", comment), first]
    tools.answer("squeue", *answers)
    told = [states_of(waiting, RUN)["8"] for _ in range(4)]
    assert told == ["RUNNING", "PENDING", "PENDING", "FAILED"]


def refuse(driver: Driver, job: Sent) -> None:
    raise UserError("no space left")


def test_one_that_was_not_noted_is_noted_when_it_is_seen(driver: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("42", "RUNNING"))
    states_of(driver, RUN)
    states_of(driver, RUN)
    assert driver.sent() == [Sent("42", *KEY, RUN)]


def test_a_job_that_only_the_accounting_thinks_alive_is_not_waited_for_for_ever(
    waiting: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1000.0
    monkeypatch.setattr(status.time, "time", lambda: moment)
    tools.answer("squeue", "")
    tools.answer("sacct", "7|RUNNING\n")
    assert [states_of(waiting, RUN)["7"] for _ in range(3)] == ["RUNNING"] * 3
    moment = 1601.0
    assert states_of(waiting, RUN) == {"7": "FAILED"}


def test_its_own_last_word_counts_more(waiting: Driver, tools: Tools) -> None:
    done = Entry(*KEY, State.FINISHED, MOMENT, MOMENT, slurm_job="7")
    write_entry(entry_path(waiting.results, *KEY), done)
    tools.answer("squeue", "")
    tools.answer("sacct", "7|RUNNING\n")
    assert states_of(waiting, RUN) == {"7": "COMPLETED"}


def test_each_job_is_asked_of_the_accounting_of_its_cluster(driver: Driver, tools: Tools) -> None:
    driver.note_sent(Sent("7", *KEY, RUN, cluster="far"))
    tools.answer("squeue", "")
    tools.answer("sacct", "7|TIMEOUT\n")
    assert states_of(driver, RUN) == {"7": "TIMEOUT"}
    assert "--clusters=far" in tools.calls("sacct")[0]


def test_a_disk_that_is_full_costs_no_answer(
    waiting: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting.part(".log").symlink_to("/dev/full")
    blocked = waiting.part(".states")
    blocked.mkdir()
    (blocked / "x").touch()
    tools.answer("squeue", line("7", "FAILED"))
    assert states_of(waiting, RUN) == {"7": "FAILED"}


def test_the_reason_of_a_failure_is_the_jobs_own(
    waiting: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Entry(*KEY, State.FAILED, MOMENT, MOMENT, slurm_job="7", reason="no space left")
    write_entry(entry_path(waiting.results, *KEY), said)
    form = ["--format=Reason", "--noheader"]
    assert answer_reason(["-j", "7.0", *form], waiting) == 0
    assert capsys.readouterr().out == "no space left\n"
    assert answer_reason(["-j", "7.1", *form], waiting) == 0
    assert capsys.readouterr().out == ""
    assert answer_reason(["-j", "8.0", *form], waiting) is None
    assert answer_reason(["-j", "7", *form], waiting) is None
    assert answer_reason(["--version"], waiting) is None


def test_memory_is_whole_json_of_this_driver_alone(waiting: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("7", "RUNNING"))
    states_of(waiting, RUN)
    assert waiting.last_states() == {"7": {"state": "RUNNING"}}
    assert Path(waiting.part(".states")).parent == waiting.path.parent
