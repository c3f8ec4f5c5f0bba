"""Numbers on models with latent variables follow from the arrays beside them, or are found."""

from __future__ import annotations

import copy
import functools
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.latent_variables import SPEC, SmoothableModel, checkpoint

from workflow_src.audit import latent_variables
from workflow_src.audit.bounds import check_bounds, check_smoothed_bounds
from workflow_src.audit.findings import Notes
from workflow_src.audit.latent_variables import wanted_files
from workflow_src.audit.recompute import _is_within
from workflow_src.evaluate.latent_variables.measurement import measure
from workflow_src.evaluate.latent_variables.subject import subject_of
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.images import ImageFacts

CHECKS: dict[str, Callable[..., None]] = {
    "bounds": check_bounds,
    "smoothed_bounds": check_smoothed_bounds,
    "kl_divergences": latent_variables.check_divergences,
    "log_partition": latent_variables.check_log_partition,
    "training_bounds": latent_variables.check_training_bounds,
    "global_samples": latent_variables.check_global_samples,
    "smoothing": latent_variables.check_smoothing,
}
MEASURES = {
    "importance_samples": [1, 3],
    "samples": 0,
    "global_samples": 2,
    "inverse_cdfs": True,
    "training_bounds": True,
    "smoothed_bound": True,
}
SMOOTHING = {"smoothing": "overlapping_exponential", "inverse_temperature": 8}
COLOUR = ImageFacts(2, 2, "discretised_logistic", 255, 3)


@functools.cache
def _measured(machine: bool, colour: bool) -> tuple[dict[str, Any], dict[str, Arrays]]:
    named = {"annealed_importance_sampling": (0.7, 0.05), "parallel_tempering": (0.9, 0.02)}
    images = COLOUR if colour else SmoothableModel().images
    model = SmoothableModel(images, named if machine else {})
    spec = SPEC | SMOOTHING | {"likelihood": model.images.likelihood}
    subject = subject_of(model, checkpoint(model), spec, torch.device("cpu"), 1 << 30)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 2, (40, model.images.pixels), generator=generator)
    found = measure(subject, pixels, MEASURES)
    content = {
        "spec": spec,
        "measures": MEASURES,
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    return {"content": content}, found.arrays


def measured(
    machine: bool = True, colour: bool = False
) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """The record and arrays of a measurement, to do with as one likes."""
    return copy.deepcopy(_measured(machine, colour))


def said(record: dict[str, Any], arrays: dict[str, Arrays]) -> list[str]:
    notes = Notes()
    for file, check in CHECKS.items():
        if file in arrays:
            stream = io.BytesIO()
            np.savez_compressed(stream, allow_pickle=False, **arrays[file])
            with notes.reading("measurement.json"):
                check("measurement.json", record, stream.getvalue(), notes)
    return [finding.text for finding in notes.findings]


@pytest.mark.parametrize("machine", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_what_was_measured_stands(machine: bool, colour: bool) -> None:
    record, arrays = measured(machine, colour)
    assert set(arrays) == set(CHECKS) - (set() if machine else {"log_partition"})
    assert said(record, arrays) == []


OF_ARRAYS = [
    ("test_bound", 1),
    ("test_bound", 3),
    ("test_bound_per_dimension", 3),
    ("test_bits_per_dimension", 1),
    ("test_bound_gain", 3),
    ("test_smoothed_bound", 3),
    ("test_smoothed_bits_per_dimension", 1),
    ("test_joint_bound", 1),
    ("test_marginal_bound", 1),
    ("marginal_bound_gain", 1),
    ("kl_divergence", None),
    ("log_partition_function", None),
]


@pytest.mark.parametrize("name", ["value", "standard_error"])
@pytest.mark.parametrize(("metric", "samples"), OF_ARRAYS)
def test_a_number_that_is_a_little_off_is_found(
    metric: str, samples: int | None, name: str
) -> None:
    record, arrays = measured(colour=True)
    for row in record["content"]["metrics"]:
        if (row["metric"], row["importance_samples"]) == (metric, samples):
            row[name] += 1e-4
    told = said(record, arrays)
    assert any(text.startswith(f"the {metric.replace('_', ' ')}") for text in told)
    # Only what the partition function's error is part of follows from it.
    assert len(told) == 1 or metric == "log_partition_function"


@pytest.mark.parametrize(("metric", "samples"), OF_ARRAYS)
def test_a_number_that_was_taken_out_is_found(metric: str, samples: int | None) -> None:
    record, arrays = measured(colour=True)
    rows = record["content"]["metrics"]
    rows.remove(
        next(r for r in rows if (r["metric"], r["importance_samples"]) == (metric, samples))
    )
    assert said(record, arrays) != []


def test_bounds_that_forget_the_error_of_the_partition_function_are_found() -> None:
    record, arrays = measured()
    arrays["bounds"]["log_partition_standard_error"] = np.array(0.0)
    told = said(record, arrays)
    assert any("the log partition function is said to be" in text for text in told)
    assert any("the test bound of 3 samples" in text for text in told)


def test_a_partition_function_that_bounds_lack_is_found() -> None:
    record, arrays = measured()
    for name in ("log_partition", "log_partition_standard_error"):
        del arrays["bounds"][name]
    assert any("as bounds.npz is made with" in text for text in said(record, arrays))


@pytest.mark.parametrize(
    ("file", "name", "change", "words"),
    [
        ("log_partition", "values", lambda v: v * 1.1, "the log partition function"),
        ("log_partition", "standard_errors", lambda v: -v, "no estimates with their errors"),
        ("log_partition", "names", lambda v: v[:1], ""),
        ("kl_divergences", "groups", lambda v: v + 0.1, "not the means of its blocks"),
        ("kl_divergences", "block_images", lambda v: v + 1, "is of 43 images"),
        ("kl_divergences", "block_divergences", lambda v: v[:, :1], "blocks of shape"),
        ("training_bounds", "joint_bounds", lambda v: v[:-1], "is not of 40 images"),
        ("training_bounds", "marginal_bounds", lambda v: v + 0.01, "marginal bound gain"),
        ("smoothed_bounds", "bounds", lambda v: v + 0.01, "the test smoothed bound"),
        ("smoothed_bounds", "bounds", lambda v: v[:, :9], "smoothed_bounds.npz has shape (2, 9)"),
        ("smoothed_bounds", "importance_samples", lambda v: v + 1, "of [2, 4] samples"),
        ("smoothed_bounds", "log_partition", lambda v: v + 1, "as smoothed_bounds.npz is made"),
        ("global_samples", "samples", lambda v: v[:1], "samples of shape (1, 5, 2, 2)"),
        ("global_samples", "samples", lambda v: v + 0.5, "no shares from 0 to 1"),
        ("global_samples", "samples", lambda v: v * 0.5, "neither 0 nor 1"),
        ("smoothing", "inverse_cdf", lambda v: v[::-1], "do not rise"),
        ("smoothing", "inverse_cdf", lambda v: v[:, ::-1], "do not rise"),
        ("smoothing", "inverse_cdf", lambda v: v[:1], "do not rise"),
        ("smoothing", "inverse_temperature", lambda v: v + 1, "expected the run's"),
        ("smoothing", "smoothing", lambda v: np.array("concrete"), "expected the run's"),
    ],
)
def test_arrays_that_were_changed_are_found(
    file: str, name: str, change: Callable[[Any], Any], words: str
) -> None:
    record, arrays = measured()
    arrays[file][name] = change(arrays[file][name])
    assert any(words in text for text in said(record, arrays))


def test_an_annealed_inverse_temperature_is_that_of_the_end() -> None:
    record, arrays = measured()
    record["content"]["spec"] |= {"inverse_temperature": 5, "final_inverse_temperature": 8}
    assert said(record, arrays) == []


def test_numbers_need_their_files() -> None:
    everything, _ = measured()
    files = {
        "kl_divergences",
        "log_partition",
        "smoothed_bounds",
        "training_bounds",
        "global_samples",
    }
    assert wanted_files(everything["content"]) == {f"{one}.npz" for one in files}
    plain, _ = measured(machine=False)
    plain["content"]["measures"] = MEASURES | {"global_samples": 0}
    files -= {"log_partition", "global_samples"}
    assert wanted_files(plain["content"]) == {f"{one}.npz" for one in files}


class TestMeasuringAgain:
    """The numbers of `measured`, of another machine."""

    @pytest.mark.parametrize("device", [True, False])
    def test_equal_numbers_are_within(self, device: bool) -> None:
        record, _ = measured(colour=True)
        rows = record["content"]["metrics"]
        assert _is_within(rows, copy.deepcopy(rows), device=device)

    @pytest.mark.parametrize(
        ("metric", "shift"),
        [
            # The error of log Z is 0.194: its estimates are 0.2 apart.
            ("test_bound", 0.7),
            ("test_bound_per_dimension", 0.7 / 12),
            ("test_bits_per_dimension", 0.7 / 12 / math.log(2)),
            ("test_smoothed_bound", 0.7),
            ("test_smoothed_bits_per_dimension", 0.7 / 12 / math.log(2)),
            ("kl_divergence", 0.7),
            ("log_partition_function", 0.7),
        ],
    )
    def test_chains_may_end_elsewhere_within_their_error(self, metric: str, shift: float) -> None:
        record, _ = measured(colour=True)
        again = record["content"]["metrics"]
        for factor, within in ((1.0, True), (1.5, False)):
            other = copy.deepcopy(again)
            for row in other:
                row["value"] += factor * shift * (row["metric"] == metric)
            assert _is_within(again, other, device=True) is within

    @pytest.mark.parametrize("metric", ["test_joint_bound", "marginal_bound_gain"])
    def test_what_has_no_chains_may_not(self, metric: str) -> None:
        record, _ = measured(machine=False)
        again = record["content"]["metrics"]
        for shift, device, within in ((1e-5, True, True), (0.02, True, False), (0.02, False, True)):
            other = copy.deepcopy(again)
            for row in other:
                row["value"] += shift * (row["metric"] == metric)
            assert _is_within(again, other, device=device) is within
