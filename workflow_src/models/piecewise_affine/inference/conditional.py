"""Some values of a point given the others: density, mean and samples (imputation).

Exact up to three latent dimensions. From four on densities and means are estimates, whose errors
the functions `..._with_errors` tell, and draws choose their regions by estimated probabilities.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    e_step,
    expected_outputs,
    log_likelihoods_with_errors,
)
from workflow_src.models.piecewise_affine.inference.posterior import sample_posteriors
from workflow_src.models.piecewise_affine.inference.replicates import replicated
from workflow_src.models.piecewise_affine.inference.truncated import USUAL_DRAWS, Draws, is_exact
from workflow_src.models.piecewise_affine.networks import affine_maps, outputs, with_layer
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]


def marginal(model: DeepGenerativeNetwork, kept: Mask) -> DeepGenerativeNetwork:
    """The model of the values ``kept`` [D] alone; its partition is that of the whole model."""
    rows = np.flatnonzero(kept)
    if not len(rows) or len(kept) != model.network.outputs:
        raise ValueError(f"keeps {len(rows)} of {len(kept)} values, of {model.network.outputs}")
    last = model.network.layers
    network = with_layer(
        model.network, last, model.network.weights[-1][rows], model.network.biases[-1][rows]
    )
    return DeepGenerativeNetwork(network, model.noise.part(rows))


def imputed(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """Points ``[N, D]`` whose values ``missing`` [D] are replaced by E[x_missing | x_observed].

    What stands at missing values is not read. One mask for all points; at least one value is
    observed. With full noise the missing values also follow the observed ones' noise:
    E[g_m + S_mo S_oo^-1 (x_o - g_o) | x_o]. From S = 4 on it is an estimate, whose error
    `imputed_with_errors` tells.
    """
    return imputed_with_errors(model, partition, points, missing, memory_bytes)[0]


def imputed_with_errors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    memory_bytes: int = MEMORY_BYTES,
) -> tuple[Array, Array]:
    """As `imputed`, and the standard errors ``[N, D]``: 0 where exact and for observed values."""
    filled = np.array(points, dtype=np.float64)
    errors = np.zeros_like(filled)
    observed, part = filled[:, ~missing], marginal(model, ~missing)
    maps = affine_maps(model.network, partition.signs)
    regression = _regression(model.noise, missing)

    def expected(draws: Draws) -> list[Array]:
        parts = []
        for rows, posterior in e_step(part, partition, observed, memory_bytes, draws=draws):
            outputs_expected = expected_outputs(maps, posterior)
            residual = observed[rows] - outputs_expected[:, ~missing]
            parts.append(outputs_expected[:, missing] + residual @ regression.T)
        return [np.concatenate(parts)]

    if is_exact(partition):
        [filled[:, missing]] = expected(USUAL_DRAWS)
    else:
        [filled[:, missing]], [errors[:, missing]] = replicated(expected)
    return filled, errors


def conditional_log_likelihoods(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """log p(x_missing | x_observed) in nats, ``[N]``: exact for S <= 3.

    An estimate from S = 4 on, whose error `conditional_log_likelihoods_with_errors` tells.
    """
    return conditional_log_likelihoods_with_errors(model, partition, points, missing, memory_bytes)[
        0
    ]


def conditional_log_likelihoods_with_errors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    memory_bytes: int = MEMORY_BYTES,
) -> tuple[Array, Array]:
    """Conditional log likelihoods and their standard errors, ``[N]`` each; 0 where exact.

    The two estimates start from the same random numbers; the error told is that of independent
    ones.
    """
    values = np.asarray(points, dtype=np.float64)
    whole, error = log_likelihoods_with_errors(model, partition, values, memory_bytes)
    part, part_error = log_likelihoods_with_errors(
        marginal(model, ~missing), partition, values[:, ~missing], memory_bytes
    )
    return whole - part, np.hypot(error, part_error)


def sample_missing(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    draws: int,
    generator: np.random.Generator,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """Independent draws of whole points, observed values as they are, ``[N, draws, D]``.

    Draws z given what is observed, then the missing values given both. Beside the result, the work
    is in chunks of points that fit ``memory_bytes``.
    """
    values = np.asarray(points, dtype=np.float64)
    drawn = np.repeat(values[:, None, :], draws, axis=1)
    regression = _regression(model.noise, missing)
    noise = _conditional_noise(model.noise, missing, regression)
    part, network = marginal(model, ~missing), model.network
    widest = max(len(biases) for biases in network.biases)
    step = max(1, memory_bytes // (8 * (3 * widest + 4 * network.outputs) * max(1, draws)))
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        observed = values[rows][:, ~missing]
        latents = sample_posteriors(part, partition, observed, draws, generator, memory_bytes)
        flat = latents.reshape(len(observed) * draws, -1)
        noiseless = outputs(network, flat).reshape(len(observed), draws, -1)
        residual = observed[:, None, :] - noiseless[:, :, ~missing]
        mean = noiseless[:, :, missing] + residual @ regression.T
        drawn[rows, :, missing] = mean + noise.colour(generator.standard_normal(mean.shape))
    return drawn


def _regression(noise: NoiseCovariance, missing: Mask) -> Array:
    """S_mo S_oo^-1, ``[missing, observed]``: how missing noise follows observed noise."""
    if noise.kind != "full":
        return np.zeros((int(missing.sum()), int((~missing).sum())))
    observed = noise.part(np.flatnonzero(~missing))
    return observed.solve(noise.values[np.ix_(missing, ~missing)])


def _conditional_noise(noise: NoiseCovariance, missing: Mask, regression: Array) -> NoiseCovariance:
    """The covariance S_mm - S_mo S_oo^-1 S_om of missing noise given observed noise."""
    part = noise.part(np.flatnonzero(missing))
    if noise.kind != "full":
        return part
    rest = part.values - regression @ noise.values[np.ix_(~missing, missing)]
    return NoiseCovariance.full((rest + rest.T) / 2)
