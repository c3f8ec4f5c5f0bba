"""Hidden pixels of test images: what is expected of them given the others, and draws of them.

Beside the expectation with hidden pixels left out stand two others: the DCGMM paper's (section
IV-E), which takes hidden pixels for observed zeros, and the mean training image, which knows
nothing of the image at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.image_densities.metric_rows import mean_of_images
from workflow_src.evaluate.image_densities.subject import DRAWN_AT_ONCE, Subject
from workflow_src.evaluate.masks import SIDE_BY_SIDE_MASK, observed_pixels
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row
from workflow_src.models.image_densities import Inpaints, InpaintsZeroed, Normalised

INPAINTED_IMAGES = 64
"""Test images, the first ones, that numbers are means over, as the metrics' titles say."""

SHOWN_IMAGES = 8
"""Of those, images that are kept for pictures."""

COMPLETIONS = 4
"""Draws of the hidden pixels of each image that is kept."""

_ERRORS = {
    "error": "inpainting_error",
    "zeroed_error": "zeroed_inpainting_error",
    "mean_image_error": "mean_image_inpainting_error",
}

Found = tuple[list[Row], Arrays]


def inpainting(subject: Subject, masks: Sequence[str]) -> Found:
    """Rows and arrays of the masks of these names, of a model that `Inpaints`."""
    parts = [_of_mask(subject, name) for name in masks]
    kept: Arrays = {name: np.stack([one[name] for one in parts]) for name in parts[0]}
    shown = subject.test[:SHOWN_IMAGES]
    kept |= {"masks": np.array(masks), "images": subject.as_images(subject.shares(shown))}
    rows = [
        mean_of_images(metric, kept[name].mean(axis=0), "share of full range")
        for name, metric in _ERRORS.items()
        if name in kept
    ]
    if "log_density" in kept:
        values = kept["log_density"].mean(axis=0)
        unit = "nats per missing dimension"
        rows.append(mean_of_images("inpainting_log_density", values, unit))
    return rows, kept


def side_by_side(subject: Subject, count: int) -> Arrays:
    """The first test images, what is seen of them, and how the model fills them in."""
    observed = _observed(subject, SIDE_BY_SIDE_MASK)
    hidden = _hidden(subject, observed)
    images = subject.test[:count]
    kept: Arrays = {
        "originals": subject.pictures(images),
        "observed": observed,
        "hidden": subject.pictures(images.masked_fill(hidden, 0)),
        "filled": _drawn(subject, images, hidden, "side by side"),
        "expected": subject.pictures(_expected(subject, images, hidden)),
    }
    if isinstance(subject.model, InpaintsZeroed):
        kept["zeroed_filled"] = _drawn(subject, images, hidden, "side by side", zeroed=True)
    return kept


def _of_mask(subject: Subject, name: str) -> Arrays:
    """Everything of one mask, by name."""
    model, parameters = _inpaints(subject), subject.parameters
    observed = _observed(subject, name)
    hidden = _hidden(subject, observed)
    images = subject.test[:INPAINTED_IMAGES]
    mean = subject.mean_image.to(torch.float32) * subject.full_range
    ways = {"": _expected(subject, images, hidden)}
    if isinstance(model, InpaintsZeroed):
        zeroed = model
        ways["zeroed_"] = _blocks(
            subject, images, lambda some: zeroed.expected_zeroed(parameters, some, hidden)
        )
    kept: Arrays = {"observed": observed}
    for way, filled in {**ways, "mean_image_": torch.where(hidden, mean, images)}.items():
        shares = subject.shares(filled)
        kept[f"{way}error"] = _error(shares, subject.shares(images), hidden)
        if way in ways:
            kept[f"{way}expected"] = subject.as_images(shares[:SHOWN_IMAGES])
    repeated = images[:SHOWN_IMAGES].repeat_interleave(COMPLETIONS, dim=0)
    drawn = _drawn(subject, repeated, hidden, f"inpainting {name}", cut=False)
    kept["completions"] = drawn.reshape(-1, COMPLETIONS, *drawn.shape[1:])
    if isinstance(model, Normalised) and model.is_normalised:
        values = _blocks(
            subject,
            images,
            lambda some: model.conditional_log_density(parameters, some, hidden),
        )
        kept["log_density"] = (values.double() / hidden.sum()).cpu().numpy()
    return kept


def _inpaints(subject: Subject) -> Inpaints:
    if not isinstance(subject.model, Inpaints):
        raise ValueError(
            f"the model {subject.spec['model']} fills no pixels in; expected one with inpaint, "
            "expected and conditional_log_density"
        )
    return subject.model


def _observed(subject: Subject, mask: str) -> NDArray[np.bool_]:
    facts = subject.facts
    return observed_pixels(mask, facts.height, facts.width, subject.spec["data_set"])


def _hidden(subject: Subject, observed: NDArray[np.bool_]) -> Tensor:
    """[D]: what is not observed, in every channel."""
    hidden = torch.tensor(~observed.reshape(-1), device=subject.test.device)
    return hidden.repeat(subject.facts.channels)


def _expected(subject: Subject, images: Tensor, hidden: Tensor) -> Tensor:
    model, parameters = _inpaints(subject), subject.parameters
    return _blocks(subject, images, lambda some: model.expected(parameters, some, hidden))


def _drawn(
    subject: Subject,
    images: Tensor,
    hidden: Tensor,
    purpose: str,
    *,
    zeroed: bool = False,
    cut: bool = True,
) -> NDArray[np.float32]:
    """Images [n, H, W(, 3)] with hidden pixels drawn; ``cut`` to [0, 1] they are pictures."""
    model = _inpaints(subject)
    found = [
        model.inpaint(
            subject.parameters, some, hidden, subject.stream(purpose, block=block), zeroed=zeroed
        )
        for block, some in enumerate(torch.split(images, DRAWN_AT_ONCE))
    ]
    pixels = torch.cat(found)
    return subject.pictures(pixels) if cut else subject.as_images(subject.shares(pixels))


def _blocks(subject: Subject, images: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([function(some) for some in subject.blocks(images)])


def _error(filled: Tensor, images: Tensor, hidden: Tensor) -> NDArray[np.float64]:
    """Root mean squared difference of shares where pixels are hidden, [n]."""
    off = (filled - images)[:, hidden].double()
    found: NDArray[np.float64] = off.square().mean(dim=1).sqrt().cpu().numpy()
    return found
