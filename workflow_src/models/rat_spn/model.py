"""RAT-SPNs: sum-product networks over random binary trees of pixels.

Peharz et al., "Random sum-product networks" (UAI 2019), as Einsum networks have them; section V of
the DCGMM paper. With R repetitions of depth D, K components and P values of an image there are

- K R P numbers of leaves for every parameter of a leaf (2 for normal ones, 1 for binomial ones),
- R (2^D - 2) K^3 weights of the inner regions and R K^2 of the root,
- R weights that mix the repetitions at the root, if there are several.

Binomial leaves on 28 x 28 images: 219,410 with K = 10, D = 4, R = 10, and 2,560,810 with K = 20, D
= 5, R = 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.models.circuits.einsum_graphs import random_binary_trees
from workflow_src.models.circuits.einsum_network import EinsumNetwork, einsum_family
from workflow_src.models.images import ImageFacts


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> EinsumNetwork:
    """The RAT-SPN with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the image has too few pixels for the depth, or the variances are none.
    """
    return EinsumNetwork(
        images,
        random_binary_trees(
            images.height * images.width,
            hyperparameters["split_depth"],
            hyperparameters["repetitions"],
            hyperparameters["structure_seed"],
        ),
        hyperparameters["components"],
        einsum_family(
            images, hyperparameters["minimum_variance"], hyperparameters["maximum_variance"]
        ),
    )
