"""The deep generative network of the EM-DGN paper: x = g(z) + noise, z standard normal.

g is a fully connected network of piecewise-affine units whose last layer is linear. One run's
trained numbers are ``weights.<l>`` [H_l, H_{l-1}] and ``biases.<l>`` [H_l] for l = 1 to L, and
``noise``: what its covariance is free to be, as `packed_noise` has it. They are float64. A
checkpoint of a variational run has its encoder beside them, which is no part of the density.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.models.deep_generative_network.encoder import Encoder
from workflow_src.models.images import ImageFacts
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.maximisation.gradients import Gradients
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance, NoiseKind

Tensors = dict[str, Tensor]

ENCODER = "state."
"""Before the names of an encoder's tensors in a checkpoint: as before those of all that is no
trained number of the density."""


@dataclass(frozen=True)
class GeneratorModel:
    """The shape of a deep generative network.

    Attributes
    ----------
    images:
        The points that it is a density of.
    widths:
        S, the hidden layers' units, D.
    activation:
        Of the hidden units.
    noise:
        What the covariance of the noise is free to be.
    starting_noise:
        Its standard deviation before training.
    """

    images: ImageFacts
    widths: tuple[int, ...]
    activation: Activation
    noise: NoiseKind
    starting_noise: float

    @property
    def latent_dimensions(self) -> int:
        """S."""
        return self.widths[0]

    @property
    def values(self) -> int:
        """D, the values of a point."""
        return self.widths[-1]

    @property
    def layers(self) -> int:
        """L, the last, linear one among them."""
        return len(self.widths) - 1

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's trained numbers, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (inputs, outputs) in enumerate(pairwise(self.widths), start=1):
            shapes[f"weights.{layer}"] = (outputs, inputs)
            shapes[f"biases.{layer}"] = (outputs,)
        return shapes | {"noise": noise_shape(self.noise, self.values)}

    def parameter_count(self) -> int:
        """Trained numbers of the density; an encoder's are not among them."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        """Where a run starts, whatever it is trained by.

        Weights of hidden layers are normal with variance 2 / inputs and their biases standard
        normal, so that the regions' borders lie where the latent variable is; the last layer's
        weights have variance 1 / inputs, and its biases are 0. The draws depend neither on the
        starting noise nor on what the noise's covariance is free to be.
        """
        parameters: Tensors = {}
        for layer, (inputs, outputs) in enumerate(pairwise(self.widths), start=1):
            weights = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
            biases = torch.randn(outputs, generator=generator, dtype=torch.float64)
            last = layer == self.layers
            parameters[f"weights.{layer}"] = weights * math.sqrt((1 if last else 2) / inputs)
            parameters[f"biases.{layer}"] = torch.zeros_like(biases) if last else biases
        variance = NoiseCovariance.isotropic(self.starting_noise**2, self.values)
        return parameters | {
            "noise": torch.from_numpy(packed_noise(_of_kind(variance, self.noise)))
        }

    def generative_network(self, parameters: Mapping[str, Tensor]) -> DeepGenerativeNetwork:
        """The density that has these parameters.

        Raises
        ------
        ValueError
            If a number is not finite or the noise is no covariance.
        """
        arrays = {name: _array(parameters[name]) for name in self.parameter_shapes()}
        layers = range(1, self.layers + 1)
        network = Network(
            tuple(arrays[f"weights.{layer}"] for layer in layers),
            tuple(arrays[f"biases.{layer}"] for layer in layers),
            self.activation,
        )
        noise = unpacked_noise(arrays["noise"], self.noise, self.values)
        return DeepGenerativeNetwork(network, noise)

    def parameters_of(self, density: DeepGenerativeNetwork) -> Tensors:
        """The parameters that `generative_network` makes that density of; copies."""
        parameters: Tensors = {}
        network = density.network
        for layer, (weights, biases) in enumerate(
            zip(network.weights, network.biases, strict=True), start=1
        ):
            parameters[f"weights.{layer}"] = torch.tensor(weights)
            parameters[f"biases.{layer}"] = torch.tensor(biases)
        return parameters | {"noise": torch.tensor(packed_noise(density.noise))}

    def encoded(
        self, parameters: Mapping[str, Tensor], points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Means [N, S] and covariances [N, S, S] of the encoder for points [N, D].

        None where the parameters, those of a checkpoint, hold no encoder.
        """
        own = {
            name.removeprefix(ENCODER): value.cpu().double()
            for name, value in parameters.items()
            if name.startswith(ENCODER)
        }
        if not own:
            return None
        encoder = Encoder.of(own)
        batch = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float64))
        with torch.no_grad():
            means, log_deviations = encoder(
                {name: value.unsqueeze(0) for name, value in own.items()}, batch.unsqueeze(0)
            )
        covariances = torch.diag_embed((2 * log_deviations).exp())
        return means[0].numpy(), covariances[0].numpy()


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> GeneratorModel:
    """The network with the hyperparameters that model.yaml declares."""
    hidden = [hyperparameters["hidden_units"]] * hyperparameters["hidden_layers"]
    if hidden and hyperparameters["last_hidden_units"]:
        hidden[-1] = hyperparameters["last_hidden_units"]
    return GeneratorModel(
        images=images,
        widths=(hyperparameters["latent_dimensions"], *hidden, images.pixels),
        activation=Activation(hyperparameters["activation"], hyperparameters["leak"]),
        noise=hyperparameters["noise_covariance"],
        starting_noise=hyperparameters["starting_noise"],
    )


def noise_shape(kind: NoiseKind, values: int) -> tuple[int, ...]:
    """Shape of `packed_noise` for points of so many values."""
    return {"isotropic": (), "diagonal": (values,), "full": (values * (values + 1) // 2,)}[kind]


def packed_noise(noise: NoiseCovariance) -> NDArray[np.float64]:
    """The free numbers of a covariance: variances, or of a full one its lower triangle by rows."""
    if noise.kind != "full":
        return noise.values
    return np.ascontiguousarray(noise.values[np.tril_indices(noise.dimensions)])


def unpacked_noise(packed: NDArray[np.float64], kind: NoiseKind, values: int) -> NoiseCovariance:
    """The covariance that `packed_noise` packs so."""
    if kind != "full":
        return NoiseCovariance(kind, packed, values)
    covariance = np.zeros((values, values))
    rows, columns = np.tril_indices(values)
    covariance[rows, columns] = packed
    covariance[columns, rows] = packed
    return NoiseCovariance(kind, covariance, values)


def packed_gradient(slopes: Gradients) -> Tensors:
    """Derivatives by the parameters of the model, from those by network and covariance."""
    packed: Tensors = {}
    for layer, (weights, biases) in enumerate(
        zip(slopes.weights, slopes.biases, strict=True), start=1
    ):
        packed[f"weights.{layer}"] = torch.tensor(weights)
        packed[f"biases.{layer}"] = torch.tensor(biases)
    noise = slopes.noise
    if noise.ndim == 2:
        # One number of the lower triangle moves two entries of the covariance.
        doubled = noise + noise.T - np.diag(np.diagonal(noise))
        noise = doubled[np.tril_indices(len(noise))]
    return packed | {"noise": torch.tensor(noise)}


def _of_kind(noise: NoiseCovariance, kind: NoiseKind) -> NoiseCovariance:
    """An isotropic covariance as one of another kind."""
    if kind == "full":
        return NoiseCovariance.full(noise.matrix())
    return NoiseCovariance.diagonal(noise.variances()) if kind == "diagonal" else noise


def _array(tensor: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().cpu().double().numpy().copy()
    return array
