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
        Sum logits of one run (no run axis); other parameters are ignored.
    draws:
        Number of independent samples.
    generator:
        Source of randomness, on the device of the parameters.
    evidence:
        Log densities of the leaf nodes given what is observed, ``[leaf nodes, draws]``, 0 where a
        leaf is unobserved. None samples from the model itself.

    Raises
    ------
    ValueError
        If a draw's evidence has density 0 under every tree.
    """
    banked = {
        name: value.detach().unsqueeze(0)
        for name, value in parameters.items()
        if name.startswith("circuit.")
    }
    device = banked["circuit.0.sum_logits"].device
    below: Tensor | None = None
    if evidence is not None:
        sums = circuit.node_log_densities(banked, evidence.unsqueeze(0))
        below = torch.cat([evidence] + [s[0].flatten(0, 1) for s in sums]).T.contiguous()
        if torch.any(below[:, -1] == -torch.inf):
            raise ValueError("the evidence is impossible under the circuit: its density is 0")
    total = circuit.leaf_nodes + sum(len(lv.regions) * lv.sums for lv in circuit.levels)
    picked = torch.zeros(draws, total, dtype=torch.bool, device=device)
    picked[:, -1] = True
    for i in reversed(range(len(circuit.levels))):
        _descend(circuit, i, log_sum_weights(banked, i)[0], below, picked, generator)
    leaves = picked[:, : circuit.leaf_nodes].view(draws, -1, circuit.leaf_components)
    return leaves.to(torch.int64).argmax(dim=2)


def _descend(
    circuit: Circuit,
    index: int,
    log_weights: Tensor,
    below: Tensor | None,
    picked: Tensor,
    generator: torch.Generator,
) -> None:
    """Mark the two children of one product for every sum node of the level that is picked.

    ``below`` holds the nodes' log densities ``[draws, nodes]``, ``picked`` is ``[draws, nodes]``.
    """
    level = circuit.levels[index]
    nodes = len(level.regions) * level.sums
    of_level = picked[:, level.first_node : level.first_node + nodes]
    draw, node = of_level.nonzero(as_tuple=True)
    if not len(draw):
        return
    left, right = (
        indices.view(len(level.regions), level.products)[node // level.sums]
        for indices in circuit.product_indices(picked.device)[index]
    )
    scores = log_weights.flatten(0, 1)[node]
    if below is not None:
        scores = scores + below[draw.unsqueeze(1), left] + below[draw.unsqueeze(1), right]
    shares = torch.softmax(scores.double(), dim=1)
    product = torch.multinomial(shares, 1, generator=generator)
    picked[draw, left.gather(1, product).squeeze(1)] = True
    picked[draw, right.gather(1, product).squeeze(1)] = True
