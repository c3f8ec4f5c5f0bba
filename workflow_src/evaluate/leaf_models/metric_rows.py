"""What is measured on densities made of leaves, as rows of a record."""

from __future__ import annotations

import numpy as np

from workflow_src.evaluate.leaf_models.bounds import Bounds
from workflow_src.evaluate.leaf_models.inpainting import Inpainting
from workflow_src.evaluate.metric_rows import Row, mean_row


def bound_rows(bounds: Bounds, dimensions: int) -> list[Row]:
    """The bound for every number of samples, in nats and nats per dimension, and what samples gain.

    ``dimensions`` are the pixels of an image.
    """
    counts = [int(count) for count in bounds.sample_counts]
    rows = [
        mean_row("test_bound", values, "nats", count)
        for count, values in zip(counts, bounds.bounds, strict=True)
    ]
    rows += [
        mean_row("test_bound_per_dimension", values / dimensions, "nats per dimension", count)
        for count, values in zip(counts, bounds.bounds, strict=True)
    ]
    if len(counts) > 1:
        with np.errstate(invalid="ignore"):
            gained = bounds.bounds[-1] - bounds.bounds[-2]
        rows.append(mean_row("test_bound_gain", gained, "nats", counts[-1]))
    sizes = bounds.effective_sample_size
    return [*rows, mean_row("effective_sample_size", sizes, "samples", counts[-1])]


def inpainting_rows(found: Inpainting, samples: int) -> list[Row]:
    """Means over masks, and then over images, of the missing pixels' density and error."""
    unit = "nats per missing dimension"
    return [
        mean_row("inpainting_log_density", found.log_density.mean(axis=0), unit, samples),
        mean_row("inpainting_error", found.error.mean(axis=0), "share of full range", samples),
    ]
