"""The DGC-SPN as a density of images, learned by expectation maximisation.

van de Wolfshaar and Pronobis, "Deep generalized convolutional sum-product networks for
probabilistic image representations" (2020), as section V of the DCGMM paper takes it: 4 normal
leaves of variance 1 at every pixel with centroids from the training data, local sums, and 2 x 2
products with doubling dilations. Colour images have leaves over all channels of a pixel.

The variance is 1 in standardised units: the deviation of all training values, plus 0.1 as in the
DCGMM authors' program. That program standardises every image by itself, after which there is no
density of images any more. Centroids are maximised too. Where pixels are few or vary little beside
the leaves' variance, this moves them to the mean image before the weights have told them apart: on
8 x 8 digits nothing but the mean is learned so, but much with fixed centroids.

Draws are draws from the density: a component at every pixel and normal noise around its centroid,
as all circuits here draw, and not cut off at the range of pixels; centroids where no noise is
wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.circuits.convolutional import (
    ROOT,
    SMALLEST_WEIGHT,
    ConvolutionalCircuit,
    Workspace,
)
from workflow_src.models.circuits.convolutional_geometry import ConvolutionalGeometry
from workflow_src.models.circuits.convolutional_leaves import NormalLeaves
from workflow_src.models.circuits.convolutional_sampling import draw_components
from workflow_src.models.images import ImageFacts

CENTROIDS = "leaves.centroids"
DEVIATION = "leaves.deviation"

_SMALLEST_DEVIATION = 0.1
"""What the authors' program adds to the deviation that it standardises by."""

# Statistics of the leaves: their posterior probabilities, and those times the values.
_SHARES, _SUMS = "leaves.shares", "leaves.sums"

_IMAGES_AT_ONCE = 128
"""Images of one pass: a batch of training is one, and the test set takes little more memory."""


@dataclass(frozen=True)
class DgcSpn:
    """A convolutional circuit over normal leaves.

    Parameters of one run: ``leaves.centroids`` ``[height, width, leaf components, channels]``, the
    weights of `ConvolutionalCircuit`, and ``leaves.deviation`` ``[1]``, which is not trained.
    R = runs, N = images, D = values of an image, ordered by channel, row and column. Expectation
    maximisation works on parameters ``[R, ...]`` and pixels ``[R, N, D]``, one run after the other
    in the same memory; all else takes those of one run.
    """

    images: ImageFacts
    circuit: ConvolutionalCircuit
    leaves: NormalLeaves
    concentration: float
    standardised: bool
    trains_centroids: bool
    workspace: Workspace = field(default_factory=Workspace, repr=False, compare=False)

    @property
    def layer_names(self) -> tuple[str, ...]:
        return ("root",)

    @property
    def is_normalised(self) -> bool:
        return True

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        leaves: dict[str, tuple[int, ...]] = {
            CENTROIDS: self.leaves.centroids_shape,
            DEVIATION: (1,),
        }
        return leaves | self.circuit.parameter_shapes()

    def parameter_count(self) -> int:
        """All numbers of one run as Table IV of the DCGMM paper counts them.

        To the weights it adds the centroids, be they trained or not, and the constant variances,
        one for each value of a centroid, though they are all the same here.
        """
        weights = sum(math.prod(shape) for shape in self.circuit.parameter_shapes().values())
        return weights + 2 * math.prod(self.leaves.centroids_shape)

    def initial_parameters(self, generator: torch.Generator, images: Tensor) -> dict[str, Tensor]:
        """One run's start: centroids of training images ``[N, D]``, weights at random.

        Raises
        ------
        ValueError
            If there are fewer images than leaf components.
        """
        values = images.to(torch.float32)
        centroids = self.leaves.initial_centroids(values)
        deviation = values.new_ones(1)
        if self.standardised:
            deviation = (values.double().std(correction=0) + _SMALLEST_DEVIATION).to(values).view(1)
        weights = self.circuit.initial_parameters(generator, self.concentration)
        made = {name: value.to(images.device) for name, value in weights.items()}
        return {CENTROIDS: centroids, DEVIATION: deviation} | made

    def expectations(
        self, parameters: Mapping[str, Tensor], pixels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Log densities ``[R, N]`` in nats and statistics ``[R, ...]``, summed over images.

        Statistics of a weight, by its name, say how often an image's induced tree takes it;
        ``leaves.shares`` how often it takes each leaf, and ``leaves.sums`` the sums of the values
        that it takes them for.
        """
        found = [
            self._expectations(_run(parameters, run), images) for run, images in enumerate(pixels)
        ]
        statistics = {
            name: torch.stack([one.pop(name) for _, one in found]) for name in list(found[0][1])
        }
        return torch.stack([log_densities for log_densities, _ in found]), statistics

    def maximised(
        self,
        parameters: Mapping[str, Tensor],
        statistics: Mapping[str, Tensor],
        step_size: float,
    ) -> dict[str, Tensor]:
        """Parameters ``[R, ...]`` after a step towards the maximum given the statistics.

        (1 - step_size) times the parameters plus step_size times the weights and centroids that
        maximise the expected log likelihood; centroids move only where they are trained. A sum or
        leaf that no image uses stays.
        """
        result = {name: parameters[name] for name in (CENTROIDS, DEVIATION)}
        if self.trains_centroids:
            shares = statistics[_SHARES].unsqueeze(-1)
            means = statistics[_SUMS] / shares
            result[CENTROIDS] = _blended(parameters[CENTROIDS], means, shares, step_size)
        for name in self.circuit.parameter_shapes():
            uses = statistics[name]
            total = uses.sum(dim=(1, 2, 3) if name == ROOT else -1, keepdim=True)
            blended = _blended(parameters[name], uses / total, total, step_size)
            result[name] = blended.clamp_(min=SMALLEST_WEIGHT)
        return result

    def log_density(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """Log densities of ``pixels [R, N, D]`` in nats, ``[R, N]``."""
        found = [
            self.log_likelihood(_run(parameters, run), images) for run, images in enumerate(pixels)
        ]
        return torch.stack(found)

    def log_densities(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """The root's log density of every image, ``[1, N]``, in nats."""
        return self.log_likelihood(parameters, pixels).unsqueeze(0)

    @torch.no_grad()
    def log_likelihood(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor | None = None
    ) -> Tensor:
        """log p of the images' values that are not hidden, in nats, ``[N]``.

        ``pixels [N, D]``; ``hidden [D]`` bool, of values that are integrated out; None for none.
        """
        found = [
            self.circuit.upward(
                parameters,
                self._leaf_densities(parameters, maps, hidden),
                keep=False,
                workspace=self.workspace,
            ).log_density
            for maps in self._chunks(pixels.to(parameters[CENTROIDS]))
        ]
        return torch.cat(found) if found else pixels.new_zeros(0)

    @torch.no_grad()
    def draw(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
        noise: bool = True,
    ) -> Tensor:
        """Images ``[count, D]`` drawn from the density; with the leaves' noise, and not cut off.

        Without ``noise`` they are the centroids of the leaves that were picked.

        Raises
        ------
        ValueError
            If a label is given: the circuit has no classifier.
        """
        if label is not None:
            raise ValueError(
                f"a DGC-SPN cannot draw images of label {label}: it has no classifier; "
                "train one on the images of that label alone"
            )
        drawn = [
            draw_components(
                self.circuit, parameters, min(_IMAGES_AT_ONCE, count - start), generator
            )
            for start in range(0, count, _IMAGES_AT_ONCE)
        ]
        if not drawn:
            return parameters[CENTROIDS].new_zeros(0, self.images.pixels)
        components = torch.cat(drawn, dim=2)
        if not noise:
            return self._centres(parameters, components)
        return self._noisy(parameters, components, generator)

    @torch.no_grad()
    def inpaint(
        self,
        parameters: Mapping[str, Tensor],
        pixels: Tensor,
        hidden: Tensor,
        generator: torch.Generator,
        *,
        zeroed: bool = False,
    ) -> Tensor:
        """Images whose hidden values are drawn given the visible ones; see `Inpaints`.

        ``zeroed`` makes no difference: hidden values are integrated out exactly.
        """
        filled = pixels.to(parameters[CENTROIDS]).clone()
        for images in _parts(filled):
            maps = self.leaves.maps(images)
            up = self.circuit.upward(
                parameters,
                self._leaf_densities(parameters, maps, hidden),
                workspace=self.workspace,
            )
            components = draw_components(self.circuit, parameters, len(images), generator, up)
            drawn = self._noisy(parameters, components, generator)
            images[:, hidden] = drawn[:, hidden]
        return filled

    @torch.no_grad()
    def expected(self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor) -> Tensor:
        """Images whose hidden values are their expectation given the visible ones, ``[N, D]``."""
        filled = pixels.to(parameters[CENTROIDS]).clone()
        for images in _parts(filled):
            maps = self.leaves.maps(images)
            up = self.circuit.upward(
                parameters,
                self._leaf_densities(parameters, maps, hidden),
                workspace=self.workspace,
            )
            flows, _ = self.circuit.downward(parameters, up)
            means = self.leaves.images(self.leaves.expected(parameters[CENTROIDS], flows))
            images[:, hidden] = means[:, hidden]
        return filled

    def conditional_log_density(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        """log p(hidden | visible) of every image in nats, ``[N]``."""
        visible = self.log_likelihood(parameters, pixels, hidden)
        return self.log_likelihood(parameters, pixels) - visible

    @torch.no_grad()
    def _expectations(
        self, parameters: Mapping[str, Tensor], pixels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """`expectations` of one run: ``[N]``, and statistics without a run axis."""
        log_densities: list[Tensor] = []
        total: dict[str, Tensor] = {}
        for maps in self._chunks(pixels.to(parameters[CENTROIDS])):
            leaves = self._leaf_densities(parameters, maps, None)
            up = self.circuit.upward(parameters, leaves, workspace=self.workspace)
            log_densities.append(up.log_density)
            flows, statistics = self.circuit.downward(parameters, up)
            statistics[_SHARES], statistics[_SUMS] = self.leaves.statistics(flows, maps)
            for name, value in statistics.items():
                total[name] = total[name].add_(value) if name in total else value
        return torch.cat(log_densities), total

    def _leaf_densities(
        self, parameters: Mapping[str, Tensor], maps: Tensor, hidden: Tensor | None
    ) -> Tensor:
        visible = None
        if hidden is not None:
            shape = (self.images.channels, self.images.height, self.images.width)
            visible = ~hidden.view(shape).permute(1, 2, 0)
        return self.leaves.log_densities(
            parameters[CENTROIDS], parameters[DEVIATION], maps, visible
        )

    def _chunks(self, pixels: Tensor) -> Iterator[Tensor]:
        """Maps of so many images at a time."""
        for images in _parts(pixels):
            yield self.leaves.maps(images)

    def _centres(self, parameters: Mapping[str, Tensor], components: Tensor) -> Tensor:
        """Values ``[N, D]``: centroids of components ``[height, width, N]``."""
        wanted = components.unsqueeze(3).expand(-1, -1, -1, self.images.channels)
        return self.leaves.images(parameters[CENTROIDS].gather(2, wanted).transpose(2, 3))

    def _noisy(
        self, parameters: Mapping[str, Tensor], components: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Values ``[N, D]`` from the leaves of components ``[height, width, N]``."""
        means = self._centres(parameters, components)
        noise = torch.randn(
            means.shape, generator=generator, device=means.device, dtype=means.dtype
        )
        return means + parameters[DEVIATION] * noise


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> DgcSpn:
    """The DGC-SPN with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the likelihood is not ``gaussian``, or images have fewer than two pixels.
    """
    if images.likelihood != "gaussian":
        raise ValueError(
            f"a DGC-SPN has normal leaves, for likelihood gaussian, not {images.likelihood}"
        )
    components = hyperparameters["leaf_components"]
    geometry = ConvolutionalGeometry(images.height, images.width)
    circuit = ConvolutionalCircuit(geometry, components, hyperparameters["sums"])
    leaves = NormalLeaves(images.height, images.width, images.channels, components)
    return DgcSpn(
        images,
        circuit,
        leaves,
        hyperparameters["concentration"],
        standardised=hyperparameters["standardisation"] == "whole",
        trains_centroids=hyperparameters["centroids"] == "trained",
    )


def _run(parameters: Mapping[str, Tensor], run: int) -> dict[str, Tensor]:
    return {name: value[run] for name, value in parameters.items()}


def _blended(old: Tensor, new: Tensor, uses: Tensor, step_size: float) -> Tensor:
    """From old towards new where there are uses, and the old values elsewhere; changes ``new``."""
    torch.lerp(old, new, step_size, out=new)
    unused = uses <= 0
    return torch.where(unused, old, new) if unused.any() else new


def _parts(images: Tensor) -> Iterator[Tensor]:
    """Views of so many images at a time."""
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        yield images[start : start + _IMAGES_AT_ONCE]
