"""Sharpening climbs: its direction against autograd, and the loss it is to raise."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from workflow_src.layouts import Folding, Shape, parse, shapes
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.models.convolutional_mixtures.sharpening import (
    BATCH,
    ascent_direction,
    loses_information,
    sharpened,
    target_index,
)

LAYOUTS = (
    "F(3,1)-G(4)-F(4,2)-G(9)-F(2,1)-G(4)",
    "F(3,1)-G(4,independent)-P(2,2)-F(4,1)-G(9)",
    "F(3,1)-P(2,2)-G(9)-F(4,1)-G(4)",
)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trained(notation: str) -> tuple[MixtureNetwork, dict[str, torch.Tensor]]:
    """Parameters of two runs that stand for trained ones: apart from each other."""
    side = 10 if "P(2,2)" in notation else 8
    network = MixtureNetwork(parse(notation), Shape(side, side, 1))
    generator = stream(2)
    parameters = {}
    for name, shape in network.parameter_shapes().items():
        values = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
        parameters[name] = 1 + 3 * values if name.endswith("roots") else values
    return network, parameters


def foldings(network: MixtureNetwork) -> list[int]:
    return [i for i, block in enumerate(network.blocks) if isinstance(block, Folding)]


def scores_by_hand(
    network: MixtureNetwork, parameters: dict[str, torch.Tensor], index: int, control: torch.Tensor
) -> torch.Tensor:
    """The target's mean over positions of the best log score, [R, N], from the definition."""
    target = target_index(network.blocks, index)
    number = sum("G" in str(block) for block in network.blocks[: target + 1])
    inputs = network.forward(parameters, control, start=index, stop=target)[-1]
    centroids, roots, logits = (
        parameters[f"layer_{number}.{name}"]
        for name in ("centroids", "precision_roots", "weight_logits")
    )
    normal = torch.distributions.Normal(centroids[:, None], 1 / roots[:, None])
    scores = normal.log_prob(inputs.flatten(2, 3).unsqueeze(3)).sum(dim=-1)
    return (scores + logits.log_softmax(dim=-1)[:, None]).amax(dim=-1).mean(dim=-1)


@pytest.mark.parametrize("notation", LAYOUTS)
def test_the_direction_is_the_gradient_of_the_mean_over_a_batch(notation: str) -> None:
    network, parameters = trained(notation)
    for index in foldings(network):
        shape = network.shapes[index]
        control = torch.rand(
            2, BATCH, shape.height, shape.width, shape.channels,
            generator=stream(index), dtype=torch.float64, requires_grad=True,
        )  # fmt: skip
        loss = scores_by_hand(network, parameters, index, control).mean(dim=1).sum()
        (expected,) = torch.autograd.grad(loss, control)
        found = ascent_direction(network, parameters, index, control)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("notation", LAYOUTS)
def test_no_image_depends_on_how_many_are_drawn(notation: str) -> None:
    network, parameters = trained(notation)
    shape = network.shapes[0]
    control = torch.rand(
        2, 7, shape.height, shape.width, 1, generator=stream(), dtype=torch.float64
    )
    together = ascent_direction(network, parameters, 0, control)
    torch.testing.assert_close(
        ascent_direction(network, parameters, 0, control[:, :2]), together[:, :2]
    )


@pytest.mark.parametrize("notation", LAYOUTS)
def test_sharpening_raises_the_loss_of_the_target_layer(notation: str) -> None:
    network, parameters = trained(notation)
    for index in foldings(network):
        shape = network.shapes[index]
        control = torch.rand(
            2, 9, shape.height, shape.width, shape.channels, generator=stream(), dtype=torch.float64
        )
        losses = [scores_by_hand(network, parameters, index, control)]
        for _ in range(4):
            control = sharpened(network, parameters, index, control, steps=25, rate=1.0)
            losses.append(scores_by_hand(network, parameters, index, control))
        for before, after in pairwise(losses):
            assert (after > before).all()


def test_no_steps_change_nothing_and_steps_need_no_gradients() -> None:
    network, parameters = trained(LAYOUTS[0])
    control = torch.rand(2, 3, 8, 8, 1, generator=stream(), dtype=torch.float64)
    assert torch.equal(sharpened(network, parameters, 0, control, steps=0, rate=1.0), control)
    with torch.no_grad():
        found = sharpened(network, parameters, 0, control, steps=2, rate=1.0)
    assert not found.requires_grad
    assert not torch.equal(found, control)


@pytest.mark.parametrize(
    ("notation", "side", "expected"),
    [
        ("F(8,1)-G(25)", 8, False),
        ("F(4,4)-G(25)-F(2,1)-G(25)", 8, False),
        ("F(3,1)-G(25)-F(6,1)-G(25)", 8, True),
        ("F(2,2)-G(25)-P(2,2)-F(2,1)-G(25)", 8, True),
    ],
)
def test_information_is_lost_where_patches_overlap_or_are_pooled(
    notation: str, side: int, *, expected: bool
) -> None:
    blocks = parse(notation)
    assert loses_information(blocks, shapes(blocks, Shape(side, side, 1))) is expected


def test_the_target_is_the_next_mixture_layer_above() -> None:
    blocks = parse("F(3,1)-P(2,2)-G(9)-F(4,1)-G(4)")
    assert [target_index(blocks, index) for index in (0, 1, 3)] == [2, 2, 4]
