"""How much memory training a DCGMM takes; plain numbers, no tensors."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_src.layouts import Mixture, Shape, parameter_count, parse, shapes

_BYTES = 4
"""Of a number in single precision."""

_COPIES = 4
"""Of the parameters: themselves, their gradients, and two factors of matrix products."""


def training_bytes(
    values: Mapping[str, int | float | str], shape: tuple[int, int], channels: int
) -> int:
    """Bytes that training one run takes: its parameters, and what it holds of one batch.

    Of a folding or pooling that is what it gives; of a mixture layer the squares of its inputs,
    and of its components scores, responsibilities, smoothed scores and their gradients.

    Parameters
    ----------
    values:
        Of the hyperparameters; ``layout`` in canonical notation, and ``batch_size``.
    shape:
        Height and width of the images in pixels.

    Raises
    ------
    LayoutError
        If the layout does not suit the images.
    """
    blocks = parse(str(values["layout"]))
    images = Shape(*shape, channels)
    sizes = shapes(blocks, images)
    image = sizes[0].positions * channels
    for block, before, after in zip(blocks, sizes, sizes[1:], strict=False):
        held = after.positions * after.channels
        if isinstance(block, Mixture):
            held = 4 * held + before.positions * before.channels
        image += held
    numbers = _COPIES * parameter_count(blocks, images) + int(values["batch_size"]) * image
    return _BYTES * numbers
