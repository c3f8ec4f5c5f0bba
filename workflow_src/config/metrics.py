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
    """A quantity measured per group, as it is named in settings, columns and tables."""

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", "neither"]


_ALL = (
    Metric("test_bound", "importance-weighted bound, test set", "nats", "higher"),
    Metric("validation_bound", "importance-weighted bound, validation set", "nats", "higher"),
    Metric("effective_sample_size", "effective number of importance samples", "samples", "higher"),
    Metric("parameter_count", "parameters", "parameters", "lower"),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})


def metric(name: str) -> Metric:
    """The metric of that name; an unknown name is a `UserError` that lists the known ones."""
    if name not in METRICS:
        raise unknown((), "metric", name, METRICS).error(lambda key: "metric")
    return METRICS[name]
