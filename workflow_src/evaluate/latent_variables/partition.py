"""The prior's log partition function by all estimators, and the one that bounds are made with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.latent_variables.subject import Subject
from workflow_src.models.boltzmann.partition import combined
from workflow_src.models.latent_variables import LogPartition


@dataclass(frozen=True)
class Partition:
    """What is known of log Z, in nats.

    Attributes
    ----------
    names, values, standard_errors:
        Every estimator's; none where the prior is normalised.
    value, standard_error:
        What bounds are made with: the estimate of the smallest error, with an error that covers
        how far the others lie off. An estimate that is too small inflates every bound, and no
        estimator can see by itself what it has missed. 0 and 0 where the prior is normalised.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    value: float
    standard_error: float


def partition_of(subject: Subject) -> Partition:
    """All that the model's estimators say, and what follows for bounds."""
    stream = subject.stream("log partition function")
    found = subject.model.log_partition_estimates(subject.parameters, [stream])
    estimates = {
        name: LogPartition(one.value.double(), one.standard_error.double())
        for name, one in found.items()
    }
    numbers = [_numbers(one) for one in estimates.values()]
    value, error = _numbers(combined(estimates)) if estimates else (0.0, 0.0)
    return Partition(
        tuple(estimates),
        np.array([one for one, _ in numbers], dtype=np.float64),
        np.array([one for _, one in numbers], dtype=np.float64),
        value,
        error,
    )


def _numbers(one: LogPartition) -> tuple[float, float]:
    return float(one.value[0]), float(one.standard_error[0])
