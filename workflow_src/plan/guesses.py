"""How long a run takes where nothing was measured: guesses, said to be guesses wherever shown.

The step times are those of one CPU core (docs/speed.md; `benchmarks/scaling.py` times every cell):
batch 128, 5 importance samples, 28 x 28 pixels. The number of steps is about the mean of the full
trainings in docs/results, which early stopping ended after 13,700 to 20,500.

A guess is taken per run, as if banks gained nothing. On a GPU a bank should train many runs in
little more time than one, so there guesses, and hours that are added up from them, are upper ones
until a GPU has been measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.plan.specs import RunSpec, Scalar

STEPS = 16_000
GPU_STEP_SECONDS = 0.02
"""Whatever the sizes: starting kernels, not arithmetic, bounds small networks on a GPU. No GPU has
been measured yet."""

_CORE_STEP_MILLISECONDS: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "spvae": (11.5, {"hidden_units": 0.6, "latent_dimensions": 0.27}),
    "vae": (5.0, {"hidden_units": 0.115, "latent_dimensions": 0.03}),
}
"""By model: a constant, and what one unit of each hyperparameter adds. Every cell of the paper's
grid takes between 0.6 and 1.6 times as long."""

_OTHER_MODELS_MILLISECONDS = 40.0
_PIXELS = 28 * 28


def guessed_seconds(spec: RunSpec, *, on_gpu: bool) -> float:
    """Seconds of one run from its first step until it stops."""
    values = dict(spec.hyperparameters)
    steps = min(_number(values, "maximum_steps", STEPS), STEPS)
    return steps * (GPU_STEP_SECONDS if on_gpu else _core_step_seconds(spec, values))


def _core_step_seconds(spec: RunSpec, values: Mapping[str, Scalar]) -> float:
    constant, slopes = _CORE_STEP_MILLISECONDS.get(spec.model, (_OTHER_MODELS_MILLISECONDS, {}))
    milliseconds = constant + sum(
        slope * _number(values, name, 0) for name, slope in slopes.items()
    )
    known = DATA_SETS.get(spec.data_set)
    # Measured: 1.31 times the pixels take 1.12 times as long.
    return milliseconds / 1000 * (math.sqrt(math.prod(known.shape) / _PIXELS) if known else 1.0)


def _number(values: Mapping[str, Scalar], name: str, default: float) -> float:
    value = values.get(name, default)
    return float(value) if isinstance(value, int | float) else default
