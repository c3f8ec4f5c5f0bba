"""A shard on digits, planned and prepared as the workflow does: trained, killed, resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import settings_from_mapping
from workflow_src.data.job import current_fingerprint, fetch_data_set, prepare_data_set
from workflow_src.errors import UserError
from workflow_src.plan.layout import Layout
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import build_plan
from workflow_src.train.run_directory import read_parameters, read_run
from workflow_src.train.shard import ShardOptions, train_shard
from workflow_src.train.states import load_state

REPOSITORY = Path(__file__).parents[2]
STEPS, INTERVAL = 24, 8

STUDY: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny study",
    "reference": "none",
    "training": {"importance_samples": 2, "batch_size": 16, "validation_interval": INTERVAL},
    "protocols": {
        "authors": {
            "description": "One way.",
            "training": {"stopping": "eleven_below_best", "learning_rate": 0.01},
        }
    },
    "experiments": {
        "table1": {
            "title": "A table",
            "description": "Two shapes.",
            "presentation": "table",
            "table": {"rows": "model", "columns": ["data_set"], "metric": "test_bound"},
            "measures": {"importance_samples": [2]},
            "scales": {
                "demo": {
                    "data_sets": ["digits"],
                    "likelihoods": ["gaussian"],
                    "training": {"maximum_steps": STEPS},
                    "models": {"spvae": [{"hidden_units": [2, 3], "latent_dimensions": [1]}]},
                }
            },
        }
    },
}

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


@dataclass(frozen=True)
class Planned:
    """One shard of four runs in two banks of two; paths are relative to ``root``."""

    root: Path
    membership: Path
    manifest: Path

    @property
    def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = json.loads(self.membership.read_text())["runs"]
        return runs

    def directories(self) -> list[Path]:
        return [self.root / run["directory"] for run in self.runs]

    def train(self, **options: Any) -> dict[str, Any]:
        train_shard(self.membership, self.manifest, ShardOptions(**options))
        manifest: dict[str, Any] = json.loads(self.manifest.read_text())
        return manifest

    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(autouse=True)
def numerical_settings() -> Iterator[None]:
    """A shard job sets its process up; here other tests share the process."""
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with digits fetched and prepared for the Gaussian."""
    folder = tmp_path_factory.mktemp("data")
    layout, digits = Layout(data=folder, results=Path()), data_set("digits")
    fetch_data_set(digits, layout.raw("digits"), None)
    fingerprint = current_fingerprint(digits, "gaussian")
    output = layout.prepared("digits", "gaussian", fingerprint)
    prepare_data_set(digits, "gaussian", fingerprint, layout.raw("digits"), output)
    return folder


@pytest.fixture
def planned(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Planned]:
    def make(**training: Any) -> Planned:
        study = json.loads(json.dumps(STUDY))
        study["protocols"]["authors"]["training"] |= training
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(study))
        settings = settings_from_mapping(
            {
                "studies": [str(tmp_path / "tiny.yaml")],
                "seeds": [0, 1],
                "directories": {"data": str(data), "results": "results"},
            }
        )
        plan = build_plan(settings, root=tmp_path)
        write_memberships(plan)
        (shard,) = plan.shards
        monkeypatch.chdir(tmp_path)
        return Planned(
            tmp_path,
            tmp_path / plan.layout.shard_membership(shard.digest),
            tmp_path / plan.layout.shard_manifest(shard.digest),
        )

    return make


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
