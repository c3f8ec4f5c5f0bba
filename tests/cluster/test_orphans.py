"""Jobs of an earlier start: found, told, and never sent twice because SLURM was silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster.conftest import COMMENT, DIGEST, RUN, Tools, line

from workflow_src.cluster import orphans
from workflow_src.cluster.drivers import Driver, Sent, register
from workflow_src.cluster.orphans import as_sent, find_orphans, messages, one_per_key
from workflow_src.cluster.queue import QueuedJob
from workflow_src.errors import UserError

DOWN = ("slurm_load_jobs error: Unable to contact slurm controller", 1)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "_PAUSE", 0.01)
    monkeypatch.setattr(orphans, "_ENDING_PAUSE", 0.01)


def job(number: str, state: str = "RUNNING", comment: str = COMMENT) -> QueuedJob:
    return QueuedJob(number, state, "density-bench_a", comment, "/work")


@pytest.fixture
def earlier(driver: Driver) -> Driver:
    """An earlier start that gave its jobs one name and sent one of them."""
    driver.note_run(RUN)
    driver.note_sent(Sent("1", "train_shard", DIGEST, RUN))
    return driver


def test_a_job_is_ours_by_who_sent_it(earlier: Driver, tools: Tools) -> None:
    other = f"rule_report_wildcards_{'f' * 16}"
    tools.answer(
        "squeue",
        line("1", "RUNNING", comment="project=ab12", directory="/elsewhere")
        + line("2", "PENDING", comment=other, directory="/another/checkout")
        + line("3", "COMPLETED")
        + line("4", "RUNNING", run="density-bench_of-other-results")
        + line("6", "RUNNING", comment="(null)"),
    )
    found = find_orphans(earlier.results)
    assert [(one.id, one.key) for one in found] == [
        ("1", ("train_shard", DIGEST)),
        ("2", ("report", "f" * 16)),
    ]
    (call,) = tools.calls("squeue")
    assert f"--name={RUN}" in call


def test_names_may_begin_as_a_site_wants(driver: Driver, tools: Tools) -> None:
    driver.note_run("mine_x")
    tools.answer("squeue", line("1", "RUNNING", run="mine_x"))
    assert [one.id for one in find_orphans(driver.results)] == ["1"]


def test_without_earlier_starts_nothing_is_asked(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", DOWN)
    assert find_orphans(tmp_path / "results") == []
    assert tools.calls("squeue") == []


def test_a_silence_is_waited_out_where_jobs_may_be_left(driver: Driver, tools: Tools) -> None:
    driver.note_sent(Sent("7", "train_shard", DIGEST, RUN, cluster="far"))
    tools.answer("squeue", DOWN, "", line("7", "RUNNING"))
    (found,) = find_orphans(driver.results)
    assert (found.id, found.cluster) == ("7", "far")


def test_a_long_silence_is_an_error_where_jobs_may_be_left(earlier: Driver, tools: Tools) -> None:
    tools.answer("squeue", DOWN)
    with pytest.raises(UserError, match="Unable to contact") as caught:
        find_orphans(earlier.results, patience=0.1)
    assert "sent twice" in str(caught.value)


def test_and_where_a_driver_was_killed_while_it_sent_its_first(
    driver: Driver, tools: Tools
) -> None:
    driver.note_run(RUN)
    tools.answer("squeue", DOWN)
    with pytest.raises(UserError, match="Unable to contact"):
        find_orphans(driver.results, patience=0.1)


def test_and_where_it_was_killed_while_it_sent_a_later_one(earlier: Driver, tools: Tools) -> None:
    earlier.part(".states").write_text('{"1": {"state": "FAILED", "final": true}}')
    tools.answer("squeue", DOWN)
    with pytest.raises(UserError, match="Unable to contact"):
        find_orphans(earlier.results, patience=0.1)


def test_and_none_where_every_job_was_seen_to_end(earlier: Driver, tools: Tools) -> None:
    earlier.part(".states").write_text('{"1": {"state": "FAILED", "final": true}}')
    earlier.part(".ended").touch()
    tools.answer("squeue", DOWN)
    assert find_orphans(earlier.results, patience=0.1) == []


def test_a_job_that_is_just_being_sent_is_waited_for(driver: Driver, tools: Tools) -> None:
    tools.answer("squeue", "")
    with driver.sending(), pytest.raises(UserError, match="still sending"):
        find_orphans(driver.results, patience=0.1)
    assert find_orphans(driver.results, patience=0.1) == []


def test_what_is_ending_is_waited_for(
    earlier: Driver, tools: Tools, capfd: pytest.CaptureFixture[str]
) -> None:
    ending = line("1", "COMPLETING") + line("2", "RUNNING")
    tools.answer("squeue", ending, ending, line("1", "CANCELLED") + line("2", "RUNNING"))
    assert [one.id for one in find_orphans(earlier.results)] == ["2"]
    assert len(tools.calls("squeue")) == 3
    assert "1 job of an earlier start is ending: waiting" in capfd.readouterr().err


def test_what_does_not_end_is_left_out(
    earlier: Driver,
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(orphans, "ENDING_PATIENCE", 0.1)
    tools.answer("squeue", line("1", "COMPLETING") + line("2", "RUNNING"))
    assert [one.id for one in find_orphans(earlier.results)] == ["2"]
    assert "1 job of an earlier start is ending, and not waited for" in capfd.readouterr().err


def test_jobs_of_an_interrupted_start_are_cancelled_and_not_taken_over(
    earlier: Driver, tools: Tools
) -> None:
    later = register(earlier.results, [])
    later.note_sent(Sent("5", "report", DIGEST, "density-bench_later"))
    earlier.part(".cancelled").touch()
    other = line("5", "RUNNING", run="density-bench_later")
    tools.answer("squeue", line("1", "RUNNING") + line("2", "COMPLETING") + other, other)
    tools.answer("scancel", "")
    assert [one.id for one in find_orphans(earlier.results)] == ["5"]
    assert tools.calls("scancel") == [["1"]]


def test_a_look_neither_waits_nor_cancels(earlier: Driver, tools: Tools) -> None:
    earlier.part(".cancelled").touch()
    tools.answer("squeue", line("1", "RUNNING") + line("2", "COMPLETING"))
    tools.answer("scancel", "")
    assert find_orphans(earlier.results, settle=False) == []
    assert tools.calls("scancel") == []
    assert len(tools.calls("squeue")) == 1


def test_of_equal_jobs_the_one_at_work_is_chosen() -> None:
    other = job("12", comment=f"rule_report_wildcards_{DIGEST}")
    jobs = [job("9", "PENDING"), job("11"), job("10", "PENDING"), other]
    assert [one.id for one in one_per_key(jobs).values()] == ["11", "12"]
    assert [one.id for one in one_per_key(jobs[:1] + jobs[2:3]).values()] == ["9"]


def test_messages_say_what_happens_to_which() -> None:
    jobs = [job("1"), job("2", "PENDING"), job("3"), job("4")]
    assert messages(jobs, {"1", "2", "3"}) == [
        "3 jobs of an earlier start are still in the queue (2 running, 1 waiting): they are taken "
        "over, not sent again",
        "1 job of an earlier start is in the queue that this plan does not need (1 running); "
        "to end it: scancel 4",
    ]
    assert messages(jobs[:1], {"1"}) == [
        "1 job of an earlier start is still in the queue (1 running): it is taken over, "
        "not sent again"
    ]
    assert messages([], ()) == []


def test_a_job_can_be_taken_over_by_what_it_makes() -> None:
    sent = as_sent(job("9"))
    assert (sent.id, sent.key, sent.run, sent.adopted) == (
        "9",
        ("train_shard", DIGEST),
        "density-bench_a",
        True,
    )
