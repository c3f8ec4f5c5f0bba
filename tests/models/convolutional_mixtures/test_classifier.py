"""The classifier forwards against torch's linear layer, and backwards against its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from workflow_src.layouts import Shape, parse, shapes
from workflow_src.models.convolutional_mixtures.classifier import (
    class_control,
    classifier_blocks,
    classifier_inputs,
    classifier_shapes,
    log_probabilities,
)

BLOCKS = parse("F(3,1)-G(4)-F(2,2)-G(9)-F(3,1)-G(16)")
SHAPES = shapes(BLOCKS, Shape(8, 8, 1))


def parameters(seen: tuple[int, ...], runs: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return {
        name: torch.randn(runs, *shape, generator=generator, dtype=torch.float64)
        for name, shape in classifier_shapes(seen, SHAPES).items()
    }


@pytest.mark.parametrize(
    ("choice", "blocks", "inputs"),
    [
        ("none", (), 0),
        ("highest", (5,), 16),
        ("two_highest", (3, 5), 9 * 9 + 16),
        ("lowest", (1,), 36 * 4),
    ],
)
def test_it_sees_the_layers_that_it_is_named_for(
    choice: str, blocks: tuple[int, ...], inputs: int
) -> None:
    seen = classifier_blocks(choice, BLOCKS)
    assert seen == blocks
    expected = {"classifier.weight": (inputs, 10), "classifier.bias": (10,)} if inputs else {}
    assert classifier_shapes(seen, SHAPES) == expected


def test_two_layers_take_two() -> None:
    with pytest.raises(ValueError, match=r"needs two mixture layers.*F\(8,1\)-G\(25\).*highest"):
        classifier_blocks("two_highest", parse("F(8,1)-G(25)"))


def test_an_unknown_choice_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown classifier 'all'; known are none, highest"):
        classifier_blocks("all", BLOCKS)


def test_forwards_it_is_a_linear_layer_and_a_softmax() -> None:
    seen = classifier_blocks("two_highest", BLOCKS)
    activities = [
        torch.rand(2, 5, s.height, s.width, s.channels, dtype=torch.float64) for s in SHAPES[1:]
    ]
    one = parameters(seen)
    found = log_probabilities(one, classifier_inputs(seen, activities))
    for run in range(2):
        joined = torch.cat([activities[3][run].flatten(1), activities[5][run].flatten(1)], dim=1)
        outputs = functional.linear(
            joined, one["classifier.weight"][run].T, one["classifier.bias"][run]
        )
        torch.testing.assert_close(found[run], outputs.log_softmax(dim=1))


@pytest.mark.parametrize("choice", ["highest", "lowest"])
def test_backwards_it_inverts_the_wanted_probabilities(choice: str) -> None:
    seen = classifier_blocks(choice, BLOCKS)
    one = parameters(seen)
    found = class_control(one, 7, seen, SHAPES)
    shape = SHAPES[seen[0] + 1]
    assert found.shape == (2, 1, shape.height, shape.width, shape.channels)
    wanted = np.full(10, 0.05 / 9)
    wanted[7] = 0.95
    for run in range(2):
        weight, bias = (one[f"classifier.{name}"][run].numpy() for name in ("weight", "bias"))
        signal = (np.log(wanted) - bias) @ weight.T
        np.testing.assert_allclose(found[run].flatten(), signal - signal.min(), rtol=1e-12)
        assert float(found[run].min()) == 0


def test_of_two_layers_the_upper_ones_part_goes_backwards() -> None:
    seen = classifier_blocks("two_highest", BLOCKS)
    one = parameters(seen)
    upper = {**one, "classifier.weight": one["classifier.weight"][:, -16:]}
    expected = class_control(upper, 2, (5,), SHAPES)
    torch.testing.assert_close(class_control(one, 2, seen, SHAPES), expected)


def test_a_trained_inverse_prefers_the_component_that_means_the_class() -> None:
    """One component for each class: asked for a class, its component is the largest."""
    blocks, sizes = parse("F(4,1)-G(16)"), shapes(parse("F(4,1)-G(16)"), Shape(4, 4, 1))
    weight = torch.zeros(1, 16, 10)
    weight[0, :10] = 4 * torch.eye(10) - 0.4
    one = {"classifier.weight": weight, "classifier.bias": torch.zeros(1, 10)}
    for label in range(10):
        control = class_control(one, label, classifier_blocks("highest", blocks), sizes).flatten()
        assert control.argmax() == label
        assert control[label] > control[:10].sort().values[-2] + 1


@pytest.mark.parametrize("label", [-1, 10])
def test_there_are_ten_classes(label: int) -> None:
    seen = classifier_blocks("highest", BLOCKS)
    with pytest.raises(ValueError, match=f"no class {label}; classes are 0 to 9"):
        class_control(parameters(seen), label, seen, SHAPES)
