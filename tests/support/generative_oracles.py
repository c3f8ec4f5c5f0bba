"""Densities of small deep generative networks, made without the code under test.

One latent dimension: knots are found from evaluations of the network, and each piece is a closed
form, in float64 or with many digits. Two: slices with one latent dimension, integrated by
Gauss-Legendre panels. Any number: networks whose outputs depend on one rotated latent each, whose
density is the product of one-dimensional ones.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import mpmath
import numpy as np
from scipy.special import log_ndtr

from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance


def random_model(
    sizes: tuple[int, ...],
    seed: int = 0,
    kind: str = "leaky_relu",
    noise: str = "isotropic",
    variance: float = 0.05,
) -> DeepGenerativeNetwork:
    """A network of these sizes with standard normal biases, and noise of some kind."""
    generator = np.random.default_rng(seed)
    weights = tuple(
        generator.normal(size=(height, width)) / np.sqrt(width)
        for width, height in itertools.pairwise(sizes)
    )
    biases = tuple(generator.normal(size=height) for height in sizes[1:])
    network = Network(weights, biases, Activation(kind, 0.1))
    root = generator.normal(size=(sizes[-1], sizes[-1]))
    covariance = {
        "isotropic": lambda: NoiseCovariance.isotropic(variance, sizes[-1]),
        "diagonal": lambda: NoiseCovariance.diagonal(
            variance * generator.uniform(0.5, 2.0, sizes[-1])
        ),
        "full": lambda: NoiseCovariance.full(
            variance * (np.eye(sizes[-1]) + root @ root.T / sizes[-1])
        ),
    }[noise]()
    return DeepGenerativeNetwork(network, covariance)


def noise_matrix(model: DeepGenerativeNetwork) -> np.ndarray:
    """Sx, ``[D, D]``, from the numbers that define it."""
    values, size = model.noise.values, model.network.outputs
    if values.ndim == 2:
        return values
    return np.diag(np.broadcast_to(values, (size,)))


def forward(network: Network, latents: np.ndarray, last: int | None = None) -> np.ndarray:
    """The network at latents ``[M, S]``, or the pre-activations of a layer (from 0)."""
    negative = {"relu": 0.0, "leaky_relu": network.activation.leak, "absolute_value": -1.0}
    slope = negative[network.activation.kind]
    final = len(network.weights) - 1 if last is None else last
    values = latents
    for layer in range(final + 1):
        values = values @ network.weights[layer].T + network.biases[layer]
        if layer < final:
            values = np.where(values > 0, values, slope * values)
    return values


def inner_points(knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two points inside of every piece between sorted knots, the outer ones too."""
    if not len(knots):
        return np.array([-1.0]), np.array([1.0])
    starts = np.concatenate([[knots[0] - 2.0], knots])
    ends = np.concatenate([knots, [knots[-1] + 2.0]])
    return starts + (ends - starts) / 4, starts + 3 * (ends - starts) / 4


def knots(network: Network) -> np.ndarray:
    """Where a network of one latent dimension has kinks: layer after layer, by its evaluations."""
    found = np.zeros(0)
    for layer in range(len(network.weights) - 1):
        first, second = inner_points(found)
        low, high = (forward(network, at[:, None], layer) for at in (first, second))
        slopes = (high - low) / (second - first)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            roots = first[:, None] - low / slopes
        left = np.concatenate([[-np.inf], found])[:, None]
        right = np.concatenate([found, [np.inf]])[:, None]
        inside = np.isfinite(roots) & (roots > left) & (roots < right)
        found = np.unique(np.concatenate([found, roots[inside]]))
    return found


@dataclass(frozen=True)
class Line:
    """A network of one latent dimension as pieces: limits, slopes ``[P, D]``, offsets."""

    lower: np.ndarray
    upper: np.ndarray
    slopes: np.ndarray
    offsets: np.ndarray


def line(network: Network) -> Line:
    """The pieces, with maps from two evaluations on each."""
    found = knots(network)
    first, second = inner_points(found)
    low, high = (forward(network, at[:, None]) for at in (first, second))
    slopes = (high - low) / (second - first)[:, None]
    return Line(
        np.concatenate([[-np.inf], found]),
        np.concatenate([found, [np.inf]]),
        slopes,
        low - slopes * first[:, None],
    )


def line_log_densities(model: DeepGenerativeNetwork, points: np.ndarray) -> np.ndarray:
    """log p(x) ``[N]``, S = 1, in float64 with dense covariances."""
    pieces, noise = line(model.network), noise_matrix(model)
    terms = []
    for lower, upper, slope, offset in zip(
        pieces.lower, pieces.upper, pieces.slopes, pieces.offsets, strict=True
    ):
        density = log_density(points - offset, noise + np.outer(slope, slope))
        variance = 1 / (1 + slope @ np.linalg.solve(noise, slope))
        mean = variance * (points - offset) @ np.linalg.solve(noise, slope)
        terms.append(density + log_mass(lower, upper, mean, variance))
    return np.logaddexp.reduce(np.stack(terms), axis=0)


def log_density(away: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """log N(away; 0, covariance), ``[N]``, with dense matrices (scipy's is slow to set up)."""
    distance = np.einsum("nd,dn->n", away, np.linalg.solve(covariance, away.T))
    return -0.5 * (distance + np.linalg.slogdet(2 * np.pi * covariance)[1])


def log_mass(lower: float, upper: float, mean: np.ndarray, variance: float) -> np.ndarray:
    """log of a normal's mass between two ends, from the tail that is small."""
    low, high = (lower - mean) / np.sqrt(variance), (upper - mean) / np.sqrt(variance)
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    with np.errstate(divide="ignore"):
        return log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))


def exact_log_density(model: DeepGenerativeNetwork, point: np.ndarray, digits: int = 60) -> float:
    """log p(x) of one point, S = 1, isotropic noise, with many digits."""
    with mpmath.workdps(digits):
        noise = mpmath.mpf(float(model.noise.values))
        found = [mpmath.mpf(float(knot)) for knot in knots(model.network)]
        ends = [-mpmath.inf, *found, mpmath.inf]
        first, second = inner_points(knots(model.network))
        total = mpmath.mpf(0)
        for index in range(len(ends) - 1):
            at = [mpmath.mpf(float(first[index])), mpmath.mpf(float(second[index]))]
            low, high = (_forward(model.network, value) for value in at)
            slope = [(b - a) / (at[1] - at[0]) for a, b in zip(low, high, strict=True)]
            rest = [
                mpmath.mpf(float(x)) - (a - s * at[0])
                for x, a, s in zip(point, low, slope, strict=True)
            ]
            total += _piece(noise, slope, rest, ends[index], ends[index + 1])
        return float(mpmath.log(total))


def _piece(noise, slope, rest, lower, upper):
    """The integral over one piece of N(z; 0, 1) N(rest; slope z, noise I)."""
    precision = 1 + sum(s * s for s in slope) / noise
    mean = sum(s * r for s, r in zip(slope, rest, strict=True)) / noise / precision
    exponent = -(sum(r * r for r in rest) / noise - precision * mean * mean) / 2
    constant = (2 * mpmath.pi * noise) ** (-mpmath.mpf(len(slope)) / 2) / mpmath.sqrt(precision)
    low, high = ((end - mean) * mpmath.sqrt(precision / 2) for end in (lower, upper))
    if low > 0:
        mass = (mpmath.erfc(low) - mpmath.erfc(high)) / 2
    elif high < 0:
        mass = (mpmath.erfc(-high) - mpmath.erfc(-low)) / 2
    else:
        mass = (mpmath.erf(high) - mpmath.erf(low)) / 2
    return constant * mpmath.exp(exponent) * mass


def _forward(network: Network, latent):
    slope = {"relu": 0.0, "leaky_relu": network.activation.leak, "absolute_value": -1.0}
    negative = mpmath.mpf(slope[network.activation.kind])
    values = [latent]
    for layer, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True)):
        values = [
            sum(mpmath.mpf(float(w)) * v for w, v in zip(row, values, strict=True))
            + mpmath.mpf(float(bias))
            for row, bias in zip(weights, biases, strict=True)
        ]
        if layer < len(network.weights) - 1:
            values = [value if value > 0 else negative * value for value in values]
    return values


def panels(limits: np.ndarray, nodes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on the panels between limits."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(limits)[:, None] / 2
    middle = (limits[1:] + limits[:-1])[:, None] / 2
    return (middle + half * places).ravel(), (half * weights).ravel()


def line_rule(
    network: Network, reach: float = 9.0, width: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights over z in [-reach, reach], no panel across a kink, S = 1."""
    grid = np.arange(-reach, reach + width / 2, width)
    inside = knots(network)
    inside = inside[np.abs(inside) < reach]
    return panels(np.unique(np.concatenate([grid, inside])))


def slice_of(model: DeepGenerativeNetwork, axis: int, value: float) -> DeepGenerativeNetwork:
    """The model of the other latent where latent ``axis`` (of two) has a value."""
    first = model.network.weights[0]
    biases = model.network.biases[0] + first[:, axis] * value
    network = Network(
        (first[:, [1 - axis]], *model.network.weights[1:]),
        (biases, *model.network.biases[1:]),
        model.network.activation,
    )
    return DeepGenerativeNetwork(network, model.noise)


def plane_log_densities(
    model: DeepGenerativeNetwork, points: np.ndarray, axis: int = 0, width: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """log p(x) and E[z_axis | x], each ``[N]``, S = 2, by slices."""
    nodes, weights = panels(np.arange(-8, 8 + width / 2, width), 4)
    terms = np.stack(
        [
            line_log_densities(slice_of(model, axis, node), points)
            + np.log(weight)
            - node**2 / 2
            - np.log(2 * np.pi) / 2
            for node, weight in zip(nodes, weights, strict=True)
        ]
    )
    total = np.logaddexp.reduce(terms, axis=0)
    return total, (np.exp(terms - total) * nodes[:, None]).sum(axis=0)


@dataclass(frozen=True)
class Separable:
    """A model of S latents and S outputs: output i is a function of latent i of Q' z alone."""

    model: DeepGenerativeNetwork
    factors: tuple[DeepGenerativeNetwork, ...]
    rotation: np.ndarray


def separable(latent: int, hidden: int = 2, seed: int = 0, variance: float = 0.1) -> Separable:
    """Networks [1, hidden, 1] side by side, turned by a random rotation Q."""
    factors = tuple(
        random_model((1, hidden, 1), seed=100 * seed + index, variance=variance)
        for index in range(latent)
    )
    generator = np.random.default_rng(seed)
    rotation = np.linalg.qr(generator.normal(size=(latent, latent)))[0]
    first = np.zeros((latent * hidden, latent))
    last = np.zeros((latent, latent * hidden))
    for index, factor in enumerate(factors):
        rows = slice(index * hidden, (index + 1) * hidden)
        first[rows, index] = factor.network.weights[0][:, 0]
        last[index, rows] = factor.network.weights[1][0]
    biases = tuple(
        np.concatenate([factor.network.biases[layer] for factor in factors]) for layer in (0, 1)
    )
    network = Network((first @ rotation.T, last), biases, factors[0].network.activation)
    noise = NoiseCovariance.isotropic(variance, latent)
    return Separable(DeepGenerativeNetwork(network, noise), factors, rotation)
