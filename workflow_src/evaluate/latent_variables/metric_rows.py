"""What is measured on models with latent variables, as rows of a record."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.latent_variables.partition import Partition
from workflow_src.evaluate.latent_variables.passes import Divergences
from workflow_src.evaluate.latent_variables.weights import WeightedBounds
from workflow_src.evaluate.metric_rows import Row, mean_row, row


def bound_rows(
    found: WeightedBounds, partition: Partition, dimensions: int, *, bits: bool
) -> list[Row]:
    """Bounds for every number of samples in nats, nats and bits per dimension, and their gain.

    The standard error is that of the mean over images and that of log Z, which all images share:
    the root of the sum of their squares. A gain is a difference, in which log Z cancels.
    """
    counts = [int(count) for count in found.sample_counts]
    nats = _bounds("test_bound", found, partition)
    rows = nats + [
        _scaled(one, "test_bound_per_dimension", 1 / dimensions, "nats per dimension")
        for one in nats
    ]
    if bits:
        rows += [_as_bits(one, "test_bits_per_dimension", dimensions) for one in nats]
    if len(counts) > 1:
        with np.errstate(invalid="ignore"):
            gained = found.bounds[-1] - found.bounds[-2]
        rows.append(mean_row("test_bound_gain", gained, "nats", counts[-1]))
    sizes = found.effective_sample_size
    return [*rows, mean_row("effective_sample_size", sizes, "samples", counts[-1])]


def smoothed_bound_rows(
    found: WeightedBounds, partition: Partition, dimensions: int, *, bits: bool
) -> list[Row]:
    """The same bounds of the smoothed model in nats, and in bits per dimension."""
    nats = _bounds("test_smoothed_bound", found, partition)
    if not bits:
        return nats
    name = "test_smoothed_bits_per_dimension"
    return nats + [_as_bits(one, name, dimensions) for one in nats]


def training_bound_rows(bounds: Mapping[str, NDArray[np.float64]]) -> list[Row]:
    """The one-sample bounds of the smoothed model, and the gain of the marginal one."""
    rows = [mean_row(f"test_{name}", values, "nats", 1) for name, values in bounds.items()]
    if {"joint_bound", "marginal_bound"} <= bounds.keys():
        with np.errstate(invalid="ignore"):
            gained = bounds["marginal_bound"] - bounds["joint_bound"]
        rows.append(mean_row("marginal_bound_gain", gained, "nats", 1))
    return rows


def divergence_row(divergences: Divergences, partition: Partition) -> Row:
    """The divergence summed over groups, of which one is from a prior with a log Z."""
    total = float(divergences.groups().sum())
    one = row("kl_divergence", total, divergences.standard_error(), "nats", None)
    return _with_partition(one, partition)


def partition_rows(partition: Partition) -> list[Row]:
    """The log partition function, where the prior needs one."""
    if not partition.names:
        return []
    error = partition.standard_error
    return [row("log_partition_function", partition.value, error, "nats", None)]


def _bounds(metric: str, found: WeightedBounds, partition: Partition) -> list[Row]:
    return [
        _with_partition(mean_row(metric, values - partition.value, "nats", int(count)), partition)
        for count, values in zip(found.sample_counts, found.bounds, strict=True)
    ]


def _as_bits(one: Row, metric: str, dimensions: int) -> Row:
    return _scaled(one, metric, -1 / (dimensions * math.log(2)), "bits per dimension")


def _with_partition(one: Row, partition: Partition) -> Row:
    return one | {"standard_error": math.hypot(one["standard_error"], partition.standard_error)}


def _scaled(one: Row, metric: str, factor: float, unit: str) -> Row:
    error = one["standard_error"] * abs(factor)
    return row(metric, one["value"] * factor, error, unit, one["importance_samples"])
