"""What the job of a shard says of itself in the journal."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.shards import REPOSITORY, Planned
from support.studies import INTERVAL, STEPS
from support.terminals import seen

from workflow_src.jobs.holders import this_process
from workflow_src.jobs.journal import Entry, State, entry_path, read_entry
from workflow_src.jobs.leases import acquire
from workflow_src.train.run_directory import read_run


def journal_of(shard: Planned, process: subprocess.CompletedProcess[str]) -> Entry:
    path = entry_path(shard.root / "results", "train_shard", shard.membership.stem)
    entry = read_entry(path)
    assert entry is not None, process.stderr
    return entry


def command(shard: Planned, *words: str) -> list[str]:
    journal = entry_path(shard.root / "results", "train_shard", shard.membership.stem)
    paths = {"--shard": shard.membership, "--manifest": shard.manifest, "--journal": journal}
    given = [str(word) for pair in paths.items() for word in pair]
    return ["-m", "workflow_src", "train", *given, *words]


def test_a_shard_tells_the_journal_how_far_it_came(planned: Any) -> None:
    shard: Planned = planned()
    done = shard.start(*command(shard, "--attempt", "2"))
    assert done.returncode == 0, done.stderr
    entry = journal_of(shard, done)
    assert (entry.state, entry.attempt, entry.reason) == (State.FINISHED, 2, None)
    progress = entry.progress
    assert (progress["runs"], progress["runs_finished"], progress["waiting_for"]) == (4, 4, 0)
    assert (progress["maximum_steps"], progress["device"]) == (STEPS, "cpu")
    assert progress["step"] == STEPS - INTERVAL
    assert (progress["bank_runs"], progress["active_runs"]) == (2, 2)
    assert progress["bank"].startswith("spvae (hidden_units ")
    assert progress["steps_per_second"] > 0
    best = max(
        read_run(folder)["content"]["result"]["best_validation_bound"]
        for folder in shard.directories()
    )
    assert progress["best_bound"] <= best


def test_a_shard_that_cannot_be_trained_says_so_in_the_journal(planned: Any) -> None:
    shard: Planned = planned()
    done = shard.start(*command(shard, "--device", "tpu"))
    assert done.returncode == 2
    entry = journal_of(shard, done)
    assert (entry.state, entry.worth_repeating) == (State.FAILED, False)
    assert "unknown device 'tpu'" in (entry.reason or "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_shard_stopped_by_a_signal_is_interrupted_in_the_journal(
    planned: Any, number: signal.Signals
) -> None:
    shard: Planned = planned()
    # Nothing is free, so it waits until the signal comes.
    other = dataclasses.replace(this_process(), boot="another boot", host="far")
    leases = [acquire(Path(run["state"]), other) for run in shard.runs]
    process = subprocess.Popen(
        [sys.executable, *command(shard)],
        cwd=shard.root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "left for the end" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    done = subprocess.CompletedProcess(process.args, process.returncode, stderr=said)
    assert done.returncode == 75, said
    entry = journal_of(shard, done)
    assert (entry.state, entry.worth_repeating) == (State.INTERRUPTED, True)
    assert entry.reason == f"stopped by {number.name}"
    assert all(lease is not None and lease.is_held() for lease in leases)


WORDS = ("--save-every", "0")


def by_hand(shard: Planned) -> list[str]:
    """The command as somebody types it, without a journal."""
    words = command(shard, *WORDS)
    at = words.index("--journal")
    return words[:at] + words[at + 2 :]


def test_a_person_sees_bars_with_steps_rate_and_the_best_bound(planned: Any) -> None:
    shard: Planned = planned()
    told = seen(by_hand(shard), shard.root)
    assert told.code == 0, told.text
    bank = [line for line in told.lines if line.startswith("2 x spvae, digits, ")]
    assert any(f"{STEPS - INTERVAL}/{STEPS} steps" in line for line in bank), told.text
    assert any(" steps/s " in line for line in bank)
    assert any(re.search(r"best bound -?\d+\.\d\d nats, 2 of 2 runs", line) for line in bank)
    assert any(re.match(r"runs of the shard .* 4/4 runs", line) for line in told.lines)
    assert "best validation bound" not in told.text, "the line that the bar stands for"


def test_a_job_on_a_terminal_is_told_in_lines(planned: Any) -> None:
    shard: Planned = planned()
    told = seen(command(shard, *WORDS), shard.root)
    assert told.code == 0, told.text
    assert "\x1b" not in told.raw
    assert "━" not in told.raw
    assert "best validation bound" in told.text
