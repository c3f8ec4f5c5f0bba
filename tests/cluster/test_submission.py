"""sbatch: a job is refused, taken over, or sent once, whatever the controller does."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from cluster.conftest import COMMENT, DIGEST, RUN, Tools, line
from snakemake_executor_plugin_slurm.submit_string import get_submit_command

from workflow_src.cluster import submission
from workflow_src.cluster.drivers import Driver, Sent, register
from workflow_src.cluster.submission import read_request, submit
from workflow_src.errors import UserError
from workflow_src.jobs.journal import Entry, State, entry_path, read_entry, write_entry

KEY = ("train_shard", DIGEST)
WORDS = ["--parsable", "--job-name", RUN, "--export=ALL", "--comment", COMMENT, "--wrap=true"]
UNREACHABLE = "sbatch: error: Batch job submission failed: Unable to contact slurm controller"
FULL = (
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)
OTHER_POLICY = (
    "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@pytest.fixture
def orphan(driver: Driver) -> Driver:
    """A driver that may take job 5 over."""
    return register(driver.results, [Sent("5", *KEY, "density-bench_before", adopted=True)])


def failed(under: Driver, /, **changes: object) -> None:
    facts = {"driver": under.token, "reason": "a bug", "worth_repeating": False, **changes}
    moment = "2026-01-01T00:00:00+00:00"
    entry = Entry(*KEY, State.FAILED, moment, moment, **facts)  # type: ignore[arg-type]
    write_entry(entry_path(under.results, *KEY), entry)


def test_the_plugins_call_is_understood() -> None:
    job = SimpleNamespace(resources=SimpleNamespace(get=lambda *_: None, mem_mb=1), threads=1)
    job.resources.get = lambda name, default=None: default
    asked = {"run_uuid": RUN, "slurm_logfile": "/l/%j.log", "comment_str": COMMENT}
    asked |= {"account": "", "partition": " -p main", "workdir": "/work"}
    words = shlex.split(get_submit_command(job, asked))[1:]
    request = read_request([*words, "--wrap=true"])
    assert request is not None
    assert (request.key, request.run, request.cluster) == (KEY, RUN, "")


@pytest.mark.parametrize(
    "words",
    [
        ["--parsable", "--wrap=true"],
        [*WORDS, "--array=1-3"],
        [*WORDS[1:]],
        ["--parsable", "--job-name", RUN, "--comment", "rule_all"],
        ["--version"],
    ],
)
def test_other_calls_are_left_to_sbatch(words: list[str], driver: Driver, tools: Tools) -> None:
    assert submit(words, driver) is None
    assert not tools.calls("sbatch")


def test_a_job_is_sent_and_remembered(
    driver: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 0
    assert capsys.readouterr().out == "42\n"
    assert tools.calls("sbatch") == [WORDS]
    assert driver.sent() == [Sent("42", *KEY, RUN)]
    entry = read_entry(entry_path(driver.results, *KEY))
    assert entry is not None
    assert (entry.state, entry.slurm_job, entry.driver) == (State.QUEUED, "42", driver.token)


def test_a_job_of_another_cluster_is_remembered_with_it(
    driver: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.answer("sbatch", "42;far\n")
    assert submit([*WORDS, "--clusters", "far"], driver) == 0
    assert capsys.readouterr().out == "42;far\n"
    assert driver.sent()[0].cluster == "far"


def test_a_script_on_the_standard_input_is_given_at_every_try(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.answer("sbatch", (UNREACHABLE, 1), "42\n")
    tools.answer("squeue", "")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"#!/bin/sh\ntrue\n")))
    assert submit([*WORDS[:-1], "/dev/stdin"], driver) == 0
    assert tools.stdin("sbatch") == "#!/bin/sh\ntrue\n"


@pytest.mark.parametrize("error", [UNREACHABLE, FULL, "Socket timed out on send/recv operation"])
def test_what_passes_is_waited_for(error: str, driver: Driver, tools: Tools) -> None:
    tools.answer("sbatch", (error, 1), (error, 1), "42\n")
    tools.answer("squeue", ("slurm_load_jobs error: Unable to contact", 1), "")
    assert submit(WORDS, driver) == 0
    assert len(tools.calls("sbatch")) == 3
    assert "repeated soon" in driver.part(".log").read_text()


def test_a_job_that_arrived_although_sbatch_failed_is_not_sent_again(
    driver: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    driver.note_sent(Sent("40", *KEY, RUN))
    other = line("41", "PENDING", comment=f"rule_report_wildcards_{DIGEST}")
    tools.answer("sbatch", ("sbatch: error: Socket timed out", 1))
    tools.answer("squeue", "", line("40", "FAILED") + other + line("42", "PENDING"))
    assert submit(WORDS, driver) == 0
    assert capsys.readouterr().out == "42\n"
    assert len(tools.calls("sbatch")) == 1
    assert [job.id for job in driver.sent()] == ["40", "42"]


def test_while_the_queue_is_not_seen_nothing_is_sent_again(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "UNREACHABLE_PATIENCE", 0.2)
    tools.answer("sbatch", (UNREACHABLE, 1))
    tools.answer("squeue", ("slurm_load_jobs error: Unable to contact", 1))
    assert submit(WORDS, driver) == 1
    assert len(tools.calls("sbatch")) == 1
    assert tools.calls("squeue")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("Invalid account or account/partition combination specified", "sacctmgr"),
        ("invalid partition specified: gpus", "sinfo"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "target_hours"),
        ("Requested node configuration is not available", "another GPU"),
        ("Invalid generic resource (gres) specification", "another GPU"),
        ("Invalid qos specification", "slurm-qos"),
        (OTHER_POLICY, "QOS"),
    ],
)
def test_what_does_not_pass_is_told_at_once_with_a_remedy(
    error: str, remedy: str, driver: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.answer("sbatch", (f"sbatch: error: Batch job submission failed: {error}", 1))
    assert submit(WORDS, driver) == 1
    said = capsys.readouterr().err
    assert " ".join(error.split()) in said
    assert remedy in said.partition("to mend it")[2]
    assert len(tools.calls("sbatch")) == 1
    assert driver.sent() == []


def test_a_job_that_would_fail_again_is_refused_with_its_reason(
    driver: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(driver)
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 1
    assert capsys.readouterr().err == "not sent again: a bug\n"
    assert tools.calls("sbatch") == []


def test_so_is_one_that_was_taken_over_and_failed(driver: Driver, tools: Tools) -> None:
    failed(driver, driver="earlier", slurm_job="5")
    driver.note_sent(Sent("5", *KEY, RUN, adopted=True))
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 1


@pytest.mark.parametrize(
    "changes", [{"worth_repeating": True}, {"worth_repeating": None}, {"driver": "earlier"}]
)
def test_one_that_may_succeed_or_failed_at_an_earlier_start_is_sent(
    changes: dict[str, object], driver: Driver, tools: Tools
) -> None:
    failed(driver, **changes)
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 0


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "COMPLETED", "NODE_FAIL"])
def test_an_earlier_starts_job_is_taken_over(
    state: str, orphan: Driver, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.answer("squeue", ("Unable to contact", 1), line("5", state, run="density-bench_before"))
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, orphan) == 0
    assert capsys.readouterr().out == "5\n"
    assert tools.calls("sbatch") == []
    assert orphan.sent() == [Sent("5", *KEY, "density-bench_before", adopted=True)]
    assert "--name=density-bench_before" in tools.calls("squeue")[-1]


@pytest.mark.parametrize("there", ["", line("5", "CANCELLED"), line("6", "RUNNING")])
def test_one_that_has_failed_or_gone_is_sent_anew(there: str, orphan: Driver, tools: Tools) -> None:
    tools.answer("squeue", there)
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, orphan) == 0
    assert [job.id for job in orphan.sent()] == ["42"]


def test_a_job_is_taken_over_once(orphan: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("5", "RUNNING"))
    tools.answer("sbatch", "42\n")
    assert [submit(WORDS, orphan), submit(WORDS, orphan)] == [0, 0]
    assert [job.id for job in orphan.sent()] == ["5", "42"]


def test_nothing_is_sent_for_a_driver_that_is_gone(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Driver, "is_alive", lambda self: False)
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 1
    assert tools.calls("sbatch") == []


def test_nothing_is_sent_after_cancelling(driver: Driver, tools: Tools) -> None:
    driver.part(".cancelled").touch()
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 1
    assert tools.calls("sbatch") == []


def test_an_answer_without_a_number_is_no_job(driver: Driver, tools: Tools) -> None:
    tools.answer("sbatch", "thank you for your patience\n")
    tools.answer("squeue", "")
    assert submit(WORDS, driver) == 1
    assert driver.sent() == []


def test_what_a_site_prints_before_the_number_is_no_number(driver: Driver, tools: Tools) -> None:
    tools.answer("sbatch", "12 hours left in your project\n42\n")
    assert submit(WORDS, driver) == 0
    assert [job.id for job in driver.sent()] == ["42"]


@pytest.mark.parametrize("said", ["42\n45% of 77 hours are used\n", "hello\n42;far\n\nbye\n"])
def test_nor_what_it_prints_after_it(said: str, driver: Driver, tools: Tools) -> None:
    tools.answer("sbatch", said)
    assert submit(WORDS, driver) == 0
    assert [(job.id, job.cluster) for job in driver.sent()] == [("42", "far" * ("far" in said))]


def test_where_there_is_no_number_the_queue_is_asked(driver: Driver, tools: Tools) -> None:
    tools.answer("sbatch", "thank you\n")
    tools.answer("squeue", line("42", "PENDING"))
    assert submit(WORDS, driver) == 0
    assert [job.id for job in driver.sent()] == ["42"]


def test_a_repeat_finds_what_was_accepted_before(driver: Driver, tools: Tools) -> None:
    tools.answer("squeue", line("42", "PENDING"))
    tools.answer("sbatch", "43\n")
    assert submit([*WORDS[:-1], "--wrap=snakemake --attempt 2"], driver) == 0
    assert tools.calls("sbatch") == []


def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes by sleeping alone; the steps of it."""
    steps: list[float] = []
    time = SimpleNamespace(monotonic=lambda: sum(steps), sleep=steps.append)
    monkeypatch.setattr(submission, "time", time)
    monkeypatch.setattr(submission, "FIRST_PAUSE", 60.0)
    monkeypatch.setattr(submission, "LONGEST_PAUSE", 60.0)
    monkeypatch.setattr(submission, "UNREACHABLE_PATIENCE", 100.0)
    return steps


def test_patience_begins_anew_with_another_kind_of_failure(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = clock(monkeypatch)
    tools.answer("sbatch", *[(FULL, 1)] * 4, (UNREACHABLE, 1), "42\n")
    tools.answer("squeue", "")
    assert submit(WORDS, driver) == 0
    assert sum(steps) == 300.0
    assert max(steps) <= 2.0


def test_waiting_ends_when_the_jobs_are_cancelled(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = clock(monkeypatch)
    tools.answer("squeue", "")
    tools.answer("sbatch", (FULL, 1))
    monkeypatch.setattr(Driver, "is_cancelled", property(lambda self: sum(steps) > 10.0))
    assert submit(WORDS, driver) == 1
    assert sum(steps) == 12.0


def test_the_log_folder_of_a_waiting_job_is_not_empty(
    driver: Driver, tools: Tools, tmp_path: Path
) -> None:
    tools.answer("sbatch", "42\n")
    assert submit([*WORDS, "--output", f"{tmp_path}/logs/rule_x/y/%j.log"], driver) == 0
    assert (tmp_path / "logs" / "rule_x" / "y" / ".keep").exists()


def test_the_name_of_the_jobs_is_noted_before_the_first(driver: Driver, tools: Tools) -> None:
    tools.answer("sbatch", ("Invalid qos", 1))
    assert submit(WORDS, driver) == 1
    assert driver.runs() == [RUN]


def test_a_job_that_was_accepted_counts_even_if_it_cannot_be_noted(
    driver: Driver,
    tools: Tools,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(driver: Driver, job: object) -> None:
        raise UserError("no space left")

    monkeypatch.setattr(Driver, "note_sent", refuse)
    monkeypatch.setattr(Driver, "note_run", refuse)
    tools.answer("sbatch", "42\n")
    assert submit(WORDS, driver) == 0
    assert capsys.readouterr().out == "42\n"
