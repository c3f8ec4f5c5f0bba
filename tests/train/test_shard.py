"""A shard on digits, planned and prepared as the workflow does: trained, killed, resumed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from support.shards import REPOSITORY
from support.studies import INTERVAL, STEPS

from workflow_src.errors import UserError
from workflow_src.jobs.holders import this_process
from workflow_src.jobs.leases import acquire
from workflow_src.train.run_directory import read_parameters, read_run
from workflow_src.train.states import load_state

# Kills its own process, as the machine might, before the step given as third argument.
KILLED = """
import os, signal, sys
from pathlib import Path
from workflow_src.train.shard import ShardOptions, train_shard

steps = 0

def kill_in_time():
    global steps
    steps += 1
    if steps >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return False

options = ShardOptions(seconds_between_saves=0.0, stop_is_wanted=kill_in_time)
train_shard(Path(sys.argv[1]), Path(sys.argv[2]), options)
"""


def untimed_history(directory: Path) -> list[dict[str, Any]]:
    return pq.read_table(directory / "history.parquet").drop(["device_seconds"]).to_pylist()


def test_a_shard_is_trained_to_its_end(planned: Any) -> None:
    shard = planned()
    manifest = shard.train()
    assert [run["status"]["state"] for run in manifest["runs"]] == ["completed"] * 4
    for directory, run in zip(shard.directories(), shard.runs, strict=True):
        record = read_run(directory)
        result, circumstances = record["content"]["result"], record["content"]["circumstances"]
        assert record["content"]["spec"] == run["spec"]
        assert result["steps"] == STEPS
        assert result["parameter_count"] == sum(
            value.numel() for value in read_parameters(directory).values()
        )
        assert len(circumstances["bank"]) == 2
        assert run["fingerprint"] in circumstances["bank"]
        assert circumstances["interruptions"] == []
        history = untimed_history(directory)
        assert [row["step"] for row in history] == [8, 16, 24]
        best = max(history, key=lambda row: row["validation_bound"])
        assert result["best_validation_bound"] == best["validation_bound"]
        assert result["best_step"] == best["step"]
    assert not (shard.root / "results" / "states").exists() or not any(
        (shard.root / "results" / "states").iterdir()
    )


def test_a_shard_killed_in_its_second_bank_ends_as_if_it_had_not_been(planned: Any) -> None:
    shard = planned()
    killed = shard.start(
        "-c", KILLED, str(shard.membership), str(shard.manifest), str(STEPS + 2 * INTERVAL + 3)
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    directories = shard.directories()
    finished = [directory for directory in directories if directory.exists()]
    assert len(finished) == 2
    assert not shard.manifest.exists()
    steps = [state[1]["step"] for run in shard.runs if (state := load_state(Path(run["state"])))]
    assert steps == [2 * INTERVAL, 2 * INTERVAL]
    first_bank = {path: (path / "run.json").read_bytes() for path in finished}

    command = ["-m", "workflow_src", "train", "--shard", str(shard.membership)]
    resumed = shard.start(*command, "--manifest", str(shard.manifest))
    assert resumed.returncode == 0, resumed.stderr
    assert "2 of them finished before" in resumed.stderr
    # What was finished was left alone; what went on says so in its record.
    assert all((path / "run.json").read_bytes() == text for path, text in first_bank.items())
    for directory in set(directories) - set(finished):
        (interruption,) = read_run(directory)["content"]["circumstances"]["interruptions"]
        assert interruption["resumed_from_step"] == 2 * INTERVAL

    saved = {path.name: (path / "checkpoint.safetensors").read_bytes() for path in directories}
    histories = {path.name: untimed_history(path) for path in directories}
    shutil.rmtree(shard.root / "results" / "runs")
    shard.train()
    for path in directories:
        assert (path / "checkpoint.safetensors").read_bytes() == saved[path.name]
        assert untimed_history(path) == histories[path.name]


def test_what_is_there_is_not_trained_again(planned: Any) -> None:
    shard = planned()
    before = shard.train()

    def never() -> bool:
        raise AssertionError("a step was taken")

    assert shard.train(stop_is_wanted=never) == before


def test_a_damaged_run_alone_is_trained_again(planned: Any) -> None:
    shard = planned()
    shard.train()
    first, *others = shard.directories()
    records = [(path / "run.json").read_bytes() for path in others]
    checkpoint = first / "checkpoint.safetensors"
    # Copies, since what is read is the file itself, mapped into memory.
    parameters = {name: value.clone() for name, value in read_parameters(first).items()}
    checkpoint.write_bytes(checkpoint.read_bytes()[:-8])
    shard.train()
    assert [(path / "run.json").read_bytes() for path in others] == records
    again = read_parameters(first)
    for name, value in parameters.items():
        torch.testing.assert_close(again[name], value, rtol=1e-4, atol=1e-4)


def test_a_state_cut_short_makes_the_run_start_over(
    planned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shard = planned()
    for run in shard.runs:
        state = shard.root / run["state"] / "state.safetensors"
        state.parent.mkdir(parents=True)
        state.write_bytes(b"\x10\x00\x00")
    manifest = shard.train()
    assert "starts from its beginning" in caplog.text
    assert [run["status"]["state"] for run in manifest["runs"]] == ["completed"] * 4


def test_runs_that_diverge_are_results_with_a_reason(planned: Any) -> None:
    shard = planned(learning_rate=1e25)
    manifest = shard.train()
    assert shard.manifest.exists()
    for entry, directory in zip(manifest["runs"], shard.directories(), strict=True):
        assert entry["status"]["state"] == "diverged"
        assert "bound was" in entry["status"]["reason"]
        content = read_run(directory)["content"]
        assert content["result"]["best_validation_bound"] is None
        assert not (directory / "checkpoint.safetensors").exists()


def test_code_edited_since_the_plan_is_refused(planned: Any) -> None:
    shard = planned()
    content = json.loads(shard.membership.read_text())
    content["code"]["digest"] = "0" * 64
    shard.membership.write_text(json.dumps(content))
    with pytest.raises(UserError, match="not what it was when this shard was planned"):
        shard.train()
    assert not shard.manifest.exists()


# Looks again soon whether what other jobs hold is free.
WAITING = """
import logging, sys
from pathlib import Path
from workflow_src.train.shard import ShardOptions, train_shard

logging.basicConfig(level=logging.INFO)
options = ShardOptions(seconds_between_looks=0.05)
train_shard(Path(sys.argv[1]), Path(sys.argv[2]), options)
"""


def test_code_edited_while_a_job_waits_is_not_trained(planned: Any, tmp_path: Path) -> None:
    shard = planned()
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "workflow_src", checkout / "workflow_src", ignore=ignored)
    other = dataclasses.replace(this_process(), boot="another boot", host="far")
    leases = [acquire(Path(run["state"]), other) for run in shard.runs]
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(shard.membership), str(shard.manifest)],
        cwd=shard.root,
        env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    while "left for the end" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    for name in ("models/spvae/model.py", "train/gradient/trainer.py"):
        with (checkout / "workflow_src" / name).open("a") as stream:
            stream.write('\nraise RuntimeError("edited code was loaded")\n')
    for lease in leases:
        assert lease is not None
        lease.release()
    said += process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    states = [read_run(path)["content"]["status"]["state"] for path in shard.directories()]
    assert states == ["completed"] * 4


def test_missing_data_are_named(planned: Any) -> None:
    shard = planned()
    content = json.loads(shard.membership.read_text())
    for run in content["runs"]:
        run["prepared"]["directory"] = "nowhere"
    shard.membership.write_text(json.dumps(content))
    with pytest.raises(UserError, match="nowhere"):
        shard.train()


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "the fast one"])
def test_a_device_that_is_not_there_is_refused(planned: Any, device: str) -> None:
    shard = planned()
    with pytest.raises(UserError, match="device"):
        shard.train(device=device)


def test_a_model_that_does_not_fit_the_images_is_refused(planned: Any) -> None:
    shard = planned()
    content = json.loads(shard.membership.read_text())
    for run in content["runs"]:
        run["spec"]["split_step"] = 3
    shard.membership.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"spvae on digits.*split_step 3"):
        shard.train()
