"""The evidence lower bound of Gaussian approximations by draws, where cut moments are not exact.

From four latent dimensions on. E_q[log p(x, z)] is a mean over draws of q itself: its integrand is
the network's own log density, so no region's mass is needed and its error is that of a mean.

Shapes: N points, M draws, S latent dimensions, D values of a point.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.generative_networks import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.inference.regions import LOG_TWO_PI
from workflow_src.models.piecewise_affine.inference.truncated import USUAL_DRAWS, Draws
from workflow_src.models.piecewise_affine.networks import outputs

Array: TypeAlias = NDArray[np.float64]


def drawn_expected_log_joints(
    model: DeepGenerativeNetwork,
    points: Array,
    means: Array,
    covariances: Array,
    memory_bytes: int,
    draws: Draws = USUAL_DRAWS,
) -> tuple[Array, Array]:
    """E_q[log p(x, z)] in nats of points ``[N, D]`` and its standard error, ``[N]`` each.

    q is N(means ``[N, S]``, covariances ``[N, S, S]``); every point has draws of its own.
    """
    factors = np.linalg.cholesky(covariances)
    sums, squares = np.zeros(len(points)), np.zeros(len(points))
    network = model.network
    # Draws, the widest layer twice, and the residuals: of one draw.
    widest = max(len(biases) for biases in network.biases)
    block = max(1, memory_bytes // (8 * (4 * widest + 3 * network.outputs)))
    for number, point in enumerate(points):
        generator = draws.generator(number)
        # The first draw's height is taken off, so that squares lose no digits.
        base: float | None = None
        for start in range(0, draws.count, block):
            count = min(block, draws.count - start)
            noise = generator.standard_normal((count, means.shape[1]))
            heights = _log_joints(model, point, means[number] + noise @ factors[number].T)
            base = float(heights[0]) if base is None else base
            sums[number] += (heights - base).sum()
            squares[number] += np.square(heights - base).sum()
        sums[number] /= draws.count
        squares[number] = max(0.0, squares[number] / draws.count - sums[number] ** 2)
        sums[number] += base or 0.0
    return sums, np.sqrt(squares / (draws.count - 1))


def _log_joints(model: DeepGenerativeNetwork, point: Array, latents: Array) -> Array:
    """log p(x, z) of one point ``[D]`` at latents ``[M, S]``, ``[M]``."""
    residuals = model.noise.whiten(point - outputs(model.network, latents))
    squares = np.square(residuals).sum(axis=1) + np.square(latents).sum(axis=1)
    constant = (len(point) + latents.shape[1]) * LOG_TWO_PI + model.noise.log_determinant()
    return np.asarray(-0.5 * (squares + constant))
