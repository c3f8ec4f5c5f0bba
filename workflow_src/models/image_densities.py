"""What the evaluation of image densities asks of a model: scores, draws, and what some can do.

Every model has `ImageDensity`. The other protocols are abilities; a model that has an ability for
some of its hyperparameters only says so by a property, which is to be asked first.

Parameters are those of one run, without a run axis. Pixels ``[N, D]`` are as the data has them:
D values ordered by channel, row and column, floats in [0, 1] (``gaussian``) or whole counts
(``binomial``). N = images, L = layers with a score, S = classes. Nothing has gradients, and all
that is random is decided by the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class ImageDensity(Protocol):
    """A model that scores images and draws them."""

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The L layers that have a score, the lowest first; ``("root",)`` for a circuit."""
        ...

    def parameter_count(self) -> int:
        """Trained numbers of one run."""
        ...

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters, by name."""
        ...

    def log_densities(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """Every layer's score of every image in nats, ``[L, N]``; the top layer is last.

        A circuit's is its log density. Where it is a density of something else than the image, or
        of none, as a layer of a convolutional mixture has it, scores order images and no more.
        """
        ...

    def draw(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
        noise: bool = True,
    ) -> Tensor:
        """So many images, ``[count, D]``, in the data's units: floats, or counts.

        They are draws from the density and not cut: those of a normal density may leave [0, 1].
        Whoever shows or judges them as images cuts them.

        Parameters
        ----------
        label:
            The class to draw from; only for a model that has a classifier.
        noise:
            Whether pixels are drawn around the means of the components that were chosen. Without,
            they are these means, floats also of counts. A generator of the same seed brings the
            same choices either way.

        Raises
        ------
        ValueError
            If there is no classifier for the label, or no such class.
        """
        ...


@runtime_checkable
class Normalised(Protocol):
    """A model whose score may be a density of the whole image, normalised over all images."""

    @property
    def is_normalised(self) -> bool:
        """Whether `log_likelihood` may be called."""
        ...

    def log_likelihood(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """log p(x) of every image in nats, ``[N]``.

        Raises
        ------
        ValueError
            If the model is not normalised.
        """
        ...


@runtime_checkable
class Inpaints(Protocol):
    """A model that fills in hidden pixels. ``hidden`` is ``[D]``, the same for all images."""

    def inpaint(
        self,
        parameters: Mapping[str, Tensor],
        pixels: Tensor,
        hidden: Tensor,
        generator: torch.Generator,
        *,
        zeroed: bool = False,
    ) -> Tensor:
        """The images with their hidden pixels drawn given the visible ones, ``[N, D]``.

        Visible pixels are those that were given, bit for bit; hidden ones are as those that
        `ImageDensity.draw` gives, and do not depend on what stood there.

        Parameters
        ----------
        zeroed:
            Take hidden pixels for observed zeros, as the DCGMM paper does; a circuit has no use for
            it, as it integrates them out.
        """
        ...

    def expected(self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor) -> Tensor:
        """The images with their hidden pixels by their expectation, ``[N, D]`` floats.

        Visible pixels are those that were given; of counts the expectation is no count.
        """
        ...

    def conditional_log_density(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        """log p(hidden | visible) of every image in nats, ``[N]``.

        Raises
        ------
        ValueError
            If the model is not normalised; see `Normalised`.
        """
        ...


@runtime_checkable
class InpaintsZeroed(Protocol):
    """A model to which it makes a difference whether hidden pixels are left out or taken for 0."""

    def expected_zeroed(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        """As `Inpaints.expected`, but hidden pixels are taken for observed zeros, ``[N, D]``.

        What the DCGMM paper does, to compare with leaving them out.
        """
        ...


@runtime_checkable
class Sharpens(Protocol):
    """A model that may correct the statistics of what it draws, by section IV-C of the paper."""

    @property
    def has_sharpening(self) -> bool:
        """Whether `draw_sharpened` may be called: it takes a folding layer below a mixture layer
        that is not the lowest."""
        ...

    def draw_sharpened(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
    ) -> Tensor:
        """As `draw`, with sharpening, ``[count, D]``.

        A generator of the same seed brings the same choices at the top as `draw`: what differs
        below them is sharpening's doing.

        Raises
        ------
        ValueError
            If nothing can be sharpened, or as `draw` says.
        """
        ...


@runtime_checkable
class Varies(Protocol):
    """A model that draws images similar to given ones."""

    def variants(
        self,
        parameters: Mapping[str, Tensor],
        pixels: Tensor,
        count: int,
        generator: torch.Generator,
    ) -> Tensor:
        """So many variants of every image, ``[N, count, D]``, as `ImageDensity.draw` has them."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """A model that may have a classifier on its layers."""

    @property
    def has_classifier(self) -> bool:
        """Whether `class_log_probabilities` may be called."""
        ...

    def class_log_probabilities(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """log p(class | image), ``[N, S]``; classes are digits from 0.

        Raises
        ------
        ValueError
            If it has no classifier.
        """
        ...


@runtime_checkable
class HasCentroids(Protocol):
    """A model whose lowest layer has centroids that are patches of images."""

    def centroids(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """The lowest layer's centroids, ``[K, f, f, C]``, channels last, in the data's units.

        Where positions have parameters of their own, positions are joined to components, the
        position varying slowest: ``[positions * K, f, f, C]``.
        """
        ...
