"""Top-down sampling of a circuit: which product every sum node on the way picks.

Ancestral sampling from the model, or, given the log densities of evidence at the leaves, from the
posterior over induced trees (section 3.1 of the SPVAE paper: every sum node is a latent variable).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from workflow_src.models.circuits.circuit import Circuit, log_sum_weights


def sample_leaf_components(
    circuit: Circuit,
    parameters: Mapping[str, Tensor],
    draws: int,
    generator: torch.Generator,
    evidence: Tensor | None = None,
) -> Tensor:
    """The leaf component picked at every leaf region, ``[draws, leaf regions]``.

    Parameters
    ----------
    circuit:
        The structure.
    parameters:
        Sum logits of one run (no run axis).
    draws:
        Number of independent samples.
    generator:
        Source of randomness, on the device of the parameters.
    evidence:
        Log densities of the leaf nodes given what is observed, ``[leaf nodes, draws]``, 0 where a
        leaf is unobserved. None samples from the model itself.

    Returns
    -------
    Component indices; -1 at a leaf region outside the picked tree, which a Poon-Domingos graph
    never has.
    """
    banked = {
        name: value.unsqueeze(0) for name, value in parameters.items() if "sum_logits" in name
    }
    root_logits = banked[f"circuit.{len(circuit.levels) - 1}.sum_logits"]
    device = root_logits.device
    below: Tensor | None = None
    if evidence is not None:
        sums = circuit.node_log_densities(banked, evidence.unsqueeze(0))
        below = torch.cat([evidence] + [s[0].flatten(0, 1) for s in sums])
    total = circuit.leaf_nodes + sum(len(lv.regions) * lv.sums for lv in circuit.levels)
    picked = torch.zeros(draws, total, dtype=torch.bool, device=device)
    picked[:, -1] = True
    for i in reversed(range(len(circuit.levels))):
        _descend(circuit, i, log_sum_weights(banked, i)[0], below, picked, generator)
    leaves = picked[:, : circuit.leaf_nodes].view(draws, -1, circuit.leaf_components)
    component = leaves.to(torch.int64).argmax(dim=2)
    return torch.where(leaves.any(dim=2), component, torch.full_like(component, -1))


def _descend(
    circuit: Circuit,
    index: int,
    log_weights: Tensor,
    below: Tensor | None,
    picked: Tensor,
    generator: torch.Generator,
) -> None:
    """Mark the two children of one product for every sum node of the level that is picked."""
    level = circuit.levels[index]
    for r in range(len(level.regions)):
        left = torch.tensor(level.left[r], device=picked.device)
        right = torch.tensor(level.right[r], device=picked.device)
        for s in range(level.sums):
            node = level.first_node + r * level.sums + s
            draws = picked[:, node].nonzero().squeeze(1)
            if not len(draws):
                continue
            scores = log_weights[r, s].expand(len(draws), -1)
            if below is not None:
                scores = scores + (below[left][:, draws] + below[right][:, draws]).T
            product = torch.multinomial(
                torch.softmax(scores.double(), dim=1), 1, generator=generator
            ).squeeze(1)
            picked[draws, left[product]] = True
            picked[draws, right[product]] = True
