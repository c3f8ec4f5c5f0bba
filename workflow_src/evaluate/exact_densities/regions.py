"""The regions of a generator cut to a window, with their affine maps, triangles and discovery.

Figures 1 and 2 of the EM-DGN paper.
"""

from __future__ import annotations

import numpy as np

from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.piecewise_affine.inference.mixture import prior_log_masses
from workflow_src.models.piecewise_affine.networks import AffineMaps, affine_maps
from workflow_src.models.piecewise_affine.partitions.cells import Integers, Intervals
from workflow_src.models.piecewise_affine.partitions.discovery import discovery_steps
from workflow_src.models.piecewise_affine.partitions.enumeration import region_of
from workflow_src.models.piecewise_affine.partitions.triangulation import (
    clipped_vertices,
    simplices,
)

WINDOW = 3.0
"""Half the side of the window: it holds 99.7 % of the prior in each latent dimension."""
_SMALLEST_AREA = 1e-12


def regions(subject: Subject) -> dict[str, Arrays]:
    """The files ``partition`` and, in the plane, ``triangulation``."""
    dimensions, partition = subject.latent_dimensions, subject.partition
    window = np.tile(np.array([-WINDOW, WINDOW]), (dimensions, 1))
    maps = affine_maps(subject.model.network, partition.signs)
    arrays: Arrays = {
        "window": window,
        "slopes": maps.slopes,
        "offsets": maps.offsets,
        "colours": colours(maps),
        "log_prior_mass": prior_log_masses(partition),
        "discovery_steps": _steps(subject),
    }
    if isinstance(partition, Intervals):
        limits = {"lower": partition.lower, "upper": partition.upper}
        cut = {name: np.clip(one, -WINDOW, WINDOW) for name, one in limits.items()}
        return {"partition": arrays | cut}
    corners = [
        clipped_vertices(partition, number, window[:, 0], window[:, 1])
        for number in range(partition.regions)
    ]
    counts = [len(one) for one in corners]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    arrays |= {"vertices": np.concatenate([np.zeros((0, 2)), *corners]), "starts": starts}
    return {"partition": arrays, "triangulation": _triangles(corners, window)}


def _steps(subject: Subject) -> Integers:
    """Steps [R] from the region of a latent vector, the first that the run draws for it."""
    network, partition = subject.model.network, subject.partition
    drawn = subject.generator("discovery").standard_normal((1, subject.latent_dimensions))
    start = int(region_of(partition, network, drawn)[0])
    return discovery_steps(partition, network, start)


def colours(maps: AffineMaps) -> Array:
    """Colours [R, 3] in [0, 1]: alike where affine maps are, by their three main directions."""
    count = len(maps.offsets)
    numbers = np.concatenate([maps.slopes.reshape(count, -1), maps.offsets], axis=1)
    centred = numbers - numbers.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    parts = (left * lengths)[:, :3]
    found = np.full((count, 3), 0.5)
    for column, values in enumerate(parts.T):
        # The sign of a main direction is arbitrary; the largest coordinate decides it.
        values = values * (np.sign(values[np.abs(values).argmax()]) or 1.0)
        spread = values.max() - values.min()
        if spread > 0:
            found[:, column] = (values - values.min()) / spread
    return found


def _triangles(corners: list[Array], window: Array) -> Arrays:
    """Triangles of every region that has an area within the window."""
    found, owners = [np.zeros((0, 3, 2))], [np.zeros(0, dtype=np.int64)]
    for number, vertices in enumerate(corners):
        if len(vertices) < 3 or _area(vertices) < _SMALLEST_AREA:
            continue
        triangles = simplices(vertices)
        found.append(triangles)
        owners.append(np.full(len(triangles), number))
    return {
        "triangles": np.concatenate(found),
        "region": np.concatenate(owners),
        "window": window,
    }


def _area(vertices: Array) -> float:
    """The area of a polygon with corners [V, 2] in order."""
    x, y = (vertices - vertices[0]).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
