"""PD-SPNs: sum-product networks over stripes of an image, split at multiples of a step.

Section V of the DCGMM paper: a Poon-Domingos structure along the horizontal dimension only, as an
Einsum network. With n stripes between neighbouring cuts, K components and P values of an image
there are

- K P numbers of leaves for every parameter of a leaf (2 for normal ones, 1 for binomial ones),
- K^3 weights for every partition of an inner stripe: of length l there are n - l + 1 with l - 1
  partitions each; and (n - 1) K^2 at the root,
- K (l - 1) weights that mix the partitions of a stripe of length l above 2, and n - 1 at the root.

With n = 4 (10 stripes), K = 40 and 28 x 28 images: 515,683 with normal leaves and 484,323 with
binomial ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.models.circuits.einsum_graphs import poon_domingos_along_the_width
from workflow_src.models.circuits.einsum_network import EinsumNetwork, einsum_family
from workflow_src.models.images import ImageFacts


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> EinsumNetwork:
    """The PD-SPN with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the step leaves nothing to split, or the variances are none.
    """
    step = hyperparameters["split_step"]
    if step >= images.width:
        raise ValueError(
            f"a split_step of {step} pixels does not split an image {images.width} pixels wide; "
            f"choose one below {images.width}"
        )
    return EinsumNetwork(
        images,
        poon_domingos_along_the_width(images.height, images.width, step),
        hyperparameters["components"],
        einsum_family(
            images, hyperparameters["minimum_variance"], hyperparameters["maximum_variance"]
        ),
    )
