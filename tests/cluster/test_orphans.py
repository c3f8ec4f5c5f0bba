"""Jobs of an earlier start: found, told, and never sent twice because SLURM was silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster.conftest import COMMENT, DIGEST, Tools, line

from workflow_src.cluster import orphans
from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.orphans import as_sent, find_orphans, messages, one_per_key
from workflow_src.cluster.queue import QueuedJob
from workflow_src.errors import UserError

DOWN = ("slurm_load_jobs error: Unable to contact slurm controller", 1)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "_PAUSE", 0.01)


def job(number: str, state: str = "RUNNING", comment: str = COMMENT) -> QueuedJob:
    return QueuedJob(number, state, "density-bench_a", comment, "/work")


def test_only_living_jobs_of_this_workflow_here_are_found(tmp_path: Path, tools: Tools) -> None:
    here = str(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    tools.answer(
        "squeue",
        line("1", "RUNNING", directory=here)
        + line("2", "PENDING", directory=f"{here}/link")
        + line("3", "COMPLETED", directory=here)
        + line("4", "RUNNING", directory="/elsewhere")
        + line("5", "RUNNING", directory=here, run="somebodys")
        + line("6", "RUNNING", directory=here, comment="(null)")
        + line("7", "COMPLETING", directory=here),
    )
    assert [one.id for one in find_orphans(tmp_path / "results", tmp_path)] == ["1", "2", "7"]


def test_without_slurm_and_earlier_starts_there_are_none(tmp_path: Path, tools: Tools) -> None:
    tools.answer("squeue", DOWN)
    assert find_orphans(tmp_path / "results", tmp_path) == []


def test_a_silence_is_waited_out_where_jobs_may_be_left(
    driver: Driver, tmp_path: Path, tools: Tools
) -> None:
    driver.note_sent(Sent("7", "train_shard", DIGEST, "density-bench_a", cluster="far"))
    tools.answer("squeue", DOWN, "", line("7", "RUNNING", directory=str(tmp_path)))
    (found,) = find_orphans(driver.results, tmp_path)
    assert (found.id, found.cluster) == ("7", "far")


def test_a_long_silence_is_an_error_where_jobs_may_be_left(
    driver: Driver, tmp_path: Path, tools: Tools
) -> None:
    driver.note_sent(Sent("7", "train_shard", DIGEST, "density-bench_a"))
    tools.answer("squeue", DOWN)
    with pytest.raises(UserError, match="Unable to contact") as caught:
        find_orphans(driver.results, tmp_path, patience=0.1)
    assert "sent twice" in str(caught.value)


def test_and_none_where_every_job_was_seen_to_end(
    driver: Driver, tmp_path: Path, tools: Tools
) -> None:
    driver.note_sent(Sent("7", "train_shard", DIGEST, "density-bench_a"))
    driver.part(".states").write_text('{"7": {"state": "FAILED", "final": true}}')
    tools.answer("squeue", DOWN)
    assert find_orphans(driver.results, tmp_path, patience=0.1) == []


def test_a_job_that_is_just_being_sent_is_waited_for(
    driver: Driver, tmp_path: Path, tools: Tools
) -> None:
    tools.answer("squeue", "")
    with driver.sending(), pytest.raises(UserError, match="still sending"):
        find_orphans(driver.results, tmp_path, patience=0.1)
    assert find_orphans(driver.results, tmp_path, patience=0.1) == []


def test_of_equal_jobs_the_one_at_work_is_chosen() -> None:
    other = job("12", comment=f"rule_report_wildcards_{DIGEST}")
    jobs = [job("9", "PENDING"), job("11"), job("10", "PENDING"), other]
    assert [one.id for one in one_per_key(jobs).values()] == ["11", "12"]
    assert [one.id for one in one_per_key(jobs[:1] + jobs[2:3]).values()] == ["9"]


def test_messages_say_what_happens_to_which() -> None:
    jobs = [job("1"), job("2", "PENDING"), job("3"), job("4"), job("5", "COMPLETING")]
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
