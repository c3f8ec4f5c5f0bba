"""The weights and biases of a layer that maximise the expected complete log likelihood.

Equations (22) to (24) of "Analytical Probability Distributions and EM-Learning for Deep Generative
Networks", corrected. On region w the output is B (W h + v) + t with h the layer's input, so that Q
is a concave quadratic in W and v with, row by row of [W v],

    curvature  sum_w (B' Sx^-1 B) (x) E[(h, 1)(h, 1)' 1(z in w)],
    gradient   sum_w  B' Sx^-1 E[(x - g(z)) (h, 1)' 1(z in w)],

both summed over the points. The maximiser is the present value plus the change that the two imply:
where the system is singular, the least change (see `quadratics`), so that a dead unit stays as it
is. Shapes: H_l units in the layer, K columns of [W v] that move, S latent dimensions, D values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    ExpectedStatistics,
)
from workflow_src.models.piecewise_affine.maximisation.gradients import (
    around_layer,
    pulled_residuals,
)
from workflow_src.models.piecewise_affine.maximisation.objective import (
    latent_moments,
    residual_moments,
)
from workflow_src.models.piecewise_affine.maximisation.quadratics import (
    RELATIVE_CUT,
    best_values,
    least_change,
)
from workflow_src.models.piecewise_affine.maximisation.weight_priors import NO_PRIOR, WeightPrior
from workflow_src.models.piecewise_affine.networks import Network, with_layer
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]
Part = Literal["weights", "biases", "layer"]

LARGEST_SYSTEM = 8192
"""Unknowns of one dense system; its matrix then takes half a gigabyte."""


def best_weights(
    model: DeepGenerativeNetwork,
    partition: Partition,
    statistics: ExpectedStatistics,
    layer: int,
    prior: WeightPrior = NO_PRIOR,
) -> Network:
    """The network with the best weights of ``layer`` (1 to L), its biases as they are."""
    return best_part(model, partition, statistics, layer, "weights", prior)


def best_biases(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics, layer: int
) -> Network:
    """The network with the best biases of ``layer`` (1 to L), its weights as they are."""
    return best_part(model, partition, statistics, layer, "biases")


def best_last_layer(
    model: DeepGenerativeNetwork,
    partition: Partition,
    statistics: ExpectedStatistics,
    prior: WeightPrior = NO_PRIOR,
) -> Network:
    """The network with the jointly best weights and biases of its last layer."""
    return best_part(model, partition, statistics, model.network.layers, "layer", prior)


def best_part(
    model: DeepGenerativeNetwork,
    partition: Partition,
    statistics: ExpectedStatistics,
    layer: int,
    part: Part,
    prior: WeightPrior = NO_PRIOR,
    relative_cut: float = RELATIVE_CUT,
) -> Network:
    """The network with the best weights, biases or (jointly) both of one layer.

    ``ValueError`` where the system has more than `LARGEST_SYSTEM` unknowns. Under a uniform prior
    the weights must lie inside (`within_prior`). ``relative_cut``: see `quadratics.best_values`;
    it is without effect under a laplace or uniform prior. `UnsolvedError` as there.
    """
    network = model.network
    values = np.column_stack([network.weights[layer - 1], network.biases[layer - 1]])
    columns = _columns(part)
    inputs, back = around_layer(model, partition, layer)
    inputs = inputs[:, columns]
    penalised = np.arange(values.shape[1])[columns] < values.shape[1] - 1
    unknowns = _Unknowns(values[:, columns], penalised, prior, relative_cut)
    if back is None:
        values[:, columns] = _best_last(model, partition, statistics, inputs, unknowns)
    else:
        values[:, columns] = _best_hidden(model, partition, statistics, inputs, back, unknowns)
    return with_layer(network, layer, values[:, :-1], values[:, -1])


@dataclass(frozen=True, eq=False)
class _Unknowns:
    """The moving columns ``[H_l, K]``, and which of the columns (``[K]``) have which prior."""

    values: Array
    penalised: NDArray[np.bool_]
    prior: WeightPrior
    relative_cut: float

    @property
    def rows_apart(self) -> bool:
        """Whether the prior is none or Gaussian: the same after any rotation of the rows."""
        return self.prior.kind in ("none", "gaussian") or not self.penalised.any()


def _best_hidden(
    model: DeepGenerativeNetwork,
    partition: Partition,
    statistics: ExpectedStatistics,
    inputs: Array,
    back: Array,
    unknowns: _Unknowns,
) -> Array:
    """One dense system of H_l K unknowns; ``inputs [R, K, S + 1]``, ``back [R, D, H_l]``."""
    _check_size(unknowns.values.size)
    whitened = model.noise.whiten(np.swapaxes(back, 1, 2))
    units = whitened @ np.swapaxes(whitened, 1, 2)
    moments = inputs @ latent_moments(statistics) @ np.swapaxes(inputs, 1, 2)
    regions, height, width = len(units), units.shape[1], moments.shape[1]
    curvature = units.reshape(regions, -1).T @ moments.reshape(regions, -1)
    curvature = curvature.reshape(height, height, width, width).transpose(0, 2, 1, 3)
    pulls = np.swapaxes(back, 1, 2) @ pulled_residuals(model, partition, statistics)
    gradient = np.einsum("rhs,rks->hk", pulls, inputs, optimize=True)
    return _best_together(gradient, curvature.reshape(height * width, -1), unknowns)


def _best_last(
    model: DeepGenerativeNetwork,
    partition: Partition,
    statistics: ExpectedStatistics,
    inputs: Array,
    unknowns: _Unknowns,
) -> Array:
    """D systems of K unknowns: the curvature is Sx^-1 (x) V with one V for all regions."""
    residuals = residual_moments(model, partition, statistics)
    gradient = np.einsum("rds,rks->dk", residuals, inputs, optimize=True)
    moments = np.einsum(
        "rks,rst,rlt->kl", inputs, latent_moments(statistics), inputs, optimize=True
    )
    noise, values = model.noise, unknowns.values
    if unknowns.prior.kind == "none" or not unknowns.penalised.any():
        return values + least_change(gradient, moments[None], unknowns.relative_cut)
    if noise.kind != "full":
        return _best_rows(gradient, moments, noise.variances(), unknowns)
    if unknowns.rows_apart:
        variances, axes = np.linalg.eigh(noise.values)
        turned = replace(unknowns, values=axes.T @ values)
        return axes @ _best_rows(axes.T @ gradient, moments, variances, turned)
    _check_size(values.size)
    inverse = noise.solve(np.eye(noise.dimensions))
    return _best_together(inverse @ gradient, np.kron(inverse, moments), unknowns)


def _best_rows(gradient: Array, moments: Array, variances: Array, unknowns: _Unknowns) -> Array:
    """Each row of the last layer by itself, given the variance of its noise."""
    return best_values(
        gradient / variances[:, None],
        moments / variances[:, None, None],
        unknowns.values,
        unknowns.penalised,
        unknowns.prior,
        unknowns.relative_cut,
    )


def _best_together(gradient: Array, curvature: Array, unknowns: _Unknowns) -> Array:
    """All rows as one problem."""
    shape = unknowns.values.shape
    best = best_values(
        gradient.reshape(1, -1),
        curvature[None],
        unknowns.values.reshape(1, -1),
        np.tile(unknowns.penalised, shape[0]),
        unknowns.prior,
        unknowns.relative_cut,
    )
    return best.reshape(shape)


def _columns(part: Part) -> slice:
    """Which columns of [W v] move."""
    if part == "weights":
        return slice(None, -1)
    return slice(-1, None) if part == "biases" else slice(None)


def _check_size(unknowns: int) -> None:
    if unknowns > LARGEST_SYSTEM:
        raise ValueError(
            f"this block has {unknowns} unknowns that must be solved for together; "
            f"the largest system solved is of {LARGEST_SYSTEM}"
        )
