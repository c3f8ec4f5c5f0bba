"""Has judges look at what a model of leaves draws, on data of a single class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.judging import JudgedBy, judged_rows, labels_to_draw
from workflow_src.evaluate.leaf_models.pictures import Array, sample_images
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row
from workflow_src.models.banks import Parameters
from workflow_src.models.building import build_model, drawing_of
from workflow_src.models.random_streams import run_stream


def judged(
    spec: Mapping[str, Any],
    parameters: Parameters,
    data: PreparedData,
    samples: int,
    judges: Sequence[JudgedBy],
    device: torch.device,
    memory_bytes: int,
) -> tuple[list[Row], dict[str, Arrays]]:
    """Rows and files of `judged_rows`, of so many draws; none on data of several classes.

    Without noise a draw is the leaves' means given the same codes and components. Draws are cut to
    the range that pixels have.
    """
    model = build_model(spec, data.shape, data.levels, data.channels)
    placed = {name: value.to(device) for name, value in parameters.items()}
    full_range: float = model.leaves.likelihood.full_range

    def both(count: int) -> tuple[Tensor, Tensor]:
        stream = run_stream("judged samples", spec, device)
        drawn, means = sample_images(model, drawing_of(spec), placed, count, stream)
        return as_pixels(drawn), as_pixels(means)

    def as_pixels(images: Array) -> Tensor:
        shares: Tensor = torch.tensor(images).clamp(0, 1)
        # Values of an image are ordered by channel first.
        ordered = shares.movedim(-1, 1) if model.images.channels > 1 else shares
        return ordered.flatten(1) * full_range

    return judged_rows(
        lambda count, label: both(count)[0],
        labels_to_draw(data, has_classifier=False),
        judges,
        samples,
        memory_bytes,
        draw_noiseless=lambda count, label: both(count)[1],
    )
