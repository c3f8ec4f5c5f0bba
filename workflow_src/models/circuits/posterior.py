"""The posterior over a circuit's induced trees: which leaves explain an image.

A sum node is a latent variable that picks one of its products (section 3.1 of the SPVAE paper), so
an image is explained by one induced tree, whose weight times the densities of its leaves is its
share of the image's density.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from workflow_src.models.circuits.circuit import Circuit


def leaf_responsibilities(
    circuit: Circuit, parameters: Mapping[str, Tensor], leaf_log_densities: Tensor
) -> Tensor:
    """Probability of every leaf node to be in the induced tree of an image, ``[leaf nodes, N]``.

    Over the components of a leaf region they sum to 1, up to rounding; all are 0 where the image
    has density 0 under every tree.

    Parameters
    ----------
    circuit:
        The structure.
    parameters:
        Sum logits of one run (no run axis); other parameters are ignored.
    leaf_log_densities:
        Log densities or bounds of the leaf nodes in nats, ``[leaf nodes, N]``, float32 or float64,
        which the result is too. 0 where a leaf is unobserved, -inf where it is impossible.

    Notes
    -----
    The density is a sum over trees, each linear in the densities of its leaves; hence the
    derivative of its logarithm with respect to a leaf's log density is the share of the trees that
    hold the leaf.
    """
    banked = {
        name: value.detach().to(leaf_log_densities.dtype).unsqueeze(0)
        for name, value in parameters.items()
        if name.startswith("circuit.")
    }
    with torch.enable_grad():
        leaves = leaf_log_densities.detach().unsqueeze(0).requires_grad_()
        root = circuit.log_density(banked, leaves)
        (shares,) = torch.autograd.grad(root.sum(), leaves)
    return shares[0]
