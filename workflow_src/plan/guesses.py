"""How long a run takes where nothing was measured: guesses, said to be guesses wherever shown.

The step times are those of one CPU core (docs/speed.md; `benchmarks/scaling.py` times every cell):
batch 128, 5 importance samples, 28 x 28 pixels. The number of steps is about the mean of the full
trainings in docs/results, which early stopping ended after 13,700 to 20,500; models with latent
variables do all steps that a study gives them, in batches of a size that it says.

A guess is taken per run, as if banks gained nothing. On a GPU a bank should train many runs in
little more time than one, so there guesses, and hours that are added up from them, are upper ones
until a GPU has been measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from workflow_src.config.data_sets import DATA_SETS, data_set
from workflow_src.plan.specs import RunSpec, Scalar
from workflow_src.plan.step_guesses import step_milliseconds

STEPS = 16_000
_ALL_STEPS = frozenset({"discrete_vae", "dvaepp"})
"""Models that no rule stops early."""

_IN_EPOCHS = frozenset({"deep_generative_network"})
"""Models whose trainings are passes over their points."""

_VALIDATION_SHARE = 1 / 3
"""What an image of the validation set takes, of what one takes in a step."""

GPU_STEP_SECONDS = 0.02
"""Whatever the sizes: starting kernels, not arithmetic, bounds small networks on a GPU. No GPU has
been measured yet."""


@dataclass(frozen=True)
class _CoreStep:
    """Milliseconds of a step on one core.

    Attributes
    ----------
    constant, hidden_units, latent_dimensions:
        What every step takes, what each unit of two hidden layers adds, and each dimension.
    pixels:
        Power of the number of pixels that the time goes by.
    """

    constant: float
    hidden_units: float
    latent_dimensions: float
    pixels: float = 0.5


_CORE_STEPS: Mapping[str, _CoreStep] = {
    "spvae": _CoreStep(11.5, 0.6, 0.27),
    "vae": _CoreStep(5.0, 0.115, 0.03),
    "conv_spvae": _CoreStep(187.0, 0.05, 0.7, pixels=1.0),
    "conv_vae": _CoreStep(135.0, 0.03, 0.14, pixels=1.0),
}
"""By model. Every cell of the paper's grid takes between 0.6 and 1.6 times as long."""

_OTHER_MODELS = _CoreStep(40.0, 0.0, 0.0)
_PIXELS = 28 * 28

_VARIATIONAL_SECONDS = 0.001
"""An update of a small variational autoencoder."""

_EXPECTATIONS_OF_A_DIVERGENCE = 2.2
"""What an encoder's exact divergence takes at a point, in expectation steps at it."""

_SECONDS_PER_MILLION_INTEGRALS: Mapping[int, float] = {1: 1.0, 2: 5.0, 3: 2000.0}
"""Of a truncated Gaussian for each point and region, by latent dimensions."""

_SECONDS_OF_MANY_DIMENSIONS = 6000.0

_MILLISECONDS_PER_MILLION_PRODUCTS = 0.23
"""Of dense layers: weights times images, forwards, backwards and in the optimizer."""

_MILLISECONDS_PER_MILLION_DRAWS = 10.0
"""Of Gibbs sweeps: units times chains times sweeps, of machines of 100 to 200 units a side."""

_RESIDUAL_MILLISECONDS: Mapping[str, tuple[float, float]] = {
    "digits": (480.0, 0.3),
    "mnist": (700.0, 12.0),
    "omniglot": (700.0, 12.0),
    "caltech101": (700.0, 25.0),
    "cifar10": (1500.0, 100.0),
}
"""By architecture: what every step takes with 16 local groups, and each image of the batch. What it
takes goes by the number of groups."""


def guessed_seconds(spec: RunSpec, *, on_gpu: bool) -> float:
    """Seconds of one run from its first step until it stops."""
    values = dict(spec.hyperparameters)
    if spec.model in _IN_EPOCHS:
        return _epochs_seconds(spec, values)
    if "maximum_epochs" in values:
        return _seconds_of_all_epochs(spec, values, on_gpu=on_gpu)
    steps = _number(values, "maximum_steps", STEPS)
    if spec.model not in _ALL_STEPS:
        steps = min(steps, STEPS)
    return steps * (GPU_STEP_SECONDS if on_gpu else _core_step_seconds(spec, values))


def _seconds_of_all_epochs(spec: RunSpec, values: Mapping[str, Scalar], *, on_gpu: bool) -> float:
    """Of a run that makes all its epochs, each of as many batches as hold all images."""
    sizes = data_set(spec.data_set).sizes
    images = sizes.train * spec.fraction
    batch = _number(values, "batch_size", 100) or images
    epochs = _number(values, "maximum_epochs", 0)
    validations = _number(values, "validations", 0) or epochs / _number(
        values, "validation_interval", 1
    )
    updates = epochs * math.ceil(images / batch)
    steps = updates + _VALIDATION_SHARE * validations * sizes.validation / batch
    return steps * (GPU_STEP_SECONDS if on_gpu else _core_step_seconds(spec, values))


def _epochs_seconds(spec: RunSpec, values: Mapping[str, Scalar]) -> float:
    """Of a run in epochs, each with a validation; on a GPU alike, where little of it is done."""
    known = DATA_SETS.get(spec.data_set)
    points = known.sizes.train * spec.fraction if known else 1000.0
    batch = min(_number(values, "batch_size", 0) or points, points)
    expectation = _expectation_seconds(values, points)
    epochs = _number(values, "maximum_epochs", 0)
    validation = 2 * expectation
    if values.get("method") == "variational":
        followed = min(_number(values, "divergence_points", 0) or points, points)
        validation += _EXPECTATIONS_OF_A_DIVERGENCE * _expectation_seconds(values, followed)
    validations = validation * (1 + epochs / _number(values, "validation_interval", 1))
    updates = epochs * math.ceil(points / batch)
    if values.get("method") == "variational":
        return validations + updates * _VARIATIONAL_SECONDS
    one = _expectation_seconds(values, batch)
    if values.get("method") == "exact_gradient":
        return validations + updates * one
    # A block for each layer and the noise, and steps that are halved.
    return validations + updates * one * 2 * (_number(values, "hidden_layers", 1) + 2)


def _expectation_seconds(values: Mapping[str, Scalar], points: float) -> float:
    """Of an expectation step over so many points."""
    layers = _number(values, "hidden_layers", 1)
    units = layers * _number(values, "hidden_units", 8)
    dimensions = int(_number(values, "latent_dimensions", 1))
    # Lines cut a plane in up to so many parts; deeper layers fold, and cut a little oftener.
    regions = sum(math.comb(int(units), k) for k in range(dimensions + 1))
    seconds = _SECONDS_PER_MILLION_INTEGRALS.get(dimensions, _SECONDS_OF_MANY_DIMENSIONS)
    return 0.001 + points * regions / 1e6 * seconds


def _core_step_seconds(spec: RunSpec, values: Mapping[str, Scalar]) -> float:
    known = DATA_SETS.get(spec.data_set)
    guess = step_milliseconds(spec.model, values, known) if known else None
    if guess is not None:
        return guess / 1000
    if spec.model == "discrete_vae":
        return (_dense_milliseconds(spec, values) + _gibbs_milliseconds(values)) / 1000
    if spec.model == "dvaepp":
        architecture = str(values.get("architecture", "mnist"))
        constant, of_image = _RESIDUAL_MILLISECONDS.get(architecture, (700.0, 12.0))
        groups = _number(values, "local_groups", 16) / 16
        milliseconds = constant * groups + of_image * _number(values, "batch_size", 100)
        return (milliseconds + _gibbs_milliseconds(values)) / 1000
    return _leaves_seconds(spec, values)


def _leaves_seconds(spec: RunSpec, values: Mapping[str, Scalar]) -> float:
    step = _CORE_STEPS.get(spec.model, _OTHER_MODELS)
    # A third hidden layer is as large as the second; a first alone is small.
    layers = max(_number(values, "hidden_layers", 2) - 1, 0.5)
    milliseconds = (
        step.constant
        + step.hidden_units * layers * _number(values, "hidden_units", 0)
        + step.latent_dimensions * _number(values, "latent_dimensions", 0)
    )
    known = DATA_SETS.get(spec.data_set)
    size = (math.prod(known.shape) / _PIXELS) ** step.pixels if known else 1.0
    return milliseconds / 1000 * size


def _dense_milliseconds(spec: RunSpec, values: Mapping[str, Scalar]) -> float:
    """Of a step of encoder, decoder and optimizer."""
    known = DATA_SETS.get(spec.data_set)
    pixels = math.prod(known.shape) if known else _PIXELS
    units, hidden = _number(values, "latent_units", 200), _number(values, "hidden_units", 200)
    layers = _number(values, "hidden_layers", 2)
    deep = values.get("network") == "nonlinear"
    network = pixels * hidden + (layers - 1) * hidden**2 + hidden * units
    weights = 2 * (network if deep else pixels * units)
    weights *= _number(values, "latent_layers", 1)
    products = weights * _number(values, "batch_size", 100)
    # What starting each operation takes.
    return 3.0 + products / 1e6 * _MILLISECONDS_PER_MILLION_PRODUCTS


def _gibbs_milliseconds(values: Mapping[str, Scalar]) -> float:
    """Of the persistent chains of a Boltzmann machine in one step; 0 where there is none."""
    if "boltzmann_machine" not in (values.get("prior"), values.get("global_latents")):
        return 0.0
    layers = _number(values, "latent_layers", 1)
    units = _number(values, "global_units", _number(values, "latent_units", 200) * layers)
    draws = units * _number(values, "chains", 1000) * _number(values, "gibbs_sweeps", 40)
    return draws / 1e6 * _MILLISECONDS_PER_MILLION_DRAWS


def _number(values: Mapping[str, Scalar], name: str, default: float) -> float:
    value = values.get(name, default)
    return float(value) if isinstance(value, int | float) else default
