"""How parameters move by gradients: mixture layers within their bounds, and the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.convolutional_mixtures.mixture_layer import (
    MAXIMUM_ROOT,
    MINIMUM_ROOT,
    MixtureLayer,
)


def move_layer(
    parameters: Mapping[str, Tensor],
    layer: MixtureLayer,
    gradients: Mapping[str, Tensor],
    rates: Tensor,
    spec: Mapping[str, Any],
) -> None:
    """One step up, in place, of step sizes ``rates`` [R]; roots of precisions stay in bounds.

    Gradients are taken up: their memory is used.
    """
    factors = {
        layer.centroids: spec["centroid_rate"],
        layer.precision_roots: spec["precision_rate"],
        layer.weight_logits: spec["weight_rate"],
    }
    for name, gradient in gradients.items():
        sizes = (rates * factors[name]).view(-1, *[1] * (gradient.dim() - 1))
        parameters[name].add_(gradient.mul_(sizes))
    roots = parameters[layer.precision_roots]
    # A number that is not finite stays one, and ends its run.
    roots.clamp_(MINIMUM_ROOT, MAXIMUM_ROOT)


def move_classifier(
    parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor, rate: float
) -> Tensor:
    """One step down the mean cross-entropy, in place; the entropy before it, [R] in nats.

    Parameters
    ----------
    inputs:
        ``[R, N, F]``.
    labels:
        ``[R, N]``.
    """
    weight, bias = parameters["classifier.weight"], parameters["classifier.bias"]
    log_shares = torch.baddbmm(bias.unsqueeze(1), inputs, weight).log_softmax(dim=2)
    places = labels.unsqueeze(2)
    entropy = -log_shares.gather(2, places).squeeze(2).mean(dim=1)
    errors = log_shares.exp_()
    errors.scatter_add_(2, places, errors.new_full((), -1.0).expand(places.shape))
    weight.baddbmm_(inputs.mT, errors, alpha=-rate / inputs.shape[1])
    bias.sub_(errors.mean(dim=1), alpha=rate)
    return entropy
