"""Scores of test images: what every layer says of them, and how well that tells anomalies apart.

The DCGMM paper detects outliers by the loss of one layer (sections IV-B and VI-B) and finds the top
layer best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.anomalies import (
    area_under_curve,
    best_scores,
    difference_of_areas,
    published_area,
)
from workflow_src.evaluate.image_densities.metric_rows import mean_of_images
from workflow_src.evaluate.image_densities.subject import Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.image_densities import Normalised

MOST_LAYERS = 4
"""Layers, the lowest ones, that have metrics of their own."""

ROOT = ("root",)
"""The layers of a circuit, which is scored as a whole."""


@dataclass(frozen=True)
class Scores:
    """Of every layer, the top one last: ``test`` [L, N] and ``anomalies`` [L, M], in nats.

    ``log_likelihood`` [N] is log p(x) of the test images; None where there is no normalised density
    of whole images.
    """

    test: NDArray[np.float64]
    anomalies: NDArray[np.float64]
    log_likelihood: NDArray[np.float64] | None
    of_layers: bool

    def arrays(self) -> Arrays:
        """As they are kept."""
        kept = {"test": self.test, "anomalies": self.anomalies}
        if self.log_likelihood is not None:
            kept["log_likelihood"] = self.log_likelihood
        return dict(kept)


def scores(subject: Subject) -> Scores:
    """Score all test images."""
    model, parameters = subject.model, subject.parameters

    def of_layers(pixels: Tensor) -> Tensor:
        return model.log_densities(parameters, pixels)

    layers = len(model.layer_names)
    test = in_blocks(subject, subject.test, of_layers).reshape(layers, -1)
    anomalies = in_blocks(subject, subject.anomalies, of_layers).reshape(layers, -1)
    whole = None
    if isinstance(model, Normalised) and model.is_normalised:
        normalised = model
        whole = (
            test[-1]
            if model.layer_names == ROOT
            else in_blocks(
                subject, subject.test, lambda some: normalised.log_likelihood(parameters, some)
            )
        )
    return Scores(test, anomalies, whole, model.layer_names != ROOT)


def in_blocks(
    subject: Subject, images: Tensor, function: Callable[[Tensor], Tensor]
) -> NDArray[np.float64]:
    """``function``'s values of all images, [..., n], block by block; empty of no images."""
    found = [function(block).double().cpu().numpy() for block in subject.blocks(images)]
    found = [one for one in found if one.shape[-1]]
    return np.concatenate(found, axis=-1) if found else np.empty(0)


def likelihood_rows(found: Scores) -> list[Row]:
    """The mean log likelihood of the test images, where there is one."""
    whole = found.log_likelihood
    return [] if whole is None else [mean_of_images("test_log_likelihood", whole, "nats")]


def layer_rows(found: Scores) -> list[Row]:
    """The mean score of every layer."""
    if not found.of_layers:
        return []
    return [
        mean_of_images(f"layer_{number}_loss", values, "nats")
        for number, values in enumerate(found.test[:MOST_LAYERS], 1)
    ]


def anomaly_rows(found: Scores) -> list[Row]:
    """Areas under the ROC curve: of the top layer, as the paper estimates it, and of every layer.

    What the top layer gains is over the best of the layers below it, told by the same images, which
    favours these. Errors are DeLong's; the paper's estimator has none.
    """
    if not found.anomalies.shape[-1]:
        return []
    pairs = list(zip(found.test, found.anomalies, strict=True))
    rows = [
        row("anomaly_auc", *area_under_curve(*pairs[-1]), "share", None),
        row("published_anomaly_auc", published_area(*pairs[-1]), None, "share", None),
    ]
    if not found.of_layers:
        return rows
    rows += [
        row(f"layer_{number}_anomaly_auc", *area_under_curve(*pair), "share", None)
        for number, pair in enumerate(pairs[:MOST_LAYERS], 1)
    ]
    if len(pairs) > 1:
        best = best_scores(found.test[:-1], found.anomalies[:-1])  # type: ignore[arg-type]
        gain = difference_of_areas(pairs[-1], pairs[best])
        rows.append(row("top_layer_anomaly_auc_gain", *gain, "share", None))
    return rows
