"""Some values of a point given the others, exactly: density, mean and samples (imputation)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    e_step,
    expected_outputs,
    log_likelihoods,
)
from workflow_src.models.piecewise_affine.networks import affine_maps, outputs, with_layer
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions import Partition
from workflow_src.models.piecewise_affine.posterior import sample_posteriors

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
    E[g_m + S_mo S_oo^-1 (x_o - g_o) | x_o].
    """
    filled = np.array(points, dtype=np.float64)
    observed = filled[:, ~missing]
    maps = affine_maps(model.network, partition.signs)
    expected = np.empty_like(filled)
    for rows, posterior in e_step(marginal(model, ~missing), partition, observed, memory_bytes):
        expected[rows] = expected_outputs(maps, posterior)
    residual = observed - expected[:, ~missing]
    filled[:, missing] = expected[:, missing] + residual @ _regression(model.noise, missing).T
    return filled


def conditional_log_likelihoods(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """log p(x_missing | x_observed) in nats, ``[N]``."""
    values = np.asarray(points, dtype=np.float64)
    part = marginal(model, ~missing)
    observed = log_likelihoods(part, partition, values[:, ~missing], memory_bytes)
    return np.asarray(log_likelihoods(model, partition, values, memory_bytes) - observed)


def sample_missing(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    missing: Mask,
    draws: int,
    generator: np.random.Generator,
) -> Array:
    """Exact draws of whole points, observed values as they are, ``[N, draws, D]``.

    Draws z given what is observed, then the missing values given both.
    """
    values = np.asarray(points, dtype=np.float64)
    observed = values[:, ~missing]
    latents = sample_posteriors(
        marginal(model, ~missing), partition, observed, draws, generator
    ).reshape(len(values) * draws, -1)
    noiseless = outputs(model.network, latents).reshape(len(values), draws, -1)
    regression = _regression(model.noise, missing)
    mean = noiseless[:, :, missing] + (
        (observed[:, None, :] - noiseless[:, :, ~missing]) @ regression.T
    )
    noise = _conditional_noise(model.noise, missing, regression)
    drawn = np.repeat(values[:, None, :], draws, axis=1)
    drawn[:, :, missing] = mean + noise.colour(generator.standard_normal(mean.shape))
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
