"""A results tree as training and evaluation leave it, with numbers that the tests choose."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.models import model_declaration
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.planned import PlannedEvaluation
from workflow_src.provenance.record import build_record
from workflow_src.report.report import write_report
from workflow_src.storage import write_json

COMPLETED = "early stopping (eleven_below_best)"
COUNTS = (5, 50, 500, 5000)
DIMENSIONS = 64
"""Values of an image, as measurements tell them."""
DEMO = ["table1", "table2", "figure2", "figure3", "inpainting", "leaf_posteriors"]
"""Experiments that together have every kind of table and figure."""


class Tree:
    """A planned results tree; `measured` and `failed` write one evaluation each."""

    def __init__(self, **keys: Any) -> None:
        self.plan: Plan = build_plan(settings_from_mapping({"studies": ["spvae"], **keys}))
        write_memberships(self.plan)

    @property
    def membership(self) -> Path:
        return self.plan.layout.report_membership(self.plan.report)

    @property
    def manifest(self) -> Path:
        return self.plan.layout.report_manifest(self.plan.report)

    def evaluations(self, **axes: Any) -> list[PlannedEvaluation]:
        """Those whose axes have the given values."""
        return [
            one
            for one in self.plan.evaluations
            if all(one.axes[name] == value for name, value in axes.items())
        ]

    def one(self, experiment: str = "table1", **axes: Any) -> PlannedEvaluation:
        """The only evaluation of that experiment with the given axes."""
        (found,) = [
            one
            for one in self.evaluations(**axes)
            if any(group.experiment == experiment for group in one.groups)
        ]
        return found

    def measured(
        self,
        one: PlannedEvaluation,
        bound: float,
        *,
        error: float = 1.5,
        parameters: int = 1000,
        reason: str = COMPLETED,
        rising: Mapping[int, float] | None = None,
        arrays: bool = False,
        log_partition_error: float | None = None,
    ) -> None:
        """A winner with that bound at the most samples; the second candidate has diverged.

        Where ``log_partition_error`` is given, its prior is a Boltzmann machine; images have
        `DIMENSIONS`.
        """
        candidates = [self._candidate(name, parameters) for name in one.runs]
        candidates[0] |= {"reason": reason}
        if len(candidates) > 1:
            candidates[1] |= {
                "state": "diverged",
                "reason": "the validation bound was nan at step 128",
                "validation_bound": None,
            }
        bounds = rising or {k: bound - 10.0 * (len(COUNTS) - 1 - i) for i, k in enumerate(COUNTS)}
        rows = [_row("test_bound", value, error, "nats", k) for k, value in bounds.items()]
        rows += [
            _row("effective_sample_size", 12.5, 0.5, "samples", COUNTS[-1]),
            _row("parameter_count", parameters, None, "parameters", None),
        ]
        if log_partition_error is not None:
            share = 1 / DIMENSIONS
            bits = -bound * share / math.log(2), error * share / math.log(2)
            rows += [
                _row("log_partition_function", 140.5, log_partition_error, "nats", None),
                _row(
                    "test_bound_per_dimension",
                    bound * share,
                    error * share,
                    "nats per dimension",
                    COUNTS[-1],
                ),
                _row("test_bits_per_dimension", *bits, "bits per dimension", COUNTS[-1]),
            ]
        directory = self.plan.layout.measurement(one.axes, one.runs[0], one.fingerprint)
        self._measurement(one, directory, arrays)
        measurement = {"fingerprint": "m" * 16, "directory": directory.as_posix()}
        self._record(one, candidates, one.runs[0], None, measurement, rows)

    def failed(self, one: PlannedEvaluation, reason: str) -> None:
        """No winner, for that reason."""
        candidates = [
            self._candidate(name, 1000)
            | {"state": "diverged", "reason": "nan at step 3", "validation_bound": None}
            for name in one.runs
        ]
        self._record(one, candidates, None, reason, None, [])

    def _candidate(self, fingerprint: str, parameters: int) -> dict[str, Any]:
        run = self.plan.runs[fingerprint]
        spec = run.spec.canonical()
        names = model_declaration(run.spec.model).hyperparameters
        return {
            "fingerprint": fingerprint,
            "directory": run.directory.as_posix(),
            "spec": spec,
            "hyperparameters": {name: spec[name] for name in names},
            "state": "completed",
            "reason": COMPLETED,
            "validation_bound": 90.25,
            "parameter_count": parameters,
            "best_step": 1280,
            "steps": 2560,
            "device_seconds": 30.0,
        }

    def _record(
        self,
        one: PlannedEvaluation,
        candidates: list[dict[str, Any]],
        winner: str | None,
        reason: str | None,
        measurement: dict[str, str] | None,
        metrics: list[dict[str, Any]],
    ) -> None:
        content = {
            "axes": one.axes,
            "measures": one.measures,
            "candidates": candidates,
            "winner": winner,
            "reason": reason,
            "measurement": measurement,
            "metrics": metrics,
        }
        started = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
        record = build_record(
            "evaluation",
            fingerprint=one.fingerprint,
            content=content,
            started=started,
            ended=started,
        )
        write_json(one.path, record)

    def _measurement(self, one: PlannedEvaluation, directory: Path, arrays: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        outputs = {}
        for name, values in (_arrays(one) if arrays else {}).items():
            outputs[f"{name}.npz"] = directory / f"{name}.npz"
            np.savez_compressed(outputs[f"{name}.npz"], **values)
        record = build_record(
            "measurement",
            fingerprint="m" * 16,
            content={"dimensions": DIMENSIONS},
            outputs=outputs,
            started=datetime.now(UTC),
        )
        write_json(directory / "measurement.json", record)


def _row(
    metric: str, value: float, error: float | None, unit: str, samples: int | None
) -> dict[str, Any]:
    return {
        "metric": metric,
        "value": value,
        "standard_error": error,
        "unit": unit,
        "importance_samples": samples,
    }


def _arrays(one: PlannedEvaluation) -> dict[str, dict[str, Any]]:
    """Smooth blobs as images and codes in clusters by label, as trained models give."""
    facts = data_set(str(one.axes["data_set"]))
    height, width = facts.shape
    random = np.random.default_rng(int(one.axes["seed"]))
    y, x = np.mgrid[:height, :width] / height
    centres = random.uniform(0.25, 0.75, (64, 2, 1, 1))
    means = np.exp(-(((y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2) / 0.03))
    samples = means + random.normal(0, 0.05, means.shape)
    circuit = str(one.axes["model"]).endswith("spvae")
    rows, columns, components = (4, 4, 2) if circuit else (1, 1, 1)
    leaves = rows * columns * components
    layout = {"leaf_rows": rows, "leaf_columns": columns, "leaf_components": components}
    labels = random.integers(0, 10, 300).astype(np.uint8)
    codes = random.normal(0, 0.5, (300, leaves, 2)) + labels[:, None, None] / 5 - 1
    arrays: dict[str, dict[str, Any]] = {
        "samples": {"samples": samples.astype(np.float32), "means": means.astype(np.float32)},
        "embeddings": {"codes": codes.astype(np.float32), "labels": labels, **layout},
    }
    if one.measures["leaf_manifolds"]:
        grid = np.linspace(0, 1, 6)
        cells = grid[:, None, None, None] * np.ones((6, 6, height // rows, width // columns))
        manifold = np.stack([cells * (leaf + 1) / leaves for leaf in range(leaves)])
        arrays["leaf_manifolds"] = {"manifold": manifold.astype(np.float32), **layout}
    if one.measures["leaf_posteriors"]:
        first = random.uniform(0, 1, (12, rows * columns, 1)).astype(np.float32)
        by_label = random.uniform(0, 1, (10, rows * columns, 1)).astype(np.float32)
        arrays["leaf_posteriors"] = {
            "images": means[:12].astype(np.float32),
            "labels": labels[:12],
            "responsibilities": np.concatenate([first, 1 - first], axis=2),
            "label_names": np.array([str(name) for name in range(10)]),
            "mean_responsibilities": np.concatenate([by_label, 1 - by_label], axis=2),
            **layout,
        }
    if masks := one.measures["inpainting"]:
        observed = np.arange(height * width).reshape(height, width) % 2 == 0
        filled = np.where(observed, means[:8], 0.5)
        arrays["inpainting"] = {
            "masks": np.array(masks),
            "images": means[:8].astype(np.float32),
            "observed": np.stack([observed] * len(masks)),
            "expected": np.stack([filled] * len(masks)).astype(np.float32),
            "completions": np.stack([np.stack([filled] * 4, axis=1)] * len(masks)),
            "log_density": np.full((len(masks), 100), 0.5),
            "error": np.full((len(masks), 100), 0.25),
        }
    return arrays


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tree]:
    """Makes a planned tree of those settings in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DENSITY_BENCH_MIRROR", raising=False)
    return Tree


@pytest.fixture
def winners(tree: Callable[..., Tree]) -> Tree:
    """Table 1 of the SPVAE study on MNIST, Gaussian, three seeds, nothing evaluated yet."""
    return tree(
        scale="paper",
        experiments=["table1", "table2"],
        data_sets=["mnist"],
        likelihoods=["gaussian"],
        seeds=[0, 1, 2],
        protocols=["authors"],
        streams=["full", "restart"],
    )


def evaluated_demo(**keys: Any) -> Tree:
    """The demo in the working directory with every group evaluated, pictures included."""
    made = Tree(**{"experiments": DEMO, "seeds": [0, 1], **keys})
    for place, one in enumerate(made.plan.evaluations):
        made.measured(one, 100.0 + place, arrays=True)
    return made


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A small evaluated demo of a test's own, without a report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DENSITY_BENCH_MIRROR", raising=False)
    return evaluated_demo(experiments=["table1"], likelihoods=["gaussian"])


@pytest.fixture(scope="session")
def reported_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tree]:
    folder = tmp_path_factory.mktemp("reported")
    with contextlib.chdir(folder):
        made = evaluated_demo()
        write_report(made.membership)
    return folder, made


@pytest.fixture
def reported(reported_once: tuple[Path, Tree], monkeypatch: pytest.MonkeyPatch) -> Tree:
    """An evaluated demo with its report, to be looked at and left as it is."""
    folder, made = reported_once
    monkeypatch.chdir(folder)
    return made
