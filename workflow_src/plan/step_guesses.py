"""Milliseconds of a training step of mixture networks, circuits, classifiers: guesses by size.

Of one core and a batch of 100 where nothing else is said, fitted to what closed-form steps took on
28 x 28 pixels (docs/speed.md): within a factor of two of each. The models are told apart by name;
`workflow_src.plan.guesses` turns steps into seconds of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from workflow_src.config.data_sets import DataSet
from workflow_src.layouts import Mixture, Shape, parse, shapes
from workflow_src.plan.specs import Scalar

_BATCH = 100.0

_MIXTURE_MILLISECONDS = 0.22
"""For a million of components times inputs times positions times images: four matrix products."""

_COPY_MILLISECONDS = 2.0
"""For a million of numbers that a layer gives."""

_LEAF_MILLISECONDS, _SUM_MILLISECONDS = 0.7, 0.42
"""For a million of leaves' or sums' weights times images, with the statistics of the step."""

_REPETITION_MILLISECONDS = 1.0
"""What each repetition of a random structure takes whatever its size."""

_CONVOLUTIONAL_SUM_MILLISECONDS = 85.0
"""For each of the sums at a position of 28 x 28 pixels."""

_CONVOLUTION_MILLISECONDS = 0.117
"""For a million of multiplications forwards, with those backwards."""

_AUTOENCODER_MILLISECONDS = 146.0
"""For each image of 32 x 32 pixels through the encoder and decoder of Table VIII."""

Guess = Callable[[Mapping[str, Scalar], DataSet], float]


def step_milliseconds(model: str, values: Mapping[str, Scalar], facts: DataSet) -> float | None:
    """Of one step on one core; None of a model that this module does not know."""
    guess = _GUESSES.get(model)
    return None if guess is None else guess(values, facts)


def _mixture_network(values: Mapping[str, Scalar], facts: DataSet) -> float:
    blocks = parse(str(values["layout"]))
    sizes = shapes(blocks, Shape(*facts.shape, facts.channels))
    products = sum(
        before.positions * before.channels * block.components
        for block, before in zip(blocks, sizes, strict=False)
        if isinstance(block, Mixture)
    )
    # A folding copies what it gives, and every operation takes a while to start.
    copied = sum(size.positions * size.channels for size in sizes)
    millions = _images(values, facts) / 1e6
    return 0.1 * len(blocks) + millions * (
        _MIXTURE_MILLISECONDS * products + _COPY_MILLISECONDS * copied
    )


def _random_circuit(values: Mapping[str, Scalar], facts: DataSet) -> float:
    components = _number(values, "components", 10)
    repetitions = _number(values, "repetitions", 1)
    depth = _number(values, "split_depth", 1)
    leaves = repetitions * components * _values_of_an_image(facts)
    sums = repetitions * (components**2 + (2**depth - 2) * components**3)
    return _REPETITION_MILLISECONDS * repetitions + _circuit(values, facts, leaves, sums)


def _striped_circuit(values: Mapping[str, Scalar], facts: DataSet) -> float:
    """Of regions that are intervals of stripes, cut anywhere between two of them."""
    components = _number(values, "components", 10)
    stripes = math.ceil(facts.shape[1] / _number(values, "split_step", facts.superpixel or 1))
    # Each of the intervals of n stripes is cut in n - 1 places; the whole image has one sum.
    cuts = sum((stripes - n + 1) * (n - 1) for n in range(2, stripes))
    sums = cuts * components**3 + (stripes - 1) * components**2
    return _circuit(values, facts, components * _values_of_an_image(facts), sums)


def _circuit(values: Mapping[str, Scalar], facts: DataSet, leaves: float, sums: float) -> float:
    millions = _images(values, facts) / 1e6
    return 1.0 + millions * (_LEAF_MILLISECONDS * leaves + _SUM_MILLISECONDS * sums)


def _convolutional_circuit(values: Mapping[str, Scalar], facts: DataSet) -> float:
    images = _images(values, facts) / _BATCH
    of_pixels = _values_of_an_image(facts) / 28**2
    return _CONVOLUTIONAL_SUM_MILLISECONDS * _number(values, "sums", 16) * images * of_pixels


def _classifier(values: Mapping[str, Scalar], facts: DataSet) -> float:
    """Of Table VII: two convolutions of the whole image, one of a quarter and of a sixteenth."""
    filters, pixels = _number(values, "filters", 64), math.prod(facts.shape)
    inner = 9 * filters**2 * pixels * (1 + 1 / 4 + 1 / 16)
    outer = 9 * filters * pixels * facts.channels + 3 * _number(values, "dense_units", 350) ** 2
    millions = _images(values, facts) / 1e6
    return 3.0 + millions * _CONVOLUTION_MILLISECONDS * (inner + outer)


def _autoencoder(values: Mapping[str, Scalar], facts: DataSet) -> float:
    of_pixels = math.prod(facts.shape) / 32**2
    return _AUTOENCODER_MILLISECONDS * _images(values, facts) * of_pixels


def _images(values: Mapping[str, Scalar], facts: DataSet) -> float:
    """Of a batch; 0 stands for all there are."""
    return _number(values, "batch_size", _BATCH) or facts.sizes.train


def _values_of_an_image(facts: DataSet) -> int:
    return math.prod(facts.shape) * facts.channels


def _number(values: Mapping[str, Scalar], name: str, default: float) -> float:
    value = values.get(name, default)
    return float(value) if isinstance(value, int | float) else default


_GUESSES: Mapping[str, Guess] = {
    "dcgmm": _mixture_network,
    "rat_spn": _random_circuit,
    "pd_spn": _striped_circuit,
    "dgc_spn": _convolutional_circuit,
    "convolutional_classifier": _classifier,
    "deep_conv_vae": _autoencoder,
}
