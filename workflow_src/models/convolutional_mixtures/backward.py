"""Layers in backwards mode: from a control signal at the top to images.

Section III of Gepperth, "A new perspective on probabilistic image modeling". A control signal has
the shape of a layer's activities, ``[R, N, h, w, C]``, channels last; R = runs, N = images. Into a
mixture layer it says with which probabilities a component is chosen at a position, and what the
layer makes of it, ``[R, N, h, w, D]``, is the control signal of the layer below, at the bottom an
image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from workflow_src.layouts import Block, Folding, Mixture, Pooling, Shape

Correction = Callable[[int, Tensor], Tensor]
"""From a folding's index among the blocks and what it made in backwards mode to a better one."""


@dataclass(frozen=True)
class LayerParameters:
    """One mixture layer's: centroids and precision roots [R, P, K, D], weight logits [R, P, K].

    P is 1 where all positions share them and h * w where each has its own.
    """

    centroids: Tensor
    precision_roots: Tensor
    weight_logits: Tensor

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor], layer: int) -> LayerParameters:
        """Those of the mixture layer of that number, from 1 for the lowest."""
        return cls(
            *(
                parameters[f"layer_{layer}.{name}"]
                for name in ("centroids", "precision_roots", "weight_logits")
            )
        )


@dataclass(frozen=True)
class Sampling:
    """How freely a mixture layer draws.

    Attributes
    ----------
    top_values:
        S: components below the S-th largest value of the control signal are never chosen, equal
        ones all may be; 0 lets all be chosen.
    noise_divisor:
        Around a centroid the noise has standard deviation 1 / (d * divisor), d the root of the
        precision, and none where d is at ``upper_root``.
    upper_root:
        The largest root of a precision that training allows. A dimension there varies less than
        training can tell, often not at all, and noise in it would only be seen as noise.
    """

    top_values: int
    noise_divisor: float
    upper_root: float


def fold_back(control: Tensor, folding: Folding, before: Shape) -> Tensor:
    """The control signal below a folding, ``[R, N, H, W, C]`` of the sizes ``before`` it.

    Every position is the mean of what all patches that hold it say (equation 12): for what a
    folding makes of an image, that image.
    """
    runs, images, height, width, _ = control.shape
    patches = control.reshape(runs, images, height, width, -1, before.channels)
    total = control.new_zeros(runs, images, before.height, before.width, before.channels)
    count = control.new_zeros(before.height, before.width, 1)
    for number, (rows, columns) in enumerate(places_in_patches(folding, height, width)):
        total[:, :, rows, columns] += patches[:, :, :, :, number]
        count[rows, columns] += 1
    return total.div_(count)


def places_in_patches(folding: Folding, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """For each place in a patch, row by row, where it is in all patches: rows and columns."""
    for row, column in product(range(folding.size), repeat=2):
        yield (
            slice(row, row + folding.stride * (height - 1) + 1, folding.stride),
            slice(column, column + folding.stride * (width - 1) + 1, folding.stride),
        )


def upsample(control: Tensor, pooling: Pooling, before: Shape) -> Tensor:
    """The control signal below a max-pooling, ``[R, N, H, W, C]`` of the sizes ``before`` it.

    Every position takes the value of the window that starts at it or last before it; what lies
    behind the last window, where windows are left off, takes that one's.
    """
    rows, columns = (
        torch.arange(side, device=control.device)
        .div(pooling.stride, rounding_mode="floor")
        .clamp(max=windows - 1)
        for side, windows in zip((before.height, before.width), control.shape[2:4], strict=True)
    )
    return control.index_select(2, rows).index_select(3, columns)


def choice_probabilities(control: Tensor, top_values: int) -> Tensor:
    """Probabilities of components ``[..., K]``, float64, from a control signal of that shape.

    Negative values count as 0. Only values that are at least the ``top_values``-th largest stay
    (0: all), so that ties stay together, and are normalised. Where nothing is positive, all
    components are equally probable.
    """
    weights = control.double().clamp(min=0)
    components = weights.shape[-1]
    if 0 < top_values < components:
        threshold = weights.topk(top_values, dim=-1).values[..., -1:]
        weights = weights.where(weights >= threshold, 0.0)
    total = weights.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, weights / total.where(total > 0, 1.0), 1 / components)


def chosen_components(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One component at every position, ``[...]``, by probabilities ``[..., K]``.

    By inverting the distribution function at one uniform number each, so that with equal streams
    probabilities that differ little lead to equal choices but for few.
    """
    cumulative = probabilities.cumsum(dim=-1)
    uniform = torch.rand(
        probabilities.shape[:-1],
        generator=generator,
        dtype=torch.float64,
        device=generator.device,
    ).to(probabilities.device)
    # Below the last sum, which may itself be rounded to less than 1: components of probability 0
    # behind the last possible one are never reached.
    total = cumulative[..., -1]
    aim = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, aim.unsqueeze(-1), right=True).squeeze(-1)


def drawn_inputs(
    layer: LayerParameters,
    control: Tensor,
    sampling: Sampling,
    generator: torch.Generator,
    *,
    noise: bool = True,
) -> Tensor:
    """What a mixture layer draws for the layer below, ``[R, N, h, w, D]`` (equation 7).

    First a component by the control signal ``[R, N, h, w, K]``, then a point near its centroid, or
    without ``noise`` the centroid itself. Either way the generator gives as many numbers.
    """
    chosen = chosen_components(choice_probabilities(control, sampling.top_values), generator)
    centres = of_chosen(layer.centroids, chosen)
    roots = of_chosen(layer.precision_roots, chosen)
    normal = torch.randn(
        centres.shape, generator=generator, dtype=centres.dtype, device=generator.device
    ).to(centres.device)
    if not noise:
        return centres
    deviations = torch.where(
        roots < sampling.upper_root, (roots * sampling.noise_divisor).reciprocal(), 0.0
    )
    return centres.addcmul_(deviations, normal)


def expected_inputs(layer: LayerParameters, control: Tensor) -> Tensor:
    """What `drawn_inputs` draws on average with all components allowed, ``[R, N, h, w, D]``."""
    runs, images, height, width, _ = control.shape
    shares = choice_probabilities(control, 0).to(layer.centroids.dtype)
    if layer.centroids.shape[1] == 1:
        found = shares.view(runs, -1, shares.shape[-1]) @ layer.centroids[:, 0]
    else:
        found = torch.einsum("rnpk,rpkd->rnpd", shares.flatten(2, 3), layer.centroids)
    return found.view(runs, images, height, width, -1)


def of_chosen(values: Tensor, chosen: Tensor) -> Tensor:
    """Those values ``[R, P, K, D]`` that belong to the components ``[R, N, h, w]`` chosen.

    A copy, ``[R, N, h, w, D]``.
    """
    runs, places, components, width = values.shape
    number = chosen.flatten(2)
    if places > 1:
        number = number + components * torch.arange(places, device=chosen.device)
    table = values.reshape(runs * places * components, width)
    first = places * components * torch.arange(runs, device=chosen.device)
    rows = (number + first[:, None, None]).flatten()
    return table.index_select(0, rows).view(*chosen.shape, width)


def backward(
    blocks: Sequence[Block],
    shapes: Sequence[Shape],
    control: Tensor,
    top: int,
    draw: Callable[[int, Tensor], Tensor],
    correct: Correction | None = None,
) -> Tensor:
    """From the control signal of a block down to images, ``[R, N, H, W, C]``, not clamped.

    Parameters
    ----------
    shapes:
        Sizes before each block and after the last one.
    control:
        Of the sizes after block ``top``.
    top:
        Index among the blocks of the one to begin with.
    draw:
        From a mixture layer's number, from 1, and its control signal to the one below.
    correct:
        What is done to the control signal below every folding, if anything.
    """
    for index in range(top, -1, -1):
        block = blocks[index]
        if isinstance(block, Mixture):
            control = draw(mixture_number(blocks, index), control)
        elif isinstance(block, Pooling):
            control = upsample(control, block, shapes[index])
        else:
            control = fold_back(control, block, shapes[index])
            control = control if correct is None else correct(index, control)
    return control


def mixture_number(blocks: Sequence[Block], index: int) -> int:
    """The number, from 1, of the mixture layer that is the block at ``index``."""
    return sum(isinstance(block, Mixture) for block in blocks[: index + 1])


def mixture_indices(blocks: Sequence[Block]) -> tuple[int, ...]:
    """Where among the blocks the mixture layers are, the lowest first."""
    return tuple(index for index, block in enumerate(blocks) if isinstance(block, Mixture))
