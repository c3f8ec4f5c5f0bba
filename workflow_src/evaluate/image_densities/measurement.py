"""Measures one trained density of images on the test set.

Pure computation: arrays in, arrays and numbers out. Files and records belong to `job`.

Shapes use N = test images that are no anomalies, M = anomalies, L = layers with a score, m = masks,
n = images that are shown, H, W = sides of an image; a last axis of 3 is there where images are in
colour. Pixels are float32 shares of the full range, in [0, 1] unless said; scores are float64 nats.
Images are the first of the N in their order. The arrays, by file:

``scores`` (always): ``test`` [L, N] and ``anomalies`` [L, M] (the layers' scores, the top layer
    last), and of normalised densities ``log_likelihood`` [N].
``samples`` (`samples` draws): ``images`` and ``means`` [samples, H, W(, 3)]: draws, and the means
    of the components that were chosen for them.
``sharpened_samples`` (`sharpened_samples` draws, where there is something to sharpen): ``plain``
    and ``sharpened`` [draws, H, W(, 3)], of equal choices at the top layer.
``variants`` (`variants` images): ``originals`` [n, H, W(, 3)], ``variants`` [n, 8, H, W(, 3)].
``inpainting`` (`inpainting` masks, of at most 64 images): ``masks`` [m] (text), ``observed``
    [m, H, W] (bool), ``images`` [n, H, W(, 3)], ``completions`` [m, n, 4, H, W(, 3)] (hidden pixels
    drawn; not cut to [0, 1]), ``expected`` [m, n, H, W(, 3)], ``error`` [m, images] (root mean
    squared error of the expected hidden pixels), ``mean_image_error`` [m, images] (of the mean
    training image in their place); where it makes a difference that hidden pixels are taken for
    zeros, ``zeroed_expected`` and ``zeroed_error`` of the shapes of ``expected`` and ``error``; of
    normalised densities ``log_density`` [m, images] (nats per hidden value).
``side_by_side`` (`side_by_side` images; the right half is hidden): ``originals``, ``hidden`` (with
    hidden pixels black), ``filled`` (hidden pixels drawn), ``expected`` and, where it makes a
    difference, ``zeroed_filled``, each [n, H, W(, 3)]; ``observed`` [H, W] (bool).
``centroids`` (`centroids`): ``images`` [K, f, f(, 3)] of the lowest layer; not cut to [0, 1].
``classification`` (`classification`, of runs with a classifier): ``log_probabilities`` [N, S],
    ``labels`` [N] (int64).
``judged`` and ``noiseless_judged`` (`judged_samples` of each label) and, where
    `sharpened_samples` are asked for as well, ``sharpened_judged``: see `judging`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.image_densities import pictures
from workflow_src.evaluate.image_densities.classification import classification
from workflow_src.evaluate.image_densities.inpainting import inpainting, side_by_side
from workflow_src.evaluate.image_densities.scores import (
    anomaly_rows,
    layer_rows,
    likelihood_rows,
    scores,
)
from workflow_src.evaluate.image_densities.subject import Subject, has_classifier, subject_of
from workflow_src.evaluate.judging import JudgedBy, judged_rows
from workflow_src.evaluate.measurement import Arrays, Measurement
from workflow_src.evaluate.metric_rows import Row, row, size_row
from workflow_src.models.image_densities import HasCentroids

_CENTROIDS = ".centroids"


def measure_run(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
    judges: Sequence[JudgedBy] = (),
) -> Measurement:
    """As `measure`, for a run's checkpoint on the images of its data."""
    subject = subject_of(spec, parameters, data, device, memory_bytes)
    return measure(subject, measures, judges, memory_bytes)


@torch.no_grad()
def measure(
    subject: Subject,
    measures: Mapping[str, Any],
    judges: Sequence[JudgedBy] = (),
    memory_bytes: int = 1 << 30,
) -> Measurement:
    """Everything that ``measures`` asks for and that the model and the data have.

    ``measures`` is as a study says; what it does not mention is not asked for. What needs
    anomalies, a folding to sharpen or a classifier is left out where there are none, and so is what
    judges say of draws of which nobody knows what they should show.

    Parameters
    ----------
    judges, memory_bytes:
        Those that judge draws, and what they may take.
    """
    started = time.perf_counter()
    found = scores(subject)
    seconds = time.perf_counter() - started
    rows = likelihood_rows(found)
    arrays: dict[str, Arrays] = {"scores": found.arrays()}
    if measures.get("layer_scores"):
        rows += layer_rows(found)
    if measures.get("anomalies"):
        rows += anomaly_rows(found)
    if masks := measures.get("inpainting"):
        more, arrays["inpainting"] = inpainting(subject, masks)
        rows += more
    if measures.get("classification") and has_classifier(subject.model):
        more, arrays["classification"] = classification(subject)
        rows += more
    if count := measures.get("judged_samples"):
        sharpening = bool(measures.get("sharpened_samples")) and pictures.can_sharpen(subject)
        more, files = _judged(subject, count, judges, memory_bytes, sharpening=sharpening)
        rows += more
        arrays |= files
    arrays |= _pictures(subject, measures)
    rows += _size_rows(subject)
    images = len(subject.test) + len(subject.anomalies)
    return Measurement(rows, subject.facts.pixels, arrays, images, seconds)


def _pictures(subject: Subject, measures: Mapping[str, Any]) -> dict[str, Arrays]:
    """Arrays that figures draw."""
    arrays: dict[str, Arrays] = {}
    if count := measures.get("samples"):
        arrays["samples"] = pictures.samples(subject, count)
    if (count := measures.get("sharpened_samples")) and pictures.can_sharpen(subject):
        arrays["sharpened_samples"] = pictures.sharpened_samples(subject, count)
    if count := measures.get("variants"):
        arrays["variants"] = pictures.variants(subject, count)
    if count := measures.get("side_by_side"):
        arrays["side_by_side"] = side_by_side(subject, count)
    if measures.get("centroids"):
        arrays["centroids"] = pictures.centroids(subject)
    return arrays


def _judged(
    subject: Subject,
    count: int,
    judges: Sequence[JudgedBy],
    memory_bytes: int,
    *,
    sharpening: bool,
) -> tuple[list[Row], dict[str, Arrays]]:
    """What judges say of draws of every label, with their noise and without it.

    With ``sharpening`` of sharpened ones, too.
    """

    def plain(number: int, label: int | None) -> Tensor:
        return pictures.drawn(subject, number, "judged samples", label=label)

    def noiseless(number: int, label: int | None) -> Tensor:
        return pictures.drawn(subject, number, "judged samples", label=label, noise=False)

    def sharpened(number: int, label: int | None) -> Tensor:
        return pictures.drawn(subject, number, "judged samples", label=label, sharpened=True)

    return judged_rows(
        plain,
        subject.drawn_labels,
        judges,
        count,
        memory_bytes,
        draw_noiseless=noiseless,
        draw_sharpened=sharpened if sharpening else None,
    )


def _size_rows(subject: Subject) -> list[Row]:
    """The number of parameters; of mixture networks also the paper's number, of centroids.

    The paper counts those of one position where positions have centroids of their own (Table VI).
    """
    model = subject.model
    rows = [size_row(model.parameter_count())]
    if isinstance(model, HasCentroids):
        shapes = [
            shape for name, shape in model.parameter_shapes().items() if name.endswith(_CENTROIDS)
        ]
        count = sum(math.prod(shape[1:]) for shape in shapes)
        rows.append(row("centroid_count", count, None, "parameters", None))
    return rows
