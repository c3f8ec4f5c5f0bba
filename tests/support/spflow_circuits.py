"""RAT-SPNs of SPFlow over the same random trees, with the same parameters as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from spflow.meta.data.scope import Scope
from spflow.modules.leaves import Binomial, Normal
from spflow.modules.ops.split import SplitMode
from spflow.zoo.rat import RatSPN
from torch import Tensor

from workflow_src.models.circuits.einsum_network import EinsumNetwork


def spflow_rat_spn(network: EinsumNetwork) -> RatSPN:
    """SPFlow's instance, whose features are the leaf regions of every repetition."""
    depth = len(network.circuit.levels)
    repetitions = network.leaves.copies
    facts: dict[str, Any] = {
        "scope": Scope(list(range(network.images.pixels))),
        "out_channels": network.components,
        "num_repetitions": repetitions,
        "validate_args": False,
    }
    if network.images.likelihood == "gaussian":
        leaf = Normal(**facts)
    else:
        leaf = Binomial(total_count=torch.tensor(network.images.levels), **facts)
    spn = RatSPN(
        leaf_modules=[leaf],
        n_root_nodes=1,
        n_region_nodes=network.components,
        num_repetitions=repetitions,
        depth=depth,
        outer_product=True,
        split_mode=SplitMode.interleaved(2),
    )
    indices = torch.zeros(network.images.pixels, 2**depth, repetitions)
    for number, scope in enumerate(network.leaves.scopes):
        indices[list(scope), number % 2**depth, number // 2**depth] = 1
    module = spn.root_node
    while not hasattr(module, "indices"):
        module = below(module)
    module.indices.copy_(indices)
    return spn


def with_parameters(spn: RatSPN, parameters: Mapping[str, Tensor]) -> RatSPN:
    """The instance in float64, with the parameters of one run."""
    spn.double()
    (leaf,) = spn.leaf_modules
    if "leaf.mean" in parameters:
        leaf.loc.data = parameters["leaf.mean"].permute(1, 2, 0).contiguous()
        leaf.scale = parameters["leaf.variance"].permute(1, 2, 0).sqrt()
    else:
        leaf.probs = parameters["leaf.probability"].permute(1, 2, 0).contiguous()
    repetitions = parameters[f"level_{spn.depth - 1}.mixing"].shape[-1]
    for number, module in sums_of(spn).items():
        weights = parameters[f"level_{number}.weights"].unflatten(0, (repetitions, -1))
        module.weights = weights.permute(1, 3, 2, 0).contiguous()
    spn.root_node.weights = parameters[f"level_{spn.depth - 1}.mixing"].clone()
    return spn


def parameters_of_spflow(spn: RatSPN) -> dict[str, Tensor]:
    """What `with_parameters` was given, or what has become of it."""
    (leaf,) = spn.leaf_modules
    found = {f"level_{spn.depth - 1}.mixing": spn.root_node.weights.detach()}
    if hasattr(leaf, "loc"):
        found["leaf.mean"] = leaf.loc.detach().permute(2, 0, 1)
        found["leaf.variance"] = leaf.scale.detach().square().permute(2, 0, 1)
    else:
        found["leaf.probability"] = leaf.probs.detach().permute(2, 0, 1)
    for number, module in sums_of(spn).items():
        weights = module.weights.detach().permute(3, 0, 2, 1)
        found[f"level_{number}.weights"] = weights.flatten(0, 1)
    return found


def sums_of(spn: RatSPN) -> dict[int, Any]:
    """SPFlow's sums of products by our level."""
    found, module = {}, spn.root_node.inputs
    for number in reversed(range(spn.depth)):
        found[number] = module
        module = below(below(below(module)))  # product, split, and what is split
    return found


def below(module: Any) -> Any:
    """The one input of a module."""
    return module.inputs[0] if isinstance(module.inputs, torch.nn.ModuleList) else module.inputs
