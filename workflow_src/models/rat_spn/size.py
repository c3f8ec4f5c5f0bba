"""How much memory training a RAT-SPN takes; without torch, for planning."""

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
    components, repetitions = int(values["components"]), int(values["repetitions"])
    halves: int = 2 ** int(values["split_depth"])
    batch = int(values["batch_size"]) or 60_000
    pixels = shape[0] * shape[1] * channels
    leaves = _STATISTICS * components * repetitions * pixels
    weights = repetitions * ((halves - 2) * components**3 + components**2 + 1)
    nodes = repetitions * (2 * halves - 2) * components * batch
    gathered = _STATISTICS * repetitions * pixels * batch
    # Parameters before and after a step, their statistics, and copies of the best and the last
    # point; log densities of nodes and of partitions, and uses.
    return _BYTES * (5 * (weights + leaves) + 3 * nodes + 2 * gathered)
