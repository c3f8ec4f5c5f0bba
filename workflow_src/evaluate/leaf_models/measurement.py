"""Measures one trained model on the test set: bounds, size, and all that pictures show of it.

Pure computation: arrays in, arrays and numbers out. Files and records belong to `job`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.judging import JudgedBy
from workflow_src.evaluate.leaf_models.anomalies import told_anomalies
from workflow_src.evaluate.leaf_models.bounds import Bounds, importance_weighted_bounds
from workflow_src.evaluate.leaf_models.inpainting import (
    INPAINTED_IMAGES,
    SHOWN_IMAGES,
    Inpainting,
    inpaint,
    samples_of,
)
from workflow_src.evaluate.leaf_models.judging import judged
from workflow_src.evaluate.leaf_models.leaf_posteriors import leaf_posteriors
from workflow_src.evaluate.leaf_models.metric_rows import bound_rows, inpainting_rows
from workflow_src.evaluate.leaf_models.pictures import (
    EMBEDDED_IMAGES,
    Drawing,
    as_images,
    leaf_manifolds,
    posterior_means,
    sample_images,
)
from workflow_src.evaluate.masks import SIDE_BY_SIDE_MASK, observed_pixels
from workflow_src.evaluate.measurement import Arrays, Measurement
from workflow_src.evaluate.metric_rows import Row, size_row
from workflow_src.models.banks import Parameters
from workflow_src.models.building import build_model, drawing_of
from workflow_src.models.leaf_models import LeafModel
from workflow_src.models.random_streams import run_stream


def measure_run(
    spec: Mapping[str, Any],
    parameters: Parameters,
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
    judges: Sequence[JudgedBy] = (),
) -> Measurement:
    """As `measure`, for a run's parameters on the test images of its data.

    Test images whose label no training image has are anomalies. Where ``measures`` ask for
    ``judged_samples``, the ``judges`` look at so many.
    """
    usual = np.isin(data.labels["test"], np.unique(data.labels["train"]))
    test = np.asarray(data.test)
    measured = measure(
        build_model(spec, data.shape, data.levels, data.channels),
        {name: value.to(device) for name, value in parameters.items()},
        spec,
        torch.tensor(test[usual]).to(device),
        data.labels["test"][usual],
        measures,
        memory_bytes,
        anomalies=torch.tensor(test[~usual]).to(device),
    )
    if samples := measures.get("judged_samples", 0):
        rows, files = judged(spec, parameters, data, samples, judges, device, memory_bytes)
        measured.metrics.extend(rows)
        measured.arrays.update(files)
    return measured


def measure(
    model: LeafModel,
    parameters: Parameters,
    spec: Mapping[str, Any],
    test_images: Tensor,
    test_labels: NDArray[Any],
    measures: Mapping[str, Any],
    memory_bytes: int,
    *,
    anomalies: Tensor | None = None,
) -> Measurement:
    """Everything that ``measures`` asks for.

    Parameters
    ----------
    model, parameters:
        Structure and one run's parameters, on the device of the images.
    spec:
        The run's canonical spec, which its random streams are derived from.
    test_images:
        ``[N, D]``.
    test_labels:
        ``[N]``.
    measures:
        ``importance_samples`` (ascending), ``samples``, ``leaf_manifolds``, ``leaf_posteriors`` and
        ``inpainting`` (names of masks), as a study says, and where it asks for them ``anomalies``
        and ``side_by_side``.
    memory_bytes:
        Budget of the bounds.
    anomalies:
        ``[M, D]``: test images that count in no mean, to be told apart.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small.
    """
    device = test_images.device
    started = time.perf_counter()
    bounds = importance_weighted_bounds(
        model,
        parameters,
        test_images,
        measures["importance_samples"],
        lambda block: run_stream("test noise", spec, device, block=block),
        memory_bytes,
    )
    seconds = time.perf_counter() - started
    subject = _Subject(
        model, drawing_of(spec), parameters, spec, test_images, test_labels, bounds, memory_bytes
    )
    rows = bound_rows(bounds, model.images.pixels)
    arrays: dict[str, Arrays] = {
        "bounds": {
            "importance_samples": bounds.sample_counts,
            "bounds": bounds.bounds.astype(np.float32),
        },
        "embeddings": _embeddings(subject),
    }
    if measures["samples"]:
        arrays["samples"] = _samples(subject, measures["samples"])
    if measures["leaf_manifolds"] and model.leaves.latent_dimensions == 2:
        manifold = leaf_manifolds(model, subject.drawing, parameters)
        arrays["leaf_manifolds"] = {"manifold": manifold, **_layout(subject)}
    if measures["leaf_posteriors"] and model.leaves.members > 1:
        arrays["leaf_posteriors"] = _leaf_posteriors(subject)
    if measures["inpainting"]:
        filled, samples = _inpainting(subject, measures["inpainting"])
        rows += inpainting_rows(filled, samples)
        arrays["inpainting"] = {
            "masks": np.array(measures["inpainting"]),
            "images": _shown(subject, filled.expected.shape[1]),
            "importance_samples": np.array(samples),
            **vars(filled),
        }
    if measures.get("anomalies") and anomalies is not None and len(anomalies):
        more, arrays["scores"] = _told_anomalies(subject, anomalies)
        rows += more
    if count := measures.get("side_by_side", 0):
        arrays["side_by_side"] = _side_by_side(subject, count)
    rows.append(size_row(model.parameter_count()))
    images = len(test_images) + (0 if anomalies is None else len(anomalies))
    return Measurement(rows, model.images.pixels, arrays, images, seconds)


@dataclass(frozen=True)
class _Subject:
    """What is measured: a model and one run of it, test images, and their bounds."""

    model: LeafModel
    drawing: Drawing
    parameters: Parameters
    spec: Mapping[str, Any]
    images: Tensor
    labels: NDArray[Any]
    bounds: Bounds
    memory_bytes: int

    def stream(self, purpose: str) -> torch.Generator:
        """The run's random stream for a purpose."""
        return run_stream(purpose, self.spec, self.images.device)

    def leaf_bounds(self, samples: int, images: int) -> Tensor:
        """The leaves' bounds of the first images, [L, images], with so many samples."""
        count = list(self.bounds.sample_counts).index(samples)
        return torch.tensor(self.bounds.leaf_bounds[count, :, :images]).to(self.images.device)


def _layout(subject: _Subject) -> Arrays:
    """Rows, columns and components of the leaves, for whoever draws them."""
    names = ("leaf_rows", "leaf_columns", "leaf_components")
    layout = subject.drawing.leaf_layout(subject.model)
    return {name: np.array(value) for name, value in zip(names, layout, strict=True)}


def _embeddings(subject: _Subject) -> Arrays:
    images = subject.images[:EMBEDDED_IMAGES]
    return {
        "codes": posterior_means(subject.model, subject.parameters, images),
        "labels": np.asarray(subject.labels[: len(images)]),
        **_layout(subject),
    }


def _samples(subject: _Subject, draws: int) -> Arrays:
    drawn, means = sample_images(
        subject.model, subject.drawing, subject.parameters, draws, subject.stream("samples")
    )
    return {"samples": drawn, "means": means}


def _leaf_posteriors(subject: _Subject) -> Arrays:
    images = subject.images[:EMBEDDED_IMAGES]
    found = leaf_posteriors(
        subject.model,
        subject.drawing,
        subject.parameters,
        images,
        np.asarray(subject.labels[: len(images)]),
        subject.leaf_bounds(int(subject.bounds.sample_counts[-1]), len(images)),
    )
    return {**vars(found), **_layout(subject)}


def _inpainting(subject: _Subject, masks: Sequence[str]) -> tuple[Inpainting, int]:
    """What is filled into the first test images, and with how many importance samples."""
    images = subject.images[:INPAINTED_IMAGES]
    samples = samples_of([int(count) for count in subject.bounds.sample_counts])
    facts, data_set = subject.model.images, subject.spec["data_set"]
    filled = inpaint(
        subject.model,
        subject.drawing,
        subject.parameters,
        images,
        subject.leaf_bounds(samples, len(images)),
        {name: observed_pixels(name, facts.height, facts.width, data_set) for name in masks},
        samples,
        lambda purpose: subject.stream(f"inpainting {purpose}"),
        subject.memory_bytes,
    )
    return filled, samples


def _told_anomalies(subject: _Subject, anomalies: Tensor) -> tuple[list[Row], Arrays]:
    """How well bounds of the largest number of samples tell anomalies [M, D] apart."""
    samples = int(subject.bounds.sample_counts[-1])
    found = importance_weighted_bounds(
        subject.model,
        subject.parameters,
        anomalies,
        [samples],
        lambda block: run_stream("anomaly noise", subject.spec, anomalies.device, block=block),
        subject.memory_bytes,
    )
    return told_anomalies(subject.bounds.bounds[-1], found.bounds[-1], samples)


def _side_by_side(subject: _Subject, count: int) -> Arrays:
    """The first test images, with their right half hidden, and filled in."""
    facts = subject.model.images
    observed = observed_pixels(
        SIDE_BY_SIDE_MASK, facts.height, facts.width, subject.spec["data_set"]
    )
    originals = _shown(subject, count)
    filled = [
        _filled_block(subject, observed, block)
        for block in range(math.ceil(len(originals) / SHOWN_IMAGES))
    ]
    drawn = np.concatenate([one.completions[0, :, 0] for one in filled])
    expected = np.concatenate([one.expected[0] for one in filled])
    return {
        "originals": originals,
        "observed": observed,
        "hidden": originals * observed.reshape(*observed.shape, *[1] * (originals.ndim - 3)),
        "filled": drawn[:count].clip(0, 1),
        "expected": expected[:count].clip(0, 1),
    }


def _filled_block(subject: _Subject, observed: NDArray[np.bool_], block: int) -> Inpainting:
    """As many test images as are shown at a time, filled in where they are not ``observed``."""
    samples = samples_of([int(one) for one in subject.bounds.sample_counts])
    some = slice(block * SHOWN_IMAGES, (block + 1) * SHOWN_IMAGES)

    def stream(purpose: str) -> torch.Generator:
        device = subject.images.device
        return run_stream(f"side by side {purpose}", subject.spec, device, block=block)

    return inpaint(
        subject.model,
        subject.drawing,
        subject.parameters,
        subject.images[some],
        subject.leaf_bounds(samples, len(subject.images))[:, some],
        {SIDE_BY_SIDE_MASK: observed},
        samples,
        stream,
        subject.memory_bytes,
    )


def _shown(subject: _Subject, count: int) -> NDArray[np.float32]:
    """The first images as shares of the full range, [count, h, w(, channels)]."""
    images = subject.images[:count].to(torch.float32)
    return as_images(subject.model.images, images / subject.model.leaves.likelihood.full_range)
