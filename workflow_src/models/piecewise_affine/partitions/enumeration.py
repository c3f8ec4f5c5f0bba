"""The partition of a network's latent space, by the method that suits its dimensions."""

from __future__ import annotations

import numpy as np

from workflow_src.models.piecewise_affine.networks import Network, signs
from workflow_src.models.piecewise_affine.partitions.cells import (
    Floats,
    Integers,
    Intervals,
    Partition,
    Polygons,
    Polyhedra,
    region_by_half_spaces,
    region_by_signs,
)
from workflow_src.models.piecewise_affine.partitions.intervals import intervals
from workflow_src.models.piecewise_affine.partitions.polygons import polygons

__all__ = ["Intervals", "Partition", "Polygons", "Polyhedra", "partition", "region_of"]


def partition(network: Network) -> Partition:
    """``Intervals`` for S = 1, ``Polygons`` for S = 2, ``Polyhedra`` for more."""
    if network.latent_dimensions == 1:
        return intervals(network)
    if network.latent_dimensions == 2:
        return polygons(network)
    # Only here is cddlib needed.
    from workflow_src.models.piecewise_affine.partitions.polyhedra import polyhedra

    return polyhedra(network)


def region_of(partition: Partition, network: Network, latents: Floats) -> Integers:
    """The region that each of ``latents [M, S]`` lies in (or on the border of): ``[M]``."""
    if isinstance(partition, Intervals):
        return np.searchsorted(partition.upper[:-1], latents[:, 0]).astype(np.int64)
    regions = region_by_signs(partition, signs(network, latents))
    # A unit that is zero throughout a region may have either sign there by rounding, and a region
    # thinner than the tolerance is part of its neighbour.
    unknown = regions < 0
    regions[unknown] = region_by_half_spaces(partition, latents[unknown])
    return regions
