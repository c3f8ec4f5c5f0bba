"""What is measured: one density of images with one run's parameters, and the images of its data.

Test images whose label no training image has are anomalies; they count in no mean over test images.
Shapes: N = other test images, M = anomalies, D = values of an image, H, W = its sides.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.data.subsets import subset_indices
from workflow_src.evaluate.judging import labels_to_draw
from workflow_src.evaluate.measurement import MemoryBudgetError
from workflow_src.models.building import build_model
from workflow_src.models.image_densities import Classifies, ImageDensity
from workflow_src.models.images import ImageFacts
from workflow_src.models.random_streams import run_stream

DRAWN_AT_ONCE = 100
"""Images that one call draws: as many as a batch, and not by the budget, which is to decide how
work is cut and not what is drawn."""

_MOST_AT_ONCE = 250
_AT_ONCE_IN_THE_MEAN = 1000

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """A model, one run of it, and its data.

    Attributes
    ----------
    test, anomalies:
        ``[N, D]`` and ``[M, D]`` float32 in the data's units, on the device of the parameters.
    labels:
        Those of ``test``, ``[N]``.
    drawn_labels:
        The labels that images can be drawn of, ascending.
    mean_image:
        The mean training image as shares of the full range, ``[D]`` float64.
    images_at_a_time:
        How many images the budget of memory is enough for.
    """

    model: ImageDensity
    facts: ImageFacts
    parameters: Mapping[str, Tensor]
    spec: Mapping[str, Any]
    test: Tensor
    labels: NDArray[np.int64]
    anomalies: Tensor
    drawn_labels: tuple[int, ...]
    mean_image: Tensor
    images_at_a_time: int

    @property
    def full_range(self) -> float:
        """The largest value of a pixel."""
        return full_range(self.facts)

    def stream(self, purpose: str, **axes: int) -> torch.Generator:
        """The run's random stream for a purpose and its ``axes``, such as a block."""
        return run_stream(purpose, self.spec, self.test.device, **axes)

    def blocks(self, images: Tensor) -> Iterator[Tensor]:
        """Images ``[n, D]``, as many at a time as memory is enough for; nothing of no images."""
        return iter(torch.split(images, self.images_at_a_time) if len(images) else ())

    def shares(self, pixels: Tensor) -> Tensor:
        """Pixels in the data's units as float32 shares of the full range."""
        return (pixels.to(torch.float32) / self.full_range).contiguous()

    def pictures(self, pixels: Tensor) -> Images:
        """Pixels ``[..., D]`` in the data's units as shares of the full range, cut to [0, 1].

        ``[..., H, W]``, and for images in colour ``[..., H, W, 3]``.
        """
        return self.as_images(self.shares(pixels).clamp(0, 1))

    def as_images(self, values: Tensor) -> Images:
        """Values ``[..., D]`` laid out as images, channels last where there are several."""
        facts = self.facts
        laid_out = values.reshape(*values.shape[:-1], facts.channels, facts.height, facts.width)
        last = laid_out.movedim(-3, -1)
        found = (last if facts.channels > 1 else last.squeeze(-1)).to(torch.float32)
        return np.ascontiguousarray(found.cpu().numpy())


def has_classifier(model: ImageDensity) -> bool:
    """Whether a model has a classifier, and so draws images of a label that is asked for."""
    return isinstance(model, Classifies) and model.has_classifier


def full_range(facts: ImageFacts) -> float:
    """The largest value of a pixel: the levels of counts, 1 of shares."""
    return float(facts.levels) if facts.likelihood == "binomial" else 1.0


def subject_of(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    device: torch.device,
    memory_bytes: int,
) -> Subject:
    """A run's model with its checkpoint's tensors, and the images of its data.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small for a single image.
    """
    facts = ImageFacts(*data.shape, spec["likelihood"], data.levels, data.channels)
    model = build_model(spec, data.shape, data.levels, data.channels)
    usual = np.isin(data.labels["test"], np.unique(data.labels["train"]))
    test = np.asarray(data.test)
    return Subject(
        model=model,
        facts=facts,
        parameters={name: value.to(device) for name, value in parameters.items()},
        spec=spec,
        test=_floats(test[usual]).to(device),
        labels=np.asarray(data.labels["test"], dtype=np.int64)[usual],
        anomalies=_floats(test[~usual]).to(device),
        drawn_labels=labels_to_draw(data, has_classifier=has_classifier(model)),
        mean_image=_mean_image(data, spec, full_range(facts)).to(device),
        images_at_a_time=images_at_a_time(spec, facts, memory_bytes),
    )


def images_at_a_time(spec: Mapping[str, Any], facts: ImageFacts, memory_bytes: int) -> int:
    """How many images fit the budget, by what a batch of training takes of the model.

    A model without a ``size`` module is given as many as are drawn at once.

    Raises
    ------
    MemoryBudgetError
        If not even one does.
    """
    try:
        size = importlib.import_module(f"workflow_src.models.{spec['model']}.size")
    except ModuleNotFoundError:
        return DRAWN_AT_ONCE
    batch = int(spec.get("batch_size", DRAWN_AT_ONCE))
    sides = (facts.height, facts.width)
    per_image = int(size.training_bytes(spec, sides, facts.channels)) // batch + 1
    if per_image > memory_bytes:
        raise MemoryBudgetError(
            f"one image takes {per_image / 2**20:.0f} MiB, more than the budget of "
            f"{memory_bytes / 2**20:.0f} MiB"
        )
    return min(memory_bytes // per_image, _MOST_AT_ONCE)


def _floats(images: NDArray[Any]) -> Tensor:
    return torch.tensor(images, dtype=torch.float32)


def _mean_image(data: PreparedData, spec: Mapping[str, Any], largest: float) -> Tensor:
    """The mean of the training images that the run had, [D]."""
    kept = subset_indices(len(data.train), spec["fraction"], data.data_set, spec["seed"])
    total = np.zeros(data.train.shape[1])
    for start in range(0, len(kept), _AT_ONCE_IN_THE_MEAN):
        some = np.asarray(data.train)[kept[start : start + _AT_ONCE_IN_THE_MEAN]]
        total += some.astype(np.float64).sum(axis=0)
    return torch.tensor(total / (len(kept) * largest))
