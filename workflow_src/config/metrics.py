"""The metrics that tables can show: what each is called, its unit, and which direction is better.

How they are computed is the evaluation's; here they only get their one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from workflow_src.config.complaints import unknown


@dataclass(frozen=True)
class Metric:
    """A quantity measured per group, as it is named in settings, columns and tables.

    ``has_interval`` is false where an interval over seeds would tell nothing: counts, and times
    that the members of a bank share. ``holds_log_partition`` is true where the log partition
    function of the model's prior is a summand, so that its error is one of the metric.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    has_interval: bool = True
    holds_log_partition: bool = False


LOG_PARTITION = "log_partition_function"

_ALL = (
    Metric(
        "test_bound",
        "importance-weighted bound, test set",
        "nats",
        "higher",
        holds_log_partition=True,
    ),
    Metric(
        "test_bound_per_dimension",
        "importance-weighted bound per pixel, test set",
        "nats per dimension",
        "higher",
        holds_log_partition=True,
    ),
    Metric(
        "test_bound_gain",
        "gain of the bound by the last increase of importance samples, test set",
        "nats",
        "lower",
    ),
    Metric(
        "test_bits_per_dimension",
        "importance-weighted bound as code length, test set",
        "bits per dimension",
        "lower",
        holds_log_partition=True,
    ),
    Metric(
        "test_smoothed_bound",
        "importance-weighted bound at the training temperature, test set",
        "nats",
        "higher",
        holds_log_partition=True,
    ),
    Metric(
        "test_smoothed_bits_per_dimension",
        "importance-weighted bound at the training temperature as code length, test set",
        "bits per dimension",
        "lower",
        holds_log_partition=True,
    ),
    Metric("validation_bound", "bound, validation set", "nats", "higher"),
    Metric("effective_sample_size", "effective number of importance samples", "samples", "higher"),
    Metric(
        "test_joint_bound",
        "joint bound of the smoothed model at its training temperature, test set",
        "nats",
        "higher",
    ),
    Metric(
        "test_marginal_bound",
        "marginal bound of the smoothed model at its training temperature, test set",
        "nats",
        "higher",
    ),
    Metric(
        "marginal_bound_gain",
        "gain of the marginal over the joint bound at equal parameters, test set",
        "nats",
        "higher",
    ),
    Metric(
        "kl_divergence",
        "divergence of the approximate posterior from the prior at the training temperature, "
        "sum over groups, test set",
        "nats",
        "neither",
        holds_log_partition=True,
    ),
    Metric(
        LOG_PARTITION,
        "log partition function of the prior",
        "nats",
        "neither",
        holds_log_partition=True,
    ),
    Metric(
        "inpainting_log_density",
        "log density of missing pixels given the others (estimate), first 64 test images",
        "nats per missing dimension",
        "higher",
    ),
    Metric(
        "inpainting_error",
        "root mean squared error of expected missing pixels, first 64 test images",
        "share of full range",
        "lower",
    ),
    Metric("parameter_count", "parameters", "parameters", "lower", has_interval=False),
    Metric(
        "seconds_per_step",
        "device seconds per training step, validation included",
        "s",
        "lower",
        has_interval=False,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})


def metric(name: str) -> Metric:
    """The metric of that name; an unknown name is a `UserError` that lists the known ones."""
    if name not in METRICS:
        raise unknown((), "metric", name, METRICS).error(lambda key: "metric")
    return METRICS[name]
