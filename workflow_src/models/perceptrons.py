"""Banks of perceptrons in rows layout, with batch normalisation as DVAE++'s experiments have it.

Appendix F of the DVAE++ paper: hidden layers are dense, then normalised, then tanh. What the paper
leaves open follows the authors' program: the moving statistics take a fifth of every batch's, the
normalisation adds 0.01 to the variance, and dense layers keep their biases beside the shifts.
Weights start by the rule of the program that Table 1 follows (Tucker et al., 2017), which the
paper does not name: truncated normal, by the number of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from workflow_src.models.banks import initial_weight

Tensors = dict[str, Tensor]

NORMALISATION_MOMENTUM = 0.2
NORMALISATION_EPSILON = 1e-2


@dataclass(frozen=True)
class Perceptron:
    """A bank of equal networks with tanh hidden units and linear outputs.

    Shapes use R = runs in the bank, F = features; between them stand any axes, images last.

    Attributes
    ----------
    prefix:
        What the names of its parameters and of its state begin with.
    inputs:
        Features of every part of the input. Layer 0 has one weight for their concatenation.
    hidden:
        Widths of the hidden layers; none for a linear network.
    outputs:
        Features of the output.
    normalised:
        Whether hidden layers are batch-normalised before their tanh.
    """

    prefix: str
    inputs: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: int
    normalised: bool = False

    @property
    def decayed(self) -> frozenset[str]:
        """Names of its kernels and normalisation scales."""
        ends = (".weight", ".scale")
        return frozenset(name for name in self.parameter_shapes() if name.endswith(ends))

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        widths = (sum(self.inputs), *self.hidden, self.outputs)
        for layer, (inputs, outputs) in enumerate(pairwise(widths)):
            shapes[f"{self.prefix}.{layer}.weight"] = (inputs, outputs)
            shapes[f"{self.prefix}.{layer}.bias"] = (outputs,)
            if self.normalised and layer < len(self.hidden):
                shapes[f"{self.prefix}.{layer}.scale"] = (outputs,)
                shapes[f"{self.prefix}.{layer}.shift"] = (outputs,)
        return shapes

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        if not self.normalised:
            return {}
        return {
            f"{self.prefix}.{layer}.moving_{what}": (width,)
            for layer, width in enumerate(self.hidden)
            for what in ("mean", "variance")
        }

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        """One run's: weights as `initial_weight` has them, unit scales, zeros."""
        parameters = {}
        for name, shape in self.parameter_shapes().items():
            if name.endswith(".weight"):
                parameters[name] = initial_weight(shape, shape[0], generator)
            else:
                parameters[name] = torch.full(shape, float(name.endswith(".scale")))
        return parameters

    def initial_state(self) -> Tensors:
        """One run's: moving means of zero and variances of one."""
        return {
            name: torch.full(shape, float(name.endswith("variance")))
            for name, shape in self.state_shapes().items()
        }

    def __call__(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        parts: Sequence[Tensor],
        training: bool,
    ) -> tuple[Tensor, Tensors]:
        """Outputs [R, ..., outputs] and the new moving statistics (none in evaluation).

        ``parts`` are [R, ..., inputs] each; the axes between broadcast, and what a part shares
        along one of them is multiplied once.
        """
        moved: Tensors = {}
        values = _joint_linear(
            parts, parameters[f"{self.prefix}.0.weight"], parameters[f"{self.prefix}.0.bias"]
        )
        for layer in range(len(self.hidden)):
            name = f"{self.prefix}.{layer}"
            if self.normalised:
                values, statistics = _normalised(values, parameters, state, name, training)
                moved |= statistics
            values = torch.tanh(values)
            following = f"{self.prefix}.{layer + 1}"
            values = linear(
                values, parameters[f"{following}.weight"], parameters[f"{following}.bias"]
            )
        return values, moved


def linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Rows [R, ..., inputs] times weight [R, inputs, outputs], plus bias [R, outputs] if any."""
    rows = values.flatten(1, -2)
    if bias is None:
        product = torch.bmm(rows, weight)
    else:
        product = torch.baddbmm(bias.unsqueeze(1), rows, weight)
    return product.view(*values.shape[:-1], -1)


def _joint_linear(parts: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """The concatenation of the parts times one weight, without concatenating."""
    if len(parts) == 1:
        return linear(parts[0], weight, bias)
    weights = torch.split(weight, [part.shape[-1] for part in parts], dim=1)
    total = linear(parts[0], weights[0], bias)
    for part, own in zip(parts[1:], weights[1:], strict=True):
        total = total + linear(part, own, None)
    return total


def _normalised(
    values: Tensor,
    parameters: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    name: str,
    training: bool,
) -> tuple[Tensor, Tensors]:
    """Values [R, ..., F] normalised by their own statistics (training) or the moving ones."""
    mean, variance = state[f"{name}.moving_mean"], state[f"{name}.moving_variance"]
    scale, shift = parameters[f"{name}.scale"], parameters[f"{name}.shift"]
    if not training:
        factor = scale * torch.rsqrt(variance + NORMALISATION_EPSILON)
        offset = shift - mean * factor
        rows = values.flatten(1, -2)
        return torch.addcmul(offset.unsqueeze(1), rows, factor.unsqueeze(1)).view_as(values), {}
    runs, features = values.shape[0], values.shape[-1]
    mean, variance = mean.detach().clone(), variance.detach().clone()
    # Features of all runs side by side are so many channels to the library's own operation.
    columns = values.flatten(1, -2).transpose(0, 1).reshape(-1, runs * features)
    normalised = torch.nn.functional.batch_norm(
        columns,
        mean.view(-1),
        variance.view(-1),
        scale.reshape(-1),
        shift.reshape(-1),
        training=True,
        momentum=NORMALISATION_MOMENTUM,
        eps=NORMALISATION_EPSILON,
    )
    rows = normalised.view(-1, runs, features).transpose(0, 1).reshape(values.shape)
    return rows, {f"{name}.moving_mean": mean, f"{name}.moving_variance": variance}
