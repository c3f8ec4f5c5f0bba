"""A network of foldings, max-poolings and mixture layers, from pixels up.

Gepperth, "A new perspective on probabilistic image modeling", section III. What a mixture layer
passes on is its responsibilities, and every layer has a loss of its own: no gradient crosses
layers. Activities are [R, N, h, w, C]: runs of a bank, images, rows, columns, channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.layouts import Block, Folding, Mixture, Pooling, Shape, shapes
from workflow_src.models.convolutional_mixtures.folding import fold
from workflow_src.models.convolutional_mixtures.mixture_layer import MixtureLayer
from workflow_src.models.convolutional_mixtures.patches import Patches, patches
from workflow_src.models.convolutional_mixtures.pooling import pool


@dataclass(frozen=True)
class LayerStep:
    """What one step tells of one layer.

    Attributes
    ----------
    objective:
        Mean over images and positions of the largest smoothed score, [R] in nats.
    gradients:
        Its gradients by parameter, ``[R, ...]``, times the number of mixtures that share the mean:
        so that independent positions step as far as shared ones. Empty where the layer waits.
    """

    objective: Tensor
    gradients: dict[str, Tensor]


class MixtureNetwork:
    """The layers of one layout.

    Parameters
    ----------
    blocks:
        From the lowest to the highest; see `workflow_src.layouts`.
    images:
        Sizes of the images.

    Attributes
    ----------
    shapes:
        Sizes before each block, and after the last.
    layers:
        The mixture layers, the lowest first.

    Raises
    ------
    LayoutError
        If the blocks do not suit the images.
    """

    def __init__(self, blocks: Sequence[Block], images: Shape) -> None:
        self.blocks = tuple(blocks)
        self.shapes = shapes(blocks, images)
        mixtures = [
            (block, before)
            for block, before in zip(self.blocks, self.shapes, strict=False)
            if isinstance(block, Mixture)
        ]
        self._below = _below_mixtures(self.blocks)
        self.layers = tuple(
            MixtureLayer(number, before, block)
            for number, (block, before) in enumerate(mixtures, start=1)
        )

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters by name, without a run axis."""
        return {
            name: shape for layer in self.layers for name, shape in layer.parameter_shapes().items()
        }

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Where one run starts, without a run axis."""
        return {
            name: value
            for layer in self.layers
            for name, value in layer.initial_parameters(generator).items()
        }

    def as_images(self, pixels: Tensor) -> Tensor:
        """Images [R, N, H, W, C] of pixels [R, N, D], which are by channel, row and column."""
        sizes = self.shapes[0]
        planes = pixels.reshape(*pixels.shape[:2], sizes.channels, sizes.height, sizes.width)
        return planes.permute(0, 1, 3, 4, 2)

    def forward(
        self,
        parameters: Mapping[str, Tensor],
        images: Tensor,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> list[Tensor]:
        """Activities after each block from ``start`` to before ``stop``.

        Parameters
        ----------
        images:
            Images, or what the block at ``start`` gets, ``[R, N, h, w, C]``.
        """
        found = []
        activities = images
        numbers = iter(self.layers[sum(isinstance(b, Mixture) for b in self.blocks[:start]) :])
        for block in self.blocks[start:stop]:
            if isinstance(block, Folding):
                activities = fold(activities, block)
            elif isinstance(block, Pooling):
                activities = pool(activities, block)
            else:
                activities = next(numbers).log_scores(parameters, activities).softmax(dim=-1)
            found.append(activities)
        return found

    def log_scores(self, parameters: Mapping[str, Tensor], layer: int, inputs: Tensor) -> Tensor:
        """Log-scores of the mixture layer number ``layer``, from 1, [R, N, h, w, K] in nats.

        ``inputs`` [R, N, h, w, D] are what comes in there. The constant -D/2 log(2 pi) is in.
        """
        return self.layers[layer - 1].log_scores(parameters, inputs)

    @torch.no_grad()
    def layer_losses(self, parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """Every layer's loss of images [R, N, H, W, C], [L, R, N] in nats, the top's last.

        The mean over positions of the largest component's log-score, eq. (8): what training
        raises, once it is annealed, and what the paper finds outliers by.
        """
        every = self._all_scores(parameters, images)
        return torch.stack([scores.amax(dim=-1).mean(dim=(2, 3)) for scores in every])

    @torch.no_grad()
    def layer_log_likelihoods(self, parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """The same with all components: mean over positions of the log-density, [L, R, N]."""
        every = self._all_scores(parameters, images)
        return torch.stack([scores.logsumexp(dim=-1).mean(dim=(2, 3)) for scores in every])

    @torch.no_grad()
    def training_step(
        self,
        parameters: Mapping[str, Tensor],
        images: Tensor,
        neighbourhoods: Sequence[Tensor | None],
        learning: Sequence[bool],
    ) -> tuple[list[LayerStep], Tensor, list[Tensor]]:
        """Gradients of all layers that learn, from the parameters as they are.

        Parameters
        ----------
        images:
            A batch of every run, ``[R, N, H, W, C]``.
        neighbourhoods:
            Of each layer ``[R, K, K]``; None where every component has none but itself.
        learning:
            Of each layer whether it learns; one that waits has no gradients.

        Returns
        -------
        tuple
            Every layer's step; the top layer's loss without smoothing, [R]; and for each block the
            responsibilities of the nearest mixture layer that is not above it, as `forward` has
            them for mixture layers themselves (below all of them: the images).
        """
        steps, responsibilities = [], [images]
        activities, loss = images, images.new_zeros(len(images))
        for layer, near, learns in zip(self.layers, neighbourhoods, learning, strict=True):
            inputs = self._inputs(layer, activities)
            scores = inputs.scores(layer.natural_parameters(parameters))
            steps.append(_step(layer, parameters, inputs, scores, near, learns=learns))
            if layer is self.layers[-1]:
                loss = scores.amax(dim=-1).mean(dim=(1, 2, 3))
            activities = scores.softmax(dim=-1)
            responsibilities.append(activities)
        return steps, loss, [responsibilities[count] for count in self._mixtures_up_to()]

    def _all_scores(self, parameters: Mapping[str, Tensor], images: Tensor) -> Iterator[Tensor]:
        """Log-scores [R, N, h, w, K] of each layer, the lowest first."""
        activities = images
        for layer in self.layers:
            natural = layer.natural_parameters(parameters)
            scores = self._inputs(layer, activities).scores(natural)
            yield scores
            if layer is not self.layers[-1]:
                activities = scores.softmax(dim=-1)

    def _mixtures_up_to(self) -> list[int]:
        """Of each block, how many of the blocks up to it are mixtures."""
        are = [isinstance(block, Mixture) for block in self.blocks]
        return [sum(are[: place + 1]) for place in range(len(are))]

    def _inputs(self, layer: MixtureLayer, activities: Tensor) -> Patches:
        """What a layer gets of the activities of the one below, or of images."""
        folding = None
        for block in self._below[layer.number - 1]:
            if folding is not None:
                activities, folding = fold(activities, folding), None
            if isinstance(block, Folding):
                folding = block
            elif isinstance(block, Pooling):
                activities = pool(activities, block)
        return patches(layer, activities, folding)


def _below_mixtures(blocks: Sequence[Block]) -> tuple[tuple[Block, ...], ...]:
    """Of each mixture layer the foldings and poolings right below it."""
    found: list[tuple[Block, ...]] = []
    waiting: list[Block] = []
    for block in blocks:
        if isinstance(block, Mixture):
            found.append(tuple(waiting))
            waiting = []
        else:
            waiting.append(block)
    return tuple(found)


def _step(
    layer: MixtureLayer,
    parameters: Mapping[str, Tensor],
    inputs: Patches,
    scores: Tensor,
    near: Tensor | None,
    *,
    learns: bool,
) -> LayerStep:
    """A layer's objective, and its gradients where it learns."""
    smoothed = scores
    if near is not None:
        smoothed = torch.matmul(scores, near.mT[:, None, None])
    best, chosen = smoothed.max(dim=-1)
    objective = best.mean(dim=(1, 2, 3))
    if not learns:
        return LayerStep(objective, {})
    sums = inputs.sums(chosen)
    if near is not None:
        sums = sums.smoothed(near)
    share = layer.places / (chosen.shape[1] * layer.before.positions)
    gradients = layer.gradients(parameters, sums)
    return LayerStep(objective, {name: value.mul_(share) for name, value in gradients.items()})
