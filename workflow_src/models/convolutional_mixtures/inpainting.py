"""Mixture layers that see a part of an image: hidden inputs are integrated out, not guessed.

Under a component with a diagonal covariance inputs are independent, so that the density of the
visible ones is the product of theirs, and hidden ones drop out of the scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from workflow_src.models.convolutional_mixtures.backward import (
    LayerParameters,
    backward,
    expected_inputs,
    mixture_indices,
)
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork


def visible_log_scores(layer: LayerParameters, inputs: Tensor, hidden: Tensor) -> Tensor:
    """log w_k + log N(visible inputs; mu_k, d_k^-2) in nats, ``[R, N, h, w, K]``, float64.

    Parameters
    ----------
    inputs:
        ``[R, N, h, w, D]``; hidden ones may have any finite value.
    hidden:
        Which are not seen, ``[h, w, D]``, booleans.

    Notes
    -----
    Where a position sees nothing, all that is left are the weights.
    """
    runs, images, height, width, _ = inputs.shape
    visible = (~hidden).to(inputs.device, torch.float64)
    seen = (inputs.double() * visible).flatten(2, 3)
    visible = visible.flatten(0, 1)
    roots, centroids = layer.precision_roots.double(), layer.centroids.double()
    precisions = roots.square()
    log_weights = layer.weight_logits.double().log_softmax(dim=-1)
    pulled = precisions * centroids
    # What does not depend on images: of every position [R, h * w, K].
    constants = _over_inputs(
        visible.expand(runs, 1, -1, -1), roots.log() - 0.5 * pulled * centroids
    )[:, 0]
    constants -= 0.5 * math.log(2 * math.pi) * visible.sum(dim=1)[:, None]
    scores = _over_inputs(seen, pulled) - 0.5 * _over_inputs(seen.square(), precisions)
    scores += (constants + log_weights).unsqueeze(1)
    return scores.view(runs, images, height, width, -1)


def _over_inputs(values: Tensor, factors: Tensor) -> Tensor:
    """Sums over D of values [R, N, P', D] times factors [R, P, K, D]: [R, N, P', K]."""
    runs, images, places, _ = values.shape
    if factors.shape[1] == 1:
        found = values.reshape(runs, images * places, -1) @ factors[:, 0].mT
        return found.view(runs, images, places, -1)
    return (values.transpose(1, 2) @ factors.mT).transpose(1, 2)


def hidden_inputs(network: MixtureNetwork, hidden: Tensor) -> Tensor:
    """Which inputs of the lowest mixture layer depend on hidden pixels, ``[h, w, D]`` booleans.

    ``hidden [H, W, C]``. A folding copies, and a max-pooling does not know its result where one of
    its values is hidden.
    """
    mask = hidden.to(torch.get_default_dtype())[None, None]
    return below_lowest(network, mask)[0, 0] > 0


def activities_from_visible(
    network: MixtureNetwork, parameters: Mapping[str, Tensor], images: Tensor, hidden: Tensor
) -> list[Tensor]:
    """Activities after each block, from the lowest mixture layer on, where pixels are hidden.

    Above the lowest mixture layer all is as usual.

    Parameters
    ----------
    images:
        ``[R, N, H, W, C]``; what stands in hidden pixels changes nothing.
    hidden:
        ``[H, W, C]``, booleans.
    """
    lowest = mixture_indices(network.blocks)[0]
    seen = images.masked_fill(hidden.to(images.device), 0.0)
    inputs = below_lowest(network, seen)
    scores = visible_log_scores(
        LayerParameters.of(parameters, 1), inputs, hidden_inputs(network, hidden)
    )
    responsibilities = scores.softmax(dim=-1).to(images.dtype)
    above = network.forward(parameters, responsibilities, start=lowest + 1)
    return [responsibilities, *above]


def below_lowest(network: MixtureNetwork, images: Tensor) -> Tensor:
    """Inputs of the lowest mixture layer, ``[R, N, h, w, D]``, for images ``[R, N, H, W, C]``."""
    lowest = mixture_indices(network.blocks)[0]
    return network.forward({}, images, stop=lowest)[-1] if lowest else images


def conditional_log_density(
    network: MixtureNetwork, parameters: Mapping[str, Tensor], images: Tensor, hidden: Tensor
) -> Tensor:
    """log p(hidden | visible) in nats, ``[R, N]``, float64: the joint's less the visible's.

    Only of a network whose one mixture layer sees every pixel once; ``images [R, N, H, W, C]``,
    ``hidden [H, W, C]``.
    """
    layer, inputs = LayerParameters.of(parameters, 1), below_lowest(network, images)
    mask = hidden_inputs(network, hidden)
    joint, visible = (
        visible_log_scores(layer, inputs, one).logsumexp(dim=-1)[:, :, 0, 0]
        for one in (torch.zeros_like(mask), mask)
    )
    return joint - visible


def expected_images(
    network: MixtureNetwork, parameters: Mapping[str, Tensor], control: Tensor
) -> Tensor:
    """Images ``[R, N, H, W, C]`` by expected centroids, from the top layer's control signal.

    Every layer's inputs are taken to be what the layer expects of what the one above expects.
    """

    def draw(number: int, signal: Tensor) -> Tensor:
        return expected_inputs(LayerParameters.of(parameters, number), signal)

    return backward(network.blocks, network.shapes, control, len(network.blocks) - 1, draw)
