"""What a density of images looks like: draws, sharpened draws, variants of images, centroids."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from workflow_src.evaluate.image_densities.subject import DRAWN_AT_ONCE, Images, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.image_densities import HasCentroids, Sharpens, Varies

VARIANTS = 8
"""Variants of every image."""


def drawn(
    subject: Subject,
    count: int,
    purpose: str,
    *,
    label: int | None = None,
    sharpened: bool = False,
    noise: bool = True,
) -> Tensor:
    """So many images [count, D] in the data's units, with the run's random stream of ``purpose``.

    They are cut to the range of pixels, which draws of normal densities leave. With and without
    ``sharpened`` the same choices are made at the top; without ``noise`` all choices are the same,
    and pixels are means. What is sharpened has its noise.

    Raises
    ------
    ValueError
        If the model cannot sharpen and is asked to, if what is sharpened is to have no noise, or
        there is no such label.
    """
    model, axes = subject.model, {} if label is None else {"label": label}
    if sharpened and not can_sharpen(subject):
        raise ValueError(f"the model {subject.spec['model']} has nothing to sharpen")
    if sharpened and not noise:
        raise ValueError("sharpened images are drawn with noise; leave one of the two")
    draw = (
        model.draw_sharpened
        if sharpened and isinstance(model, Sharpens)
        else partial(model.draw, noise=noise)
    )
    blocks = [
        draw(
            subject.parameters,
            min(DRAWN_AT_ONCE, count - start),
            subject.stream(purpose, block=start // DRAWN_AT_ONCE, **axes),
            label=label,
        )
        for start in range(0, count, DRAWN_AT_ONCE)
    ]
    return torch.cat(blocks).clamp(0, subject.full_range)


def can_sharpen(subject: Subject) -> bool:
    """Whether the model's draws can be sharpened."""
    return isinstance(subject.model, Sharpens) and subject.model.has_sharpening


def samples(subject: Subject, count: int) -> Arrays:
    """Images drawn from the model, and the same choices with means for pixels."""
    return {
        "images": _pictures(subject, count, sharpened=False),
        "means": subject.pictures(drawn(subject, count, "samples", noise=False)),
    }


def sharpened_samples(subject: Subject, count: int) -> Arrays:
    """The same draws without and with sharpening."""
    return {
        "plain": _pictures(subject, count, sharpened=False),
        "sharpened": _pictures(subject, count, sharpened=True),
    }


def variants(subject: Subject, count: int) -> Arrays:
    """The first ``count`` test images, and variants of each."""
    if not isinstance(subject.model, Varies):
        raise ValueError(f"the model {subject.spec['model']} draws no variants of images")
    originals = subject.test[:count]
    found = [
        subject.model.variants(
            subject.parameters, some, VARIANTS, subject.stream("variants", block=block)
        )
        for block, some in enumerate(torch.split(originals, DRAWN_AT_ONCE // VARIANTS))
    ]
    return {
        "originals": subject.pictures(originals),
        "variants": subject.pictures(torch.cat(found)),
    }


def centroids(subject: Subject) -> Arrays:
    """The lowest layer's centroids [K, f, f(, 3)], as shares of the full range and not cut."""
    if not isinstance(subject.model, HasCentroids):
        raise ValueError(f"the model {subject.spec['model']} has no centroids")
    found = subject.shares(subject.model.centroids(subject.parameters)).cpu().numpy()
    return {"images": found if subject.facts.channels > 1 else found[..., 0]}


def _pictures(subject: Subject, count: int, *, sharpened: bool) -> Images:
    return subject.pictures(drawn(subject, count, "samples", sharpened=sharpened))
