"""Densities made of latent-variable leaves: their common form and two bounds of it.

A VAE is one leaf over the whole image, an SPVAE a circuit over many. Each leaf's log density is
replaced by a bound of it, and the bounds are combined as log densities would be: Theorem 1 of the
SPVAE paper for evidence lower bounds, Theorem 2 for K-sample importance-weighted ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_banks import GaussianLatentBank
from workflow_src.models.log_domain import log_sum_exp


class LeafModel(Protocol):
    """What the gradient trainer and the evaluation ask of a model.

    Shapes use R = runs in the bank, L = leaves, P = pixels of a leaf, D = pixels of an image,
    N = images, K = importance samples, Z = latent dimensions. Parameters with a run axis are
    ``[R, ...]``; the initial ones and those for sampling belong to one run and have none.
    """

    @property
    def images(self) -> ImageFacts:
        """The images it is a density of."""
        ...

    @property
    def leaves(self) -> GaussianLatentBank:
        """The bank of L autoencoders."""
        ...

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters, by name."""
        ...

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """One run's starting parameters."""
        ...

    def parameter_count(self) -> int:
        """Trained numbers of one run, as Table 2 of the SPVAE paper counts them."""
        ...

    def leaf_pixels(self, pixels: Tensor) -> Tensor:
        """Each leaf's pixels, [R, L, P, N], of images [R, D, N]."""
        ...

    def combine(self, parameters: Parameters, leaf_bounds: Tensor) -> Tensor:
        """Log density of the images, [R, N], from those of the leaves, [R, L, N]."""
        ...


def leaf_parameters(parameters: Parameters) -> dict[str, Tensor]:
    """The leaves' parameters with runs and leaves on one bank axis, [R * L, ...]."""
    return {
        name: value.flatten(0, 1)
        for name, value in parameters.items()
        if not name.startswith("circuit.")
    }


def noise_shape(model: LeafModel, samples: int, images: int) -> tuple[int, int, int, int]:
    """Shape [L, Z, K, N] of the standard normal noise that one run's bound takes."""
    return (model.leaves.members, model.leaves.latent_dimensions, samples, images)


def bound(
    model: LeafModel, parameters: Parameters, pixels: Tensor, noise: Tensor, objective: str
) -> Tensor:
    """The bound of every image that ``objective`` names, in nats, [R, N].

    Parameters
    ----------
    model:
        The structure.
    parameters:
        ``[R, ...]`` each.
    pixels:
        Images ``[R, D, N]``.
    noise:
        Standard normal, ``[R, L, Z, K, N]``.
    objective:
        ``importance_weighted_bound`` or ``evidence_lower_bound``, the functions below.

    Raises
    ------
    ValueError
        If there is no such objective.
    """
    if objective not in _BOUNDS:
        raise ValueError(f"unknown objective {objective!r}; known are {', '.join(_BOUNDS)}")
    return _BOUNDS[objective](model, parameters, pixels, noise)


def importance_weighted_bound(
    model: LeafModel, parameters: Parameters, pixels: Tensor, noise: Tensor
) -> Tensor:
    """The K-sample importance-weighted bound; arguments and result as in `bound`.

    Notes
    -----
    Equation 9 of the SPVAE paper; for a single leaf it is equation 2. The exponential of it has the
    density itself as its expectation, so in expectation it is below the log-likelihood, for any K.
    """
    runs, leaves, _, samples, images = noise.shape
    log_weights = model.leaves.log_importance_weights(
        leaf_parameters(parameters),
        model.leaf_pixels(pixels).flatten(0, 1),
        noise.flatten(0, 1),
    )
    leaf_bounds = log_sum_exp(log_weights, dim=1) - math.log(samples)
    return model.combine(parameters, leaf_bounds.view(runs, leaves, images))


def evidence_lower_bound(
    model: LeafModel, parameters: Parameters, pixels: Tensor, noise: Tensor
) -> Tensor:
    """The leaves' evidence lower bounds, combined; arguments and result as in `bound`.

    Notes
    -----
    Equation 7 of the SPVAE paper, where the divergence of every leaf's posterior from the prior is
    exact and its expected log-likelihood is a mean over K samples. For a single leaf the
    expectation is the evidence lower bound for any K. A circuit is a convex function of its
    leaves, so sampling raises the expectation above the bound of Theorem 1, and where posteriors
    are nearly exact even above the log-likelihood; the excess goes to zero as K grows.
    """
    runs, leaves, _, _, images = noise.shape
    leaf_bounds = model.leaves.evidence_lower_bounds(
        leaf_parameters(parameters),
        model.leaf_pixels(pixels).flatten(0, 1),
        noise.flatten(0, 1),
    )
    return model.combine(parameters, leaf_bounds.view(runs, leaves, images))


_BOUNDS = {
    "importance_weighted_bound": importance_weighted_bound,
    "evidence_lower_bound": evidence_lower_bound,
}


def stack_runs(runs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Parameters of several runs on one run axis."""
    return {name: torch.stack([run[name] for run in runs]) for name in runs[0]}
