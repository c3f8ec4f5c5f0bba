"""Bounds of a model at the inverse temperature of training, not in the binary limit.

Appendix I of the DVAE++ paper evaluates Tables 5 to 8 so; they do not compare with Table 3. It is
another model, whose pixels depend on smoothed variables, with the same partition function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from workflow_src.evaluate.latent_variables.models import MeasuredModel
from workflow_src.evaluate.latent_variables.subject import Subject
from workflow_src.evaluate.latent_variables.weights import WeightedBounds, weighted_bounds


@runtime_checkable
class HasSmoothed(Protocol):
    """A model whose importance weights can also be had at the temperature of training."""

    def smoothed(self) -> MeasuredModel:
        """The model with such weights; itself where no variable is binary."""
        ...


def smoothed_bounds(
    subject: Subject, images: Tensor, sample_counts: Sequence[int], limit: WeightedBounds
) -> WeightedBounds | None:
    """As `weighted_bounds`, whose result in the binary limit is ``limit``.

    None for a model that has no such weights. Without binary variables it is the limit itself.

    Raises
    ------
    MemoryBudgetError
        If not even a few samples of one image fit the budget.
    """
    model = subject.model
    if not isinstance(model, HasSmoothed):
        return None
    smoothed = model.smoothed()
    if smoothed is model:
        return limit
    return weighted_bounds(replace(subject, model=smoothed), images, sample_counts)
