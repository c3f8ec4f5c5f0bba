"""Measures one trained model with latent variables on the test set.

Pure computation: arrays in, arrays and numbers out. Files and records belong to `job`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.latent_variables.metric_rows import (
    bound_rows,
    divergence_row,
    partition_rows,
    smoothed_bound_rows,
    training_bound_rows,
)
from workflow_src.evaluate.latent_variables.partition import Partition, partition_of
from workflow_src.evaluate.latent_variables.passes import (
    DRAWS,
    Divergences,
    group_divergences,
    training_bounds,
)
from workflow_src.evaluate.latent_variables.pictures import (
    DRAWS_OF_A_STATE,
    inverse_cdf,
    sampled,
)
from workflow_src.evaluate.latent_variables.smoothed import smoothed_bounds
from workflow_src.evaluate.latent_variables.subject import Subject, subject_of
from workflow_src.evaluate.latent_variables.weights import WeightedBounds, weighted_bounds
from workflow_src.evaluate.measurement import Arrays, Measurement
from workflow_src.evaluate.metric_rows import Row, size_row
from workflow_src.models.building import build_model

_BITS = ("bernoulli", "discretised_logistic")
"""Likelihoods of integers, or of black and white: the log-likelihood is the length of a code."""


def measure_run(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Measurement:
    """As `measure`, for a run's checkpoint on the test images of its data."""
    model = build_model(spec, data.shape, data.levels, data.channels)
    subject = subject_of(model, parameters, spec, device, memory_bytes)
    return measure(subject, torch.tensor(data.test).to(device), measures)


def measure(subject: Subject, images: Tensor, measures: Mapping[str, Any]) -> Measurement:
    """Everything that ``measures`` asks for, on test images [N, D].

    ``measures`` has ``importance_samples`` (ascending), ``samples``, ``global_samples``,
    ``inverse_cdfs``, ``training_bounds`` and ``smoothed_bound``, as a study says.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small.
    """
    started = time.perf_counter()
    bounds = weighted_bounds(subject, images, measures["importance_samples"])
    partition = partition_of(subject)
    seconds = time.perf_counter() - started
    divergences = group_divergences(subject, images, partition.value)
    facts = subject.model.images
    bits = facts.likelihood in _BITS
    rows = bound_rows(bounds, partition, facts.pixels, bits=bits)
    arrays = {
        "bounds": _bounds(bounds, partition),
        "kl_divergences": _divergences(divergences),
    }
    if partition.names:
        arrays["log_partition"] = _partition(partition)
    if measures["smoothed_bound"]:
        smoothed = smoothed_bounds(subject, images, measures["importance_samples"], bounds)
        if smoothed is not None:
            rows += smoothed_bound_rows(smoothed, partition, facts.pixels, bits=bits)
            arrays["smoothed_bounds"] = _bounds(smoothed, partition)
    more, of_training = _training(subject, images) if measures["training_bounds"] else ([], {})
    arrays |= of_training | _pictures(subject, measures)
    rows += [*partition_rows(partition), divergence_row(divergences, partition), *more]
    rows.append(size_row(subject.model.parameter_count()))
    return Measurement(rows, facts.pixels, arrays, len(images), seconds)


def _bounds(bounds: WeightedBounds, partition: Partition) -> Arrays:
    return {
        "importance_samples": bounds.sample_counts,
        "bounds": (bounds.bounds - partition.value).astype(np.float32),
        "log_partition": np.array(partition.value),
        "log_partition_standard_error": np.array(partition.standard_error),
    }


def _partition(partition: Partition) -> Arrays:
    return {
        "names": np.array(partition.names),
        "values": partition.values,
        "standard_errors": partition.standard_errors,
    }


def _divergences(divergences: Divergences) -> Arrays:
    return {
        "groups": divergences.groups(),
        "block_divergences": divergences.blocks,
        "block_images": divergences.images,
    }


def _training(subject: Subject, images: Tensor) -> tuple[list[Row], dict[str, Arrays]]:
    """Rows and arrays of the bounds that training ascends; neither where the model has none."""
    found = training_bounds(subject, images)
    if not found:
        return [], {}
    kept: Arrays = {f"{name}s": values.astype(np.float32) for name, values in found.items()}
    return training_bound_rows(found), {"training_bounds": {**kept, "draws": np.array(DRAWS)}}


def _pictures(subject: Subject, measures: Mapping[str, Any]) -> dict[str, Arrays]:
    arrays = {}
    if measures["samples"]:
        drawn = sampled(subject, measures["samples"], 1)
        arrays["samples"] = {name: values[:, 0] for name, values in drawn.items()}
    if measures["global_samples"]:
        arrays["global_samples"] = sampled(subject, measures["global_samples"], DRAWS_OF_A_STATE)
    curve = subject.model.smoothing_curve() if measures["inverse_cdfs"] else None
    if curve is not None:
        arrays["smoothing"] = inverse_cdf(curve["smoothing"], curve["inverse_temperature"])
    return arrays
