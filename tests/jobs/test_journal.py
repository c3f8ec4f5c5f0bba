"""A job's entry is read as it was written, and says of whom it is whatever SLURM adds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.jobs.journal import (
    DRIVER_VARIABLE,
    Entry,
    State,
    driver_token,
    entries,
    entry_path,
    note_ended,
    note_queued,
    read_entry,
    write_entry,
)

NAME = "0123456789abcdef"
ROOT = Path(__file__).parents[2]

texts = st.none() | st.text(max_size=8)
made_entries = st.builds(
    Entry,
    rule=st.text(max_size=5),
    name=st.text(max_size=5),
    state=st.sampled_from(State),
    since=st.text(max_size=5),
    updated=st.text(max_size=5),
    driver=texts,
    attempt=st.none() | st.integers(0, 9),
    host=texts,
    pid=st.none() | st.integers(1, 2**22),
    slurm_job=texts,
    slurm_restarts=st.integers(0, 9),
    slurm_nodes=texts,
    visible_devices=texts,
    reason=texts,
    worth_repeating=st.none() | st.booleans(),
    progress=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3),
)


def entry_of(state: State, slurm_job: str | None = "7", **more: object) -> Entry:
    facts: dict[str, object] = {"slurm_job": slurm_job, "driver": "one", "host": "n1", "pid": 5}
    return Entry("train_shard", NAME, state, "then", "then", **(facts | more))  # type: ignore[arg-type]


def ended(results: Path, slurm_job: str = "7") -> Entry:
    note_ended(
        results, "train_shard", NAME, slurm_job=slurm_job, state_word="TIMEOUT", driver="one"
    )
    entry = read_entry(entry_path(results, "train_shard", NAME))
    assert entry is not None
    return entry


@given(entry=made_entries)
def test_an_entry_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, entry: Entry
) -> None:
    path = tmp_path_factory.mktemp("journal") / "entry.json"
    write_entry(path, entry)
    assert read_entry(path) == entry


def test_an_entry_lies_in_the_results_under_its_rule_and_name(tmp_path: Path) -> None:
    path = entry_path(tmp_path, "train_shard", NAME)
    assert path == tmp_path / "jobs" / f"train_shard-{NAME}.json"
    write_entry(path, entry_of(State.RUNNING))
    assert json.loads(path.read_text())["schema_version"] == 1
    assert entries(tmp_path) == [entry_of(State.RUNNING)]


def test_keys_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    write_entry(path, entry_of(State.RUNNING))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))
    assert read_entry(path) == entry_of(State.RUNNING)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"rule": "a", "name": "b", "state": "asleep", "since": "", "updated": ""}',
        '{"rule": "a", "name": "b", "state": [], "since": "", "updated": ""}',
        '{"rule": 1, "name": "b", "state": "running", "since": "", "updated": ""}',
        '{"rule": "a", "name": "b", "state": "running", "since": "", "updated": "", "pid": "x"}',
        '{"rule": "a", "name": "b", "state": "running", "since": "", "updated": "", "progress": 1}',
        "\udcff",
    ],
)
def test_a_damaged_entry_is_none(tmp_path: Path, text: str) -> None:
    path = entry_path(tmp_path, "a", "b")
    path.parent.mkdir()
    path.write_text(text, errors="surrogateescape")
    assert read_entry(path) is None
    assert entries(tmp_path) == []


def test_there_may_be_no_journal(tmp_path: Path) -> None:
    assert entries(tmp_path) == []
    assert read_entry(tmp_path / "nothing.json") is None


def test_a_job_that_was_sent_is_queued(tmp_path: Path) -> None:
    note_queued(tmp_path, "train_shard", NAME, slurm_job="7", driver="one")
    (entry,) = entries(tmp_path)
    assert (entry.state, entry.slurm_job, entry.driver) == (State.QUEUED, "7", "one")
    assert (entry.rule, entry.name) == ("train_shard", NAME)


@pytest.mark.parametrize("state", [State.RUNNING, State.FINISHED, State.FAILED])
def test_a_job_that_was_quicker_than_its_driver_keeps_its_word(
    tmp_path: Path, state: State
) -> None:
    path = entry_path(tmp_path, "train_shard", NAME)
    write_entry(path, entry_of(state))
    note_queued(tmp_path, "train_shard", NAME, slurm_job="7", driver="one")
    assert read_entry(path) == entry_of(state)
    note_queued(tmp_path, "train_shard", NAME, slurm_job="8", driver="one")
    later = read_entry(path)
    assert later is not None
    assert (later.state, later.slurm_job, later.host) == (State.QUEUED, "8", None)


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_job_that_ended_without_a_word_failed_by_slurms(tmp_path: Path, state: State) -> None:
    write_entry(entry_path(tmp_path, "train_shard", NAME), entry_of(state))
    entry = ended(tmp_path)
    assert (entry.state, entry.reason, entry.worth_repeating) == (
        State.FAILED,
        "SLURM: TIMEOUT",
        True,
    )
    assert (entry.host, entry.pid) == ("n1", 5)


@pytest.mark.parametrize("state", [State.FINISHED, State.FAILED])
def test_a_jobs_own_last_word_stands(tmp_path: Path, state: State) -> None:
    said = entry_of(state, reason="mine", worth_repeating=False)
    write_entry(entry_path(tmp_path, "train_shard", NAME), said)
    assert ended(tmp_path) == said


def test_a_job_stopped_by_a_signal_learns_what_for_once(tmp_path: Path) -> None:
    said = entry_of(State.INTERRUPTED, reason="stopped by SIGTERM", worth_repeating=True)
    write_entry(entry_path(tmp_path, "train_shard", NAME), said)
    for _ in range(2):
        entry = ended(tmp_path)
        assert entry.state is State.INTERRUPTED
        assert entry.reason == "stopped by SIGTERM (SLURM: TIMEOUT)"


def test_the_end_of_another_job_of_that_name_changes_nothing(tmp_path: Path) -> None:
    write_entry(entry_path(tmp_path, "train_shard", NAME), entry_of(State.RUNNING))
    assert ended(tmp_path, slurm_job="6") == entry_of(State.RUNNING)


def test_the_end_of_a_job_that_never_spoke_is_written(tmp_path: Path) -> None:
    assert ended(tmp_path).state is State.FAILED


def test_noting_never_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    note_queued(tmp_path, "train_shard", NAME, slurm_job="7", driver="one")
    note_ended(tmp_path, "train_shard", NAME, slurm_job="7", state_word="TIMEOUT", driver="one")
    assert caplog.text.count("the journal cannot be written") == 2


def test_the_driver_is_named_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DRIVER_VARIABLE, "/results/jobs/drivers/a1b2.json")
    assert driver_token() == "a1b2"
    monkeypatch.delenv(DRIVER_VARIABLE)
    assert driver_token() is None


def test_the_journal_and_leases_load_nothing_heavy() -> None:
    program = (
        "import sys, workflow_src.jobs.journal, workflow_src.jobs.leases, "
        "workflow_src.jobs.heartbeat, workflow_src.jobs.gpus;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert not {"torch", "numpy", "pydantic", "yaml", "pandas"} & set(done.stdout.split())
