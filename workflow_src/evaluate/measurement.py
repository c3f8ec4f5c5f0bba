"""What every kind of model's measurement gives, and how the one of a model is found.

A model's declaration names a folder beside this module; its `measurement` has

    measure_run(spec, parameters, data, measures, device, memory_bytes) -> Measurement

with the run's canonical spec, its checkpoint's tensors, prepared data, what a study asks for, and
the memory that intermediate values may take; where `judged_samples` are asked for, it is also given
``judges``, see `workflow_src.evaluate.judging`. It is loaded by name, so that no other kind's code
enters a model's fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class MemoryBudgetError(ValueError):
    """The memory budget is too small for any work at all."""


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes
    ----------
    metrics:
        Rows with metric, value, standard_error, unit and importance_samples.
    dimensions:
        Values of an image: its pixels, times its channels.
    arrays:
        Files to write: name without suffix to named arrays.
    images:
        Test images: those that means are over, and anomalies.
    seconds:
        Wall time of the bounds.
    """

    metrics: list[dict[str, Any]]
    dimensions: int
    arrays: dict[str, Arrays]
    images: int
    seconds: float
