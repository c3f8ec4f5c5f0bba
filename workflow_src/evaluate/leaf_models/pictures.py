"""What a trained model looks like: samples, codes of test images, and the leaves' manifolds.

Samples run the circuit top down (section 3.1 of the SPVAE paper); codes and manifolds are the
material of its figure 3, which follows Kingma and Welling (2014).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import LeafModel, leaf_parameters, stack_runs

MANIFOLD_POINTS = 15
_MANIFOLD_EDGE = 0.02  # outermost quantile of the standard normal prior that is shown
EMBEDDED_IMAGES = 2000

Array = NDArray[np.float32]


class Drawing(Protocol):
    """A model's ``drawing`` module: how its leaves make up an image."""

    def leaf_layout(self, model: Any) -> tuple[int, int, int]:
        """Rows and columns of leaf regions, and components in each; components run fastest."""
        ...

    def sample_components(
        self,
        model: Any,
        parameters: Parameters,
        draws: int,
        generator: torch.Generator,
        evidence: Tensor | None = None,
    ) -> Tensor | None:
        """The component picked at each leaf region, [draws, regions]; None where none is.

        ``evidence [L, draws]`` holds the leaves' log densities of what is observed.
        """
        ...

    def responsibilities(
        self, model: Any, parameters: Parameters, leaf_log_densities: Tensor
    ) -> Tensor:
        """Probability that a leaf made its part, [L, N], given all leaves' log densities [L, N]."""
        ...

    def assemble(self, model: Any, leaf_values: Tensor, components: Tensor | None) -> Tensor:
        """Images [D, draws] from every leaf's values [L, P, draws] and the components picked."""
        ...


@torch.no_grad()
def sample_images(
    model: LeafModel,
    drawing: Drawing,
    parameters: Parameters,
    draws: int,
    generator: torch.Generator,
) -> tuple[Array, Array]:
    """Images drawn from the model and their expectations given the codes, each [draws, h, w].

    In colour they are [draws, h, w, channels].

    Both are shares of the full pixel range.
    """
    bank = model.leaves
    shape = (bank.members, bank.latent_dimensions, draws)
    codes = torch.randn(shape, generator=generator, device=generator.device)
    outputs = bank.decode(leaf_parameters(stack_runs([parameters])), codes)
    components = drawing.sample_components(model, parameters, draws, generator)
    pixels = bank.likelihood.sample(outputs, generator) / bank.likelihood.full_range
    drawn = drawing.assemble(model, pixels, components)
    means = drawing.assemble(model, bank.likelihood.mean(outputs), components)
    return as_images(model.images, drawn.T), as_images(model.images, means.T)


@torch.no_grad()
def posterior_means(model: LeafModel, parameters: Parameters, images: Tensor) -> Array:
    """Every leaf's posterior mean for images [N, D]: [N, L, Z]."""
    pixels = model.leaf_pixels(images.T.to(torch.float32).unsqueeze(0))[0].contiguous()
    mean, _ = model.leaves.encode(leaf_parameters(stack_runs([parameters])), pixels)
    return np.ascontiguousarray(mean.permute(2, 0, 1).cpu().numpy())


@torch.no_grad()
def leaf_manifolds(model: LeafModel, drawing: Drawing, parameters: Parameters) -> Array:
    """Decoded means over a grid of prior quantiles, [L, g, g, leaf height, leaf width].

    Raises
    ------
    ValueError
        If the latent codes are not two-dimensional.
    """
    bank = model.leaves
    if bank.latent_dimensions != 2:
        raise ValueError(f"a manifold needs 2 latent dimensions, not {bank.latent_dimensions}")
    rows, columns, _ = drawing.leaf_layout(model)
    quantiles = ndtri(np.linspace(_MANIFOLD_EDGE, 1 - _MANIFOLD_EDGE, MANIFOLD_POINTS))
    grid = torch.tensor(np.stack(np.meshgrid(quantiles, quantiles, indexing="ij")))
    device = next(iter(parameters.values())).device
    codes = grid.reshape(1, 2, -1).expand(bank.members, -1, -1).to(device, torch.float32)
    outputs = bank.decode(leaf_parameters(stack_runs([parameters])), codes.contiguous())
    means = bank.likelihood.mean(outputs).permute(0, 2, 1)
    height, width = model.images.height // rows, model.images.width // columns
    shape = (bank.members, MANIFOLD_POINTS, MANIFOLD_POINTS, height, width)
    return means.reshape(shape).cpu().numpy()


def as_images(facts: ImageFacts, values: Tensor) -> Array:
    """Values [..., D] laid out as images [..., h, w]; in colour [..., h, w, channels]."""
    shape = (*values.shape[:-1], facts.channels, facts.height, facts.width)
    laid_out = values.reshape(shape)
    images = laid_out.squeeze(-3) if facts.channels == 1 else laid_out.movedim(-3, -1)
    return np.ascontiguousarray(images.cpu().numpy())
