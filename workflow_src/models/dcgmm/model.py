"""The deep convolutional Gaussian mixture model (DCGMM) of Gepperth's paper.

"A new perspective on probabilistic image modeling": foldings, max-poolings and Gaussian mixture
layers on each other, each mixture trained on the responsibilities of the one below. What a layer's
loss is the density of are its inputs; only if one mixture layer sees every pixel once is that a
density of images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workflow_src.layouts import Pooling, Shape, parse
from workflow_src.models.convolutional_mixtures.backward import (
    Correction,
    LayerParameters,
    Sampling,
    backward,
    drawn_inputs,
    mixture_indices,
)
from workflow_src.models.convolutional_mixtures.classifier import (
    class_control,
    classifier_blocks,
    classifier_inputs,
    classifier_shapes,
    log_probabilities,
)
from workflow_src.models.convolutional_mixtures.inpainting import (
    activities_from_visible,
    conditional_log_density,
    expected_images,
)
from workflow_src.models.convolutional_mixtures.mixture_layer import MAXIMUM_ROOT
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.models.convolutional_mixtures.sharpening import (
    BATCH,
    loses_information,
    sharpened,
)
from workflow_src.models.images import ImageFacts

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class DeepConvolutionalMixture:
    """A DCGMM on images of one size. Arguments and results are as in `image_densities`.

    Attributes
    ----------
    network:
        Its layers.
    images:
        The images it is a density of.
    classifier:
        Which mixture layers a linear classifier sees: ``none``, ``highest``, ``two_highest`` or
        ``lowest``.
    sampling:
        How freely mixture layers draw.
    sharpening_steps, sharpening_rate:
        Of gradient ascent below foldings; see `sharpened`.
    """

    network: MixtureNetwork
    images: ImageFacts
    classifier: str
    sampling: Sampling
    sharpening_steps: int
    sharpening_rate: float

    @property
    def layer_names(self) -> tuple[str, ...]:
        """``layer_1`` for the lowest mixture layer, and so on."""
        return tuple(f"layer_{number}" for number in range(1, len(self._mixtures) + 1))

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters, by name; the classifier's are among them."""
        shapes = classifier_shapes(self._classified, self.network.shapes)
        return self.network.parameter_shapes() | shapes

    def parameter_count(self) -> int:
        """Numbers that are trained: centroids, precisions, weights, and the classifier's."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """One run's starting parameters; the classifier, a convex problem, starts at 0."""
        shapes = classifier_shapes(self._classified, self.network.shapes)
        zeros = {name: torch.zeros(shape) for name, shape in shapes.items()}
        return self.network.initial_parameters(generator) | zeros

    def classifier_inputs(self, activities: Sequence[Tensor]) -> Tensor:
        """What the classifier sees, ``[R, N, inputs]``, of the activities after each block.

        Raises
        ------
        ValueError
            If it has no classifier.
        """
        self._needs_classifier("classifier_inputs")
        return classifier_inputs(self._classified, activities)

    @torch.no_grad()
    def log_densities(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """Every layer's loss of every image, ``[L, N]``: the paper's outlier score.

        The mean over positions of the largest component's log score, in nats.
        """
        bank = _bank(parameters)
        return torch.cat(
            [self.network.layer_losses(bank, part)[:, 0] for part in self._parts(bank, pixels)],
            dim=1,
        )

    @property
    def is_normalised(self) -> bool:
        """Whether it is a density of images: one mixture layer over all pixels, each once."""
        lowest = self._mixtures[0]
        before = self.network.shapes[lowest]
        if lowest != len(self.network.blocks) - 1 or before.channels != self.images.pixels:
            return False
        return not any(isinstance(block, Pooling) for block in self.network.blocks)

    @torch.no_grad()
    def log_likelihood(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """log p(x), ``[N]``, by all components of the only mixture layer."""
        self._needs_normalisation("log_likelihood")
        bank = _bank(parameters)
        return torch.cat(
            [
                self.network.layer_log_likelihoods(bank, part)[0, 0]
                for part in self._parts(bank, pixels)
            ]
        )

    @torch.no_grad()
    def draw(
        self,
        parameters: Parameters,
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
        noise: bool = True,
    ) -> Tensor:
        """Images ``[count, D]`` from the top layer down, or for a label from the classifier.

        Without ``noise`` pixels are the lowest mixture layer's centroids; what the layers above it
        draw decides which, and is drawn as ever.
        """
        return self._drawn(_bank(parameters), count, generator, label, noise=noise)

    @property
    def has_sharpening(self) -> bool:
        """Whether steps are to be made, and foldings or poolings lose what they could restore."""
        steps = self.sharpening_steps > 0
        return steps and loses_information(self.network.blocks, self.network.shapes)

    @torch.no_grad()
    def draw_sharpened(
        self,
        parameters: Parameters,
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
    ) -> Tensor:
        """As `draw`, with the same random numbers, and sharpening below every folding."""
        if not self.has_sharpening:
            raise ValueError(
                f"the layout {self._layout} with {self.sharpening_steps} sharpening steps has "
                "nothing to sharpen; it takes steps, and foldings that overlap or poolings"
            )
        bank = _bank(parameters)

        def correct(index: int, control: Tensor) -> Tensor:
            steps, rate = self.sharpening_steps, self.sharpening_rate
            return sharpened(self.network, bank, index, control, steps=steps, rate=rate)

        return self._drawn(bank, count, generator, label, correct)

    @torch.no_grad()
    def variants(
        self,
        parameters: Parameters,
        pixels: Tensor,
        count: int,
        generator: torch.Generator,
        *,
        layer: int | None = None,
    ) -> Tensor:
        """Variants ``[N, count, D]`` by the responsibilities of a mixture layer, section IV-E.

        ``layer`` is its number from 1, by default the top one's; the lower, the more alike.
        """
        index = self._mixtures[-1 if layer is None else layer - 1]
        bank = _bank(parameters)
        found = []
        for part in self._parts(bank, pixels):
            control = self.network.forward(bank, part, stop=index + 1)[-1]
            repeated = control.repeat_interleave(count, dim=1)
            drawn = self._downwards(bank, repeated, index, generator)
            found.append(drawn.view(-1, count, drawn.shape[1]))
        return torch.cat(found)

    @torch.no_grad()
    def inpaint(
        self,
        parameters: Parameters,
        pixels: Tensor,
        hidden: Tensor,
        generator: torch.Generator,
        *,
        zeroed: bool = False,
    ) -> Tensor:
        """Hidden pixels drawn by the top layer's responsibilities, section IV-E, ``[N, D]``.

        Hidden pixels are left out of the lowest mixture layer's scores, or taken for 0.
        """
        bank = _bank(parameters)
        drawn = [
            self._downwards(bank, control, len(self.network.blocks) - 1, generator)
            for control in self._top_activities(bank, pixels, hidden, zeroed)
        ]
        return _filled(pixels, hidden, torch.cat(drawn))

    def expected(self, parameters: Parameters, pixels: Tensor, hidden: Tensor) -> Tensor:
        """Hidden pixels by expected centroids, every layer's by what the one above expects.

        Exact where the model is normalised. Above the lowest of several layers means are taken
        where drawing would choose.
        """
        return self._expected(parameters, pixels, hidden, zeroed=False)

    def expected_zeroed(self, parameters: Parameters, pixels: Tensor, hidden: Tensor) -> Tensor:
        """As `expected`, where hidden pixels are taken for zeros that were observed."""
        return self._expected(parameters, pixels, hidden, zeroed=True)

    @torch.no_grad()
    def conditional_log_density(
        self, parameters: Parameters, pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        """log p(hidden | visible) in nats, ``[N]``, float64: the joint's less the visible's."""
        self._needs_normalisation("conditional_log_density")
        bank, mask = _bank(parameters), self._mask(hidden)
        return torch.cat(
            [
                conditional_log_density(self.network, bank, part, mask)[0]
                for part in self._parts(bank, pixels)
            ]
        )

    @property
    def has_classifier(self) -> bool:
        """Whether a classifier was trained beside the layers."""
        return self.classifier != "none"

    @torch.no_grad()
    def class_log_probabilities(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """log p(class | image), ``[N, S]``."""
        self._needs_classifier("class_log_probabilities")
        bank = _bank(parameters)
        return torch.cat(
            [
                log_probabilities(bank, self.classifier_inputs(self.network.forward(bank, part)))[0]
                for part in self._parts(bank, pixels)
            ]
        )

    def centroids(self, parameters: Parameters) -> Tensor:
        """The lowest layer's, ``[K, f, f, C]``, or ``[positions * K, f, f, C]``; not clamped.

        Raises
        ------
        ValueError
            If what is below the lowest mixture layer is not one folding.
        """
        if self._mixtures[0] != 1 or isinstance(self.network.blocks[0], Pooling):
            raise ValueError(
                f"the centroids of the layout {self._layout} are no patches of images; those of a "
                "layout are that begins with one folding and a mixture layer"
            )
        values = parameters["layer_1.centroids"]
        channels = self.images.channels
        side = math.isqrt(values.shape[-1] // channels)
        return values.reshape(-1, side, side, channels)

    @torch.no_grad()
    def _expected(
        self, parameters: Parameters, pixels: Tensor, hidden: Tensor, *, zeroed: bool
    ) -> Tensor:
        bank = _bank(parameters)
        found = [
            expected_images(self.network, bank, control)[0]
            for control in self._top_activities(bank, pixels, hidden, zeroed)
        ]
        return _filled(pixels, hidden, self._as_pixels(torch.cat(found)))

    def _top_activities(
        self, bank: Parameters, pixels: Tensor, hidden: Tensor, zeroed: bool
    ) -> Iterator[Tensor]:
        """Responsibilities of the top layer ``[1, n, 1, 1, K]`` for parts of the images."""
        mask = self._mask(hidden).to(bank["layer_1.centroids"].device)
        for part in self._parts(bank, pixels):
            if zeroed:
                yield self.network.forward(bank, part.masked_fill(mask, 0.0))[-1]
            else:
                yield activities_from_visible(self.network, bank, part, mask)[-1]

    def _drawn(
        self,
        bank: Parameters,
        count: int,
        generator: torch.Generator,
        label: int | None,
        correct: Correction | None = None,
        *,
        noise: bool = True,
    ) -> Tensor:
        if label is None:
            top = len(self.network.blocks) - 1
            # Paper, section III-C: without a control signal all components are equally probable.
            control = bank["layer_1.centroids"].new_ones(1, 1, *_sizes(self.network.shapes[-1]))
        else:
            self._needs_classifier(f"drawing from class {label}")
            top = self._classified[-1]
            control = class_control(bank, label, self._classified, self.network.shapes)
        parts = [min(BATCH, count - start) for start in range(0, count, BATCH)]
        drawn = [
            self._downwards(
                bank, control.expand(1, part, -1, -1, -1), top, generator, correct, noise=noise
            )
            for part in parts
        ]
        return torch.cat([control.new_zeros(0, self.images.pixels), *drawn])

    def _downwards(
        self,
        bank: Parameters,
        control: Tensor,
        top: int,
        generator: torch.Generator,
        correct: Correction | None = None,
        *,
        noise: bool = True,
    ) -> Tensor:
        """Pixels ``[n, D]`` that are drawn from a block's control signal downwards.

        Without ``noise`` the lowest mixture layer, which makes the pixels, adds none.
        """

        def draw(number: int, signal: Tensor) -> Tensor:
            layer = LayerParameters.of(bank, number)
            noisy = noise or number > 1
            return drawn_inputs(layer, signal, self.sampling, generator, noise=noisy)

        found = backward(self.network.blocks, self.network.shapes, control, top, draw, correct)
        return self._as_pixels(found[0])

    def _parts(self, bank: Parameters, pixels: Tensor) -> Iterator[Tensor]:
        """The images ``[1, n, H, W, C]``, a few at a time, in the parameters' type."""
        for part in torch.split(pixels, BATCH):
            yield self.network.as_images(part.to(bank["layer_1.centroids"]).unsqueeze(0))

    def _mask(self, hidden: Tensor) -> Tensor:
        """``[D]`` to ``[H, W, C]``."""
        return self.network.as_images(hidden.view(1, 1, -1))[0, 0]

    def _as_pixels(self, images: Tensor) -> Tensor:
        """``[N, H, W, C]`` to ``[N, D]``."""
        return images.movedim(-1, 1).flatten(1)

    @property
    def _mixtures(self) -> tuple[int, ...]:
        return mixture_indices(self.network.blocks)

    @property
    def _classified(self) -> tuple[int, ...]:
        return classifier_blocks(self.classifier, self.network.blocks)

    @property
    def _layout(self) -> str:
        return "-".join(map(str, self.network.blocks))

    def _needs_classifier(self, what: str) -> None:
        if not self.has_classifier:
            raise ValueError(
                f"{what} takes a classifier, and this DCGMM ({self._layout}) was built without "
                "one; set the hyperparameter classifier"
            )

    def _needs_normalisation(self, what: str) -> None:
        if not self.is_normalised:
            raise ValueError(
                f"{what} takes a density of whole images, and the layers of {self._layout} are "
                "densities of their inputs; one mixture layer over the whole image is one"
            )


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> DeepConvolutionalMixture:
    """The DCGMM with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the layout does not suit the images, with the sizes it got, or has too few layers for
        the classifier.
    """
    blocks = parse(hyperparameters["layout"])
    network = MixtureNetwork(blocks, Shape(images.height, images.width, images.channels))
    classifier_blocks(hyperparameters["classifier"], blocks)
    return DeepConvolutionalMixture(
        network=network,
        images=images,
        classifier=hyperparameters["classifier"],
        sampling=Sampling(
            top_values=hyperparameters["top_values"],
            noise_divisor=hyperparameters["noise_divisor"],
            upper_root=MAXIMUM_ROOT,
        ),
        sharpening_steps=hyperparameters["sharpening_steps"],
        sharpening_rate=hyperparameters["sharpening_rate"],
    )


def _bank(parameters: Parameters) -> dict[str, Tensor]:
    """One run's parameters as a bank of one."""
    return {name: value.unsqueeze(0) for name, value in parameters.items()}


def _sizes(shape: Shape) -> tuple[int, int, int]:
    return shape.height, shape.width, shape.channels


def _filled(pixels: Tensor, hidden: Tensor, found: Tensor) -> Tensor:
    """Pixels as they were given where they are visible, in their own type unless it is whole."""
    hidden = hidden.to(pixels.device)
    return torch.where(hidden, found.to(pixels.device, pixels.dtype), pixels)
