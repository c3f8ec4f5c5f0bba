"""Numbers follow from the arrays beside them, or the audit says what does not."""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workflow_src.audit.bounds import check_bounds
from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import (
    check_checkpoint,
    check_history,
    check_inpainting,
)

SPEC = {"model": "vae", "stopping": "five_decreases", "maximum_steps": 40}


def history(*bounds: float, training: float = 1.0) -> bytes:
    rows = [
        {
            "step": 10 * (at + 1),
            "training_bound": training,
            "validation_bound": bound,
            "device_seconds": 0.12345 * (at + 1),
        }
        for at, bound in enumerate(bounds)
    ]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def run(best: float | None, best_step: int, steps: int, state: str, reason: str) -> dict[str, Any]:
    result = {
        "best_validation_bound": best,
        "best_step": best_step,
        "steps": steps,
        "device_seconds": round(0.12345 * steps / 10, 3),
        "parameter_count": 6,
    }
    status = {"state": state, "reason": reason}
    return {"content": {"spec": SPEC, "result": result, "status": status}}


def said_of_history(record: dict[str, Any], data: bytes) -> list[str]:
    notes = Notes()
    check_history("run.json", record, data, notes)
    return [finding.text for finding in notes.findings]


@pytest.mark.parametrize(
    ("bounds", "record"),
    [
        (
            (1.0, 3.0, 3.0, 2.0),
            run(3.0, 20, 40, "completed", "maximum_steps reached before early stopping"),
        ),
        ((9.0, 8.0, 7.0), run(9.0, 10, 30, "interrupted", "at step 30, before any rule ended it")),
        (
            (9.0, 8.0, 7.0, 6.0, 5.0, 4.0),
            run(9.0, 10, 60, "completed", "early stopping (five_decreases)"),
        ),
        ((1.0, math.nan), run(1.0, 10, 20, "diverged", "the validation bound was nan at step 20")),
        ((math.inf,), run(None, 0, 10, "diverged", "the validation bound was inf at step 10")),
    ],
)
def test_a_history_and_what_follows_from_it(
    bounds: tuple[float, ...], record: dict[str, Any]
) -> None:
    assert said_of_history(record, history(*bounds)) == []


ANNEALED = {"model": "discrete_vae", "maximum_steps": 40}


@pytest.mark.parametrize(
    ("bounds", "record"),
    [
        ((9.0, 8.0, 7.0, 6.0), run(9.0, 10, 40, "completed", "all planned steps were taken")),
        ((9.0, 8.0), run(9.0, 10, 20, "interrupted", "at step 20, before any rule ended it")),
        ((1.0, math.nan), run(1.0, 10, 20, "diverged", "the validation bound was nan at step 20")),
    ],
)
def test_a_training_without_a_stopping_rule_ends_with_its_last_step(
    bounds: tuple[float, ...], record: dict[str, Any]
) -> None:
    record["content"]["spec"] = ANNEALED
    assert said_of_history(record, history(*bounds)) == []
    record["content"]["status"] = {"state": "completed", "reason": "early stopping"}
    (said,) = said_of_history(record, history(*bounds))
    assert "expected" in said


@pytest.mark.parametrize(
    ("bounds", "record"),
    [
        ((9.0, 8.0, 7.0), run(7.0, 30, 30, "completed", "all planned epochs were made")),
        ((9.0, 8.0), run(8.0, 20, 20, "interrupted", "at step 20, before any rule ended it")),
        (
            (9.0, 8.0, math.nan),
            run(8.0, 20, 30, "diverged", "the validation bound was nan at step 30"),
        ),
    ],
)
def test_where_the_last_point_is_kept_its_bound_is_the_runs(
    bounds: tuple[float, ...], record: dict[str, Any]
) -> None:
    record["content"]["spec"] = {"model": "dcgmm", "validations": 3}
    assert said_of_history(record, history(*bounds)) == []
    record["content"]["result"] |= {"best_validation_bound": 9.0, "best_step": 10}
    said = said_of_history(record, history(*bounds))
    assert [text.split(" is ")[0] for text in said] == ["best_validation_bound", "best_step"]


@pytest.mark.parametrize("name", ["best_validation_bound", "best_step", "steps", "device_seconds"])
def test_every_fact_of_a_run_must_be_its_historys(name: str) -> None:
    record = run(3.0, 20, 40, "completed", "maximum_steps reached before early stopping")
    record["content"]["result"][name] += 1
    (said,) = said_of_history(record, history(1.0, 3.0, 3.0, 2.0))
    assert said.startswith(f"{name} is")


def test_a_run_that_diverged_is_not_completed() -> None:
    record = run(1.0, 10, 20, "completed", "early stopping (five_decreases)")
    (said,) = said_of_history(record, history(1.0, math.nan))
    assert "expected diverged" in said


@pytest.mark.parametrize("data", [b"", b"PAR1", history(1.0)[:-20]])
def test_a_history_that_is_cut_off_is_a_finding(data: bytes) -> None:
    (said,) = said_of_history(run(1.0, 10, 10, "completed", ""), data)
    assert "cannot be read" in said


def checkpoint(**shapes: list[int]) -> bytes:
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (checkpoint(a=[2, 2], b=[2]), []),
        (checkpoint(a=[2, 2], b=[3]), ["parameter_count is 6; expected 7"]),
        (checkpoint(**{"a": [2, 2], "b": [2], "state.moving_mean": [9]}), []),
        (checkpoint(**{"a": [2, 2], "state.b": [2]}), ["parameter_count is 6; expected 4"]),
        (checkpoint(a=[6]) + b"x", ["not as long"]),
        (checkpoint(a=[6])[:20], ["no file of parameters"]),
        (b"", ["no file of parameters"]),
    ],
)
def test_a_checkpoint_has_as_many_parameters_as_its_run_says(data: bytes, said: list[str]) -> None:
    notes = Notes()
    check_checkpoint("run.json", run(1.0, 1, 1, "completed", ""), data, notes)
    assert len(notes.findings) == len(said)
    assert all(words in one.text for words, one in zip(said, notes.findings, strict=True))


def metric(name: str, of_images: np.ndarray, samples: int) -> dict[str, Any]:
    return {
        "metric": name,
        "importance_samples": samples,
        "value": float(of_images.mean()),
        "standard_error": float(of_images.std(ddof=1) / math.sqrt(len(of_images))),
    }


class TestBounds:
    counts = (5, 50)
    values = np.random.default_rng(0).normal(100.0, 20.0, (2, 40))

    def record(self) -> dict[str, Any]:
        measures = {"importance_samples": list(self.counts)}
        rows = [
            metric("test_bound", bounds, count)
            for count, bounds in zip(self.counts, self.values, strict=True)
        ]
        return {"content": {"metrics": rows, "images": 40, "measures": measures}}

    def whole_record(self) -> dict[str, Any]:
        """With what follows from bounds of images of 25 pixels."""
        record = self.record()
        record["content"]["dimensions"] = 25
        record["content"]["metrics"] += [
            metric("test_bound_per_dimension", bounds / 25, count)
            for count, bounds in zip(self.counts, self.values, strict=True)
        ]
        gained = self.values[1] - self.values[0]
        record["content"]["metrics"].append(metric("test_bound_gain", gained, 50))
        return record

    def said(self, record: dict[str, Any], **arrays: Any) -> list[str]:
        kept = {"importance_samples": self.counts, "bounds": self.values.astype(np.float32)}
        stream = io.BytesIO()
        np.savez_compressed(stream, **(kept | arrays))
        notes = Notes()
        check_bounds("measurement.json", record, stream.getvalue(), notes)
        return [finding.text for finding in notes.findings]

    def test_means_of_rounded_bounds_are_the_metrics(self) -> None:
        assert self.said(self.record()) == []

    @pytest.mark.parametrize("name", ["value", "standard_error"])
    def test_a_metric_that_is_a_little_off_is_found(self, name: str) -> None:
        record = self.record()
        record["content"]["metrics"][1][name] += 0.001
        (said,) = self.said(record)
        assert said.startswith("the test bound of 50 samples")

    def test_what_follows_from_bounds(self) -> None:
        assert self.said(self.whole_record()) == []

    @pytest.mark.parametrize("name", ["value", "standard_error"])
    @pytest.mark.parametrize(
        ("row", "told"),
        [
            (2, "the test bound per dimension of 5 samples"),
            (3, "the test bound per dimension of 50 samples"),
            (4, "the test bound gain of 50 samples"),
        ],
    )
    def test_what_does_not_follow_from_bounds_is_found(
        self, row: int, told: str, name: str
    ) -> None:
        record = self.whole_record()
        record["content"]["metrics"][row][name] += 0.001
        (said,) = self.said(record)
        assert said.startswith(told)

    @pytest.mark.parametrize("row", range(5))
    def test_a_row_that_was_taken_out_or_doubled_is_found(self, row: int) -> None:
        record = self.whole_record()
        taken = record["content"]["metrics"].pop(row)
        assert self.said(record) != []
        record["content"]["metrics"] += [taken, taken]
        (said,) = self.said(record)
        assert "expected those of [5, 50]" in said

    def test_without_the_number_of_pixels_nothing_is_per_dimension(self) -> None:
        record = self.whole_record()
        del record["content"]["dimensions"]
        assert len(self.said(record)) == 2

    def test_bounds_of_other_images_or_samples_are_found(self) -> None:
        assert "shape" in self.said(self.record(), bounds=self.values[:, :39])[0]
        assert "samples" in self.said(self.record(), importance_samples=(5, 60))[0]

    def test_bounds_that_are_not_finite_are_what_they_are(self) -> None:
        record, values = self.record(), self.values.copy()
        values[1, 3] = -math.inf
        record["content"]["metrics"][1] |= {"value": -math.inf, "standard_error": math.nan}
        assert self.said(record, bounds=values) == []

    @pytest.mark.parametrize(
        ("metric", "samples"),
        [
            ("test_bound", 5),
            ("test_bound", 50),
            ("test_bound_per_dimension", 5),
            ("test_bound_per_dimension", 50),
            ("test_bound_gain", 50),
        ],
    )
    def test_one_infinite_bound_does_not_excuse_an_invented_mean(
        self, metric: str, samples: int
    ) -> None:
        values = np.full((2, 10), 100.0)
        values[1, 3] = -math.inf
        exact = [
            ("test_bound", 5, 100.0, 0.0),
            ("test_bound", 50, -math.inf, math.nan),
            ("test_bound_per_dimension", 5, 4.0, 0.0),
            ("test_bound_per_dimension", 50, -math.inf, math.nan),
            ("test_bound_gain", 50, -math.inf, math.nan),
        ]
        names = ("metric", "importance_samples", "value", "standard_error")
        record = self.whole_record()
        rows = record["content"]["metrics"] = [dict(zip(names, row, strict=True)) for row in exact]
        record["content"]["images"] = 10
        assert self.said(record, bounds=values) == []
        for row in rows:
            if (row["metric"], row["importance_samples"]) == (metric, samples):
                row["value"] = 123456.0
        (said,) = self.said(record, bounds=values)
        assert said.startswith(f"the {metric.replace('_', ' ')} of {samples} samples")

    def test_a_file_that_is_cut_off_is_a_finding(self) -> None:
        notes = Notes()
        check_bounds("measurement.json", self.record(), b"PK\x03\x04", notes)
        assert "cannot be read" in notes.findings[0].text


class TestInpainting:
    chance = np.random.default_rng(1)
    images = chance.random((2, 5, 5)).astype(np.float32)
    observed = chance.random((3, 5, 5)) < 0.5
    expected = np.where(observed[:, None], images, np.float32(0.5))
    completions = np.where(
        observed[:, None, None],
        images[:, None],
        chance.random((3, 2, 4, 5, 5)).astype(np.float32),
    )
    log_density = chance.normal(1.0, 0.3, (3, 7))
    squares = np.where(observed[:, None], 0.0, (0.5 - images.astype(float)) ** 2).sum(axis=(2, 3))
    error = np.concatenate(
        [np.sqrt(squares / (~observed).sum(axis=(1, 2))[:, None]), chance.random((3, 5))], axis=1
    )

    def record(self) -> dict[str, Any]:
        rows = [
            metric("inpainting_log_density", self.log_density.mean(axis=0), 500),
            metric("inpainting_error", self.error.mean(axis=0), 500),
        ]
        measures = {"inpainting": ["left", "top", "center"]}
        return {"content": {"metrics": rows, "images": 40, "dimensions": 25, "measures": measures}}

    def said(self, record: dict[str, Any], **arrays: Any) -> list[str]:
        names = ("images", "observed", "expected", "completions", "log_density", "error")
        kept = {name: getattr(self, name) for name in names}
        kept |= {"masks": np.array(["left", "top", "center"]), "importance_samples": np.array(500)}
        stream = io.BytesIO()
        np.savez_compressed(stream, **(kept | arrays))
        notes = Notes()
        with notes.reading("measurement.json"):
            check_inpainting("measurement.json", record, stream.getvalue(), notes)
        return [finding.text for finding in notes.findings]

    def test_means_over_masks_and_images_are_the_metrics(self) -> None:
        assert self.said(self.record()) == []

    @pytest.mark.parametrize("name", ["value", "standard_error", "importance_samples"])
    @pytest.mark.parametrize("row", [0, 1])
    def test_a_metric_that_is_a_little_off_is_found(self, row: int, name: str) -> None:
        record = self.record()
        record["content"]["metrics"][row][name] += 1 if name == "importance_samples" else 1e-5
        (said,) = self.said(record)
        assert said.startswith(("the inpainting log density", "the inpainting error")[row])

    def test_one_infinite_density_does_not_excuse_an_invented_mean(self) -> None:
        record, values = self.record(), self.log_density.copy()
        values[1, 3] = -math.inf
        row = record["content"]["metrics"][0]
        row |= {"value": -math.inf, "standard_error": math.nan}
        assert self.said(record, log_density=values) == []
        row["value"] = 123456.0
        (said,) = self.said(record, log_density=values)
        assert said.startswith("the inpainting log density")

    @pytest.mark.parametrize("row", [0, 1])
    def test_a_metric_that_was_taken_out_is_found(self, row: int) -> None:
        record = self.record()
        del record["content"]["metrics"][row]
        assert len(self.said(record)) == 1

    def test_errors_and_metrics_forged_together_do_not_fit_the_pixels(self) -> None:
        record, better = self.record(), self.error * 0.9
        record["content"]["metrics"][1] = metric("inpainting_error", better.mean(axis=0), 500)
        said = self.said(record, error=better)
        assert len(said) == 3
        assert all("that its expected pixels do not have" in text for text in said)

    @pytest.mark.parametrize("name", ["completions", "expected"])
    def test_observed_pixels_are_the_images(self, name: str) -> None:
        changed = getattr(self, name).copy()
        row, column = np.argwhere(self.observed[1])[0]
        changed[1, ..., row, column] += 0.25
        (said,) = self.said(self.record(), **{name: changed})
        assert said.endswith("other pixels than the images' under top")

    @pytest.mark.parametrize(
        "changed",
        [
            {"masks": np.array(["left", "top", "right"])},
            {"images": images[:1]},
            {"images": np.float32(1)},
            {"observed": observed.astype(np.uint8)},
            {"log_density": log_density[:2]},
            {"error": error[:, :1]},
            {"error": np.ones((3, 41))},
        ],
        ids=str,
    )
    def test_arrays_of_something_else_are_found(self, changed: dict[str, Any]) -> None:
        assert self.said(self.record(), **changed) != []

    def test_images_of_another_size_are_found(self) -> None:
        record = self.record()
        record["content"]["dimensions"] = 16
        (said,) = self.said(record)
        assert "expected 16 in all" in said
