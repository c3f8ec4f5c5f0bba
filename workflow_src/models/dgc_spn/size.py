"""How much memory training a DGC-SPN takes, told without any tensor."""

from __future__ import annotations

from collections.abc import Mapping

_BYTES = 4
_BATCH = 100
_IMAGES_AT_ONCE = 128
"""Images of a pass, however many a batch has (`model` goes through them in parts)."""


def training_bytes(
    values: Mapping[str, str | int | float | bool], shape: tuple[int, int], channels: int
) -> int:
    """Bytes of one run's parameters, statistics and activations of a batch.

    Parameters
    ----------
    values:
        ``sums`` and ``leaf_components`` of the model; ``batch_size`` of its trainer,
        0 for all images and 100 if absent.
    shape:
        Height and width of the images.
    channels:
        Of a pixel.
    """
    sums, leaves = int(values["sums"]), int(values["leaf_components"])
    batch = min(int(values.get("batch_size", _BATCH)) or _IMAGES_AT_ONCE, _IMAGES_AT_ONCE)
    heights, widths = planes(shape)
    positions = [height * width for height, width in zip(heights, widths, strict=True)]
    pixels = shape[0] * shape[1]
    weights = positions[0] * sums * leaves**4 + sum(positions[1:-1]) * sums * sums
    parameters = weights + positions[-1] * sums + 2 * pixels * leaves * channels
    # The old and new parameters, and statistics of a run and joined to those of its bank; shares
    # and values of every sum layer, two layers of logarithms, and the leaves.
    largest = max(positions[:-1])
    activations = 2 * sum(positions[:-1]) + positions[-1] + 2 * largest - positions[0]
    held = 4 * parameters + batch * (activations * sums + 4 * pixels * leaves * channels)
    return _BYTES * held


def planes(shape: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Heights and widths of the planes of products, from the leaves to the root."""
    doublings = (max(shape) - 1).bit_length()
    heights, widths = [shape[0]], [shape[1]]
    for power in range(doublings + 1):
        heights.append(heights[-1] + 2**power)
        widths.append(widths[-1] + 2**power)
    last = 2 ** (doublings + 1)
    return [*heights[1:], last], [*widths[1:], last]
