"""A repetition is bit-equal or the difference is told with its size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from workflow_src.archive.results import Results
from workflow_src.changes.differences import of_measurement, of_run
from workflow_src.evaluate.leaf_models.measurement import Measurement
from workflow_src.storage import sha256_file

DIRECTORY = "runs/vae/digits-gaussian/100pct-seed0-0123456789abcdef"
MEASURED = "measurements/vae/digits-gaussian/0123456789abcdef-0123456789abcdef"


def write_run(folder: Path, *, bound: float = -1.0, weight: float = 0.5, **row: float) -> Any:
    """A run's directory and its record."""
    folder.mkdir(parents=True)
    rows = [{"step": 8, "validation_bound": bound, "device_seconds": np.random.random(), **row}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "history.parquet")
    save_file({"weight": np.array([weight, float("nan")])}, folder / "checkpoint.safetensors")
    record = {
        "content": {
            "status": {"state": "completed", "reason": ""},
            "result": {"best_validation_bound": bound, "device_seconds": np.random.random()},
        },
        "outputs": {
            "checkpoint.safetensors": {"sha256": sha256_file(folder / "checkpoint.safetensors")}
        },
    }
    (folder / "run.json").write_text(json.dumps(record))
    return record


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def test_times_do_not_count_and_nan_equals_nan(results: Results, tmp_path: Path) -> None:
    record = write_run(results.root / DIRECTORY, bound=float("nan"))
    write_run(tmp_path / "again", bound=float("nan"))
    assert of_run(results, DIRECTORY, record, tmp_path / "again") == []


def test_the_last_bit_counts(results: Results, tmp_path: Path) -> None:
    record = write_run(results.root / DIRECTORY)
    write_run(tmp_path / "again", weight=float(np.nextafter(0.5, 1.0)))
    (line,) = of_run(results, DIRECTORY, record, tmp_path / "again")
    assert "1 of 1 arrays differ, by 1.11e-16 in weight" in line


def test_another_bound_is_told_in_result_and_history(results: Results, tmp_path: Path) -> None:
    record = write_run(results.root / DIRECTORY)
    write_run(tmp_path / "again", bound=-2.0)
    lines = of_run(results, DIRECTORY, record, tmp_path / "again")
    assert any("best_validation_bound is -2.0, and was -1.0" in line for line in lines)
    assert any("history.parquet: row 0" in line for line in lines)


def test_a_checkpoint_that_was_not_kept_is_compared_by_its_digest(
    results: Results, tmp_path: Path
) -> None:
    record = write_run(results.root / DIRECTORY)
    (results.root / DIRECTORY / "checkpoint.safetensors").unlink()
    write_run(tmp_path / "same")
    assert of_run(results, DIRECTORY, record, tmp_path / "same") == []
    write_run(tmp_path / "other", weight=0.6)
    (line,) = of_run(results, DIRECTORY, record, tmp_path / "other")
    assert line.endswith("checkpoint.safetensors: other bytes")


def test_measurements(results: Results) -> None:
    folder = results.root / MEASURED
    folder.mkdir(parents=True)
    arrays = {"bounds": {"bounds": np.array([1.0, 2.0], dtype=np.float32)}}
    np.savez_compressed(folder / "bounds.npz", **arrays["bounds"])
    metrics = [{"metric": "test_bound", "value": -1.5, "importance_samples": 2}]
    record = {"content": {"metrics": metrics}, "outputs": {"bounds.npz": {"sha256": "0"}}}
    (folder / "measurement.json").write_text(json.dumps(record))
    turned = [{"value": -1.5, "importance_samples": 2, "metric": "test_bound"}]
    same = Measurement(turned, 4, arrays, 2, 1.0)
    assert of_measurement(results, MEASURED, record, same) == []
    other = Measurement(
        [metrics[0] | {"value": -1.25}],
        4,
        {"bounds": {"bounds": np.array([1.0, 2.5], dtype=np.float32)}},
        2,
        1.0,
    )
    lines = of_measurement(results, MEASURED, record, other)
    assert lines == [
        f"{MEASURED}: value of test_bound (2 samples) is -1.25, and was -1.5",
        f"{MEASURED}/bounds.npz: 1 of 1 arrays differ, by 0.5 in bounds",
    ]
