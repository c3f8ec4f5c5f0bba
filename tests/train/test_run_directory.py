"""Finished runs on disk: what was written is what is read, and every changed byte is found."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from workflow_src.errors import UserError
from workflow_src.provenance import record as records
from workflow_src.train import run_directory
from workflow_src.train.membership import ShardRun
from workflow_src.train.run_directory import (
    is_finished,
    is_finished_or_set_aside,
    read_parameters,
    read_run,
    write_run,
)

PARAMETERS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([1e-30])}
HISTORY = [
    {"step": 128, "training_bound": 1.5, "validation_bound": 1.25, "device_seconds": 0.5},
    {"step": 256, "training_bound": 2.5, "validation_bound": float("nan"), "device_seconds": 1.0},
]


@pytest.fixture
def run(tmp_path: Path) -> ShardRun:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    facts = {
        "content": {"recipe": {"data_set": "digits"}},
        "outputs": {"split_indices.npz": {"sha256": "i1"}},
    }
    (prepared / "record.json").write_text(json.dumps(facts))
    return ShardRun(
        fingerprint="f1",
        spec={"model": "vae", "seed": 0},
        directory=tmp_path / "runs" / "f1",
        state=tmp_path / "states" / "f1",
        prepared=prepared,
        prepared_fingerprint="p1",
        code={"digest": "c1", "modules": {}},
        settings={"scale": "demo"},
        sources=tmp_path / "sources",
    )


def write(run: ShardRun, **changed: Any) -> None:
    given: dict[str, Any] = {
        "status": {"state": "completed", "reason": "early stopping"},
        "result": {"best_validation_bound": 1.25, "best_step": 128},
        "parameters": PARAMETERS,
        "history": HISTORY,
        "circumstances": {"device": "cpu", "bank": ["f1"], "interruptions": []},
        "started": datetime.now(UTC),
    }
    write_run(run, **(given | changed))


def test_what_was_written_is_what_is_read(run: ShardRun) -> None:
    assert not is_finished(run)
    write(run)
    assert is_finished(run)
    record = read_run(run.directory)
    assert record["kind"] == "run"
    assert record["fingerprint"] == "f1"
    content = record["content"]
    assert content["spec"] == run.spec
    assert content["data_recipe"] == {"data_set": "digits"}
    assert content["split_indices_sha256"] == "i1"
    assert content["settings"] == {"scale": "demo"}
    assert content["status"]["state"] == "completed"
    assert content["result"]["best_step"] == 128
    assert record["parents"][0]["fingerprint"] == "p1"
    parameters = read_parameters(run.directory)
    assert parameters.keys() == PARAMETERS.keys()
    assert all(torch.equal(parameters[name], value) for name, value in PARAMETERS.items())
    rows = pq.read_table(run.directory / "history.parquet").to_pylist()
    assert rows[0] == HISTORY[0]
    assert [row["step"] for row in rows] == [128, 256]


def test_a_run_without_parameters_has_no_checkpoint(run: ShardRun) -> None:
    write(run, parameters={}, status={"state": "diverged", "reason": "the bound was nan"})
    assert is_finished(run)
    assert not (run.directory / "checkpoint.safetensors").exists()
    assert read_run(run.directory)["content"]["status"]["reason"] == "the bound was nan"


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "history.parquet", "run.json"])
def test_one_changed_byte_is_found(run: ShardRun, name: str) -> None:
    write(run)
    path = run.directory / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError) as found:
        read_run(run.directory)
    assert str(run.directory) in str(found.value)


def test_a_changed_number_in_the_record_is_found(run: ShardRun) -> None:
    write(run)
    path = run.directory / "run.json"
    record = json.loads(path.read_text())
    record["content"]["result"]["best_validation_bound"] = 9999.0
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="changed after it was written"):
        read_run(run.directory)


@pytest.mark.parametrize("lost", ["checkpoint.safetensors", "history.parquet", "run.json"])
def test_a_damaged_run_is_moved_aside_and_can_be_written_anew(
    run: ShardRun, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    write(run)
    (run.directory / lost).unlink()
    assert not is_finished(run)
    assert run.directory.exists()
    with caplog.at_level(logging.WARNING):
        assert not is_finished_or_set_aside(run)
    assert "trained anew" in caplog.text
    assert not run.directory.exists()
    (aside,) = run.directory.parent.iterdir()
    assert ".damaged-" in aside.name
    assert aside.name.startswith(".f1")
    write(run)
    assert is_finished(run)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("explained", [True, False])
@pytest.mark.parametrize("judge", [is_finished, is_finished_or_set_aside])
def test_a_file_that_cannot_be_read_now_is_no_damage(
    run: ShardRun,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    explained: bool,
    judge: Callable[[ShardRun], bool],
) -> None:
    write(run)

    def unreadable(path: Path) -> str:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patched:
        if explained:
            patched.setattr(Path, "read_text", unreadable)
        else:
            patched.setattr(records, "sha256_file", unreadable)
        with pytest.raises((UserError, OSError), match=os.strerror(number)):
            judge(run)
    assert judge(run)
    assert [path.name for path in run.directory.parent.iterdir()] == ["f1"]


@pytest.mark.parametrize("judge", [is_finished, is_finished_or_set_aside])
def test_a_damaged_run_that_another_job_has_just_moved_away_is_not_finished(
    run: ShardRun, monkeypatch: pytest.MonkeyPatch, judge: Callable[[ShardRun], bool]
) -> None:
    write(run)
    (run.directory / "history.parquet").unlink()
    verify = run_directory.verify_outputs

    def slow(record: Any, directory: Path) -> list[str]:
        findings = verify(record, directory)
        directory.rename(directory.with_name("moved"))
        return findings

    monkeypatch.setattr(run_directory, "verify_outputs", slow)
    assert not judge(run)
    assert [path.name for path in run.directory.parent.iterdir()] == ["moved"]


def test_a_run_of_a_newer_version_is_refused_and_stays(run: ShardRun) -> None:
    write(run)
    path = run.directory / "run.json"
    record = json.loads(path.read_text()) | {"schema_version": 99}
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="schema 99"):
        is_finished(run)
    assert json.loads(path.read_text())["schema_version"] == 99


def test_an_empty_directory_is_no_obstacle(run: ShardRun) -> None:
    run.directory.mkdir(parents=True)
    assert not is_finished(run)
    write(run)
    assert is_finished(run)


def test_what_another_writer_finished_first_stays(run: ShardRun) -> None:
    write(run)
    before = (run.directory / "run.json").read_bytes()
    write(run, result={"best_validation_bound": 7.0, "best_step": 1})
    assert (run.directory / "run.json").read_bytes() == before
    assert [path.name for path in run.directory.parent.iterdir()] == ["f1"]


def test_a_write_that_fails_leaves_nothing(run: ShardRun) -> None:
    with pytest.raises(TypeError):
        write(run, result={"best_validation_bound": object()})
    assert not run.directory.exists()
    assert not list(run.directory.parent.iterdir())
