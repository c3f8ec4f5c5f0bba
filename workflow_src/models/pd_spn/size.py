"""How much memory training a PD-SPN takes; without torch, for planning."""

from __future__ import annotations

from collections.abc import Mapping

_BYTES = 4  # of a number
_STATISTICS = 2  # of a pixel: those of normal leaves, of which binomial ones have half


def training_bytes(
    values: Mapping[str, int | float | str], shape: tuple[int, int], channels: int
) -> int:
    """Bytes that training one run holds at most: parameters, statistics and one batch.

    Parameters
    ----------
    values:
        Hyperparameters of model and trainer; a ``batch_size`` of 0, all images, counts as 60,000.
    shape, channels:
        Of an image.
    """
    components = int(values["components"])
    batch = int(values["batch_size"]) or 60_000
    pixels = shape[0] * shape[1] * channels
    stripes = -(-shape[1] // int(values["split_step"]))
    inner = sum((stripes - length + 1) * (length - 1) for length in range(2, stripes))
    regions = stripes * (stripes + 1) // 2
    leaves = _STATISTICS * components * pixels
    weights = inner * components**3 + (stripes - 1) * components**2
    weights += inner * components + stripes - 1
    nodes = regions * components * batch
    gathered = _STATISTICS * pixels * batch
    # Parameters before and after a step, their statistics, and copies of the best and the last
    # point; log densities of nodes and of partitions, and uses; all products of a partition.
    products = 2 * components**2 * batch
    return _BYTES * (5 * (weights + leaves) + (3 + stripes) * nodes + 2 * gathered + products)
