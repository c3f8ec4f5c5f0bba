"""Networks against broadcasts and autograd in float64: losses, gradients, what crosses layers."""

from __future__ import annotations

import math

import pytest
import torch
from support.plain_mixtures import plain_objectives, plain_scores
from torch import Tensor

from workflow_src.layouts import LayoutError, Mixture, Shape, parse, shapes
from workflow_src.models.convolutional_mixtures import patches as reading
from workflow_src.models.convolutional_mixtures.annealing import neighbourhood
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork

LAYOUTS = [
    "F(8,1)-G(9)",
    "F(3,1)-G(4)-F(2,2)-G(9)-F(3,1)-G(4)",
    "F(3,1)-G(4)-P(2,2)-F(3,1)-G(9)",
    "F(2,1)-G(4)-P(2,2,ceil)-F(4,1)-G(4)",
    "F(4,2)-G(9,independent)-F(3,1)-G(4)",
    "P(2,2)-F(2,1)-F(2,1)-G(4)-G(9)-P(2,1)-G(4)",
]


def network(notation: str, channels: int = 1) -> MixtureNetwork:
    return MixtureNetwork(parse(notation), Shape(8, 8, channels))


def bank(of: MixtureNetwork, runs: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Parameters of several runs, away from where they start."""
    generator = torch.Generator().manual_seed(0)
    own: list[dict[str, Tensor]] = []
    for _ in range(runs):
        start = of.initial_parameters(generator)
        for name, value in start.items():
            noise = torch.rand(value.shape, generator=generator)
            start[name] = value - 2 * noise if "roots" in name else value + noise
        own.append(start)
    return {name: torch.stack([one[name] for one in own]).to(dtype) for name in own[0]}


def pictures(runs: int, count: int, channels: int = 1, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(runs, count, 8, 8, channels, generator=generator, dtype=torch.float64)


def of_run(parameters: dict[str, Tensor], run: int) -> dict[str, Tensor]:
    return {name: value[run] for name, value in parameters.items()}


@pytest.mark.parametrize("notation", LAYOUTS)
@pytest.mark.parametrize("sigma", [None, 0.7])
@pytest.mark.parametrize("products", [False, True])
def test_a_step_is_that_of_autograd(
    notation: str, sigma: float | None, products: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if products:  # as where there is no CPU
        monkeypatch.setattr(
            reading,
            "patches",
            lambda layer, activities, folding: reading._Multiplied(
                layer, activities if folding is None else reading.fold(activities, folding)
            ),
        )
        monkeypatch.setattr(
            "workflow_src.models.convolutional_mixtures.network.patches", reading.patches
        )
    one = network(notation, channels=2)
    own, images = bank(one, 2), pictures(2, 6, channels=2)
    counts = [layer.block.components for layer in one.layers]
    near = [neighbourhood(count, sigma or 0.01) for count in counts]
    given = [None if sigma is None else each.expand(2, -1, -1) for each in near]
    steps, loss, _ = one.training_step(own, images, given, [True] * len(counts))
    found = {name: value for step in steps for name, value in step.gradients.items()}
    assert found.keys() == own.keys()
    for run in range(2):
        losses, expected = plain_objectives(notation, of_run(own, run), images[run], near)
        assert [step.objective[run].item() for step in steps] == pytest.approx(losses, rel=1e-11)
        for name, value in expected.items():
            torch.testing.assert_close(found[name][run], value, rtol=1e-8, atol=1e-11)
        top = plain_scores(notation, of_run(own, run), images[run])[-1][0]
        assert loss[run].item() == pytest.approx(top.amax(dim=-1).mean().item(), rel=1e-11)


@pytest.mark.parametrize("notation", LAYOUTS)
def test_losses_and_activities_are_those_of_broadcasts(notation: str) -> None:
    one = network(notation)
    own, images = bank(one, 2), pictures(2, 6)
    losses = one.layer_losses(own, images)
    densities = one.layer_log_likelihoods(own, images)
    activities = one.forward(own, images)
    mixtures = [i for i, block in enumerate(one.blocks) if isinstance(block, Mixture)]
    for place, shape in zip(activities, shapes(one.blocks, Shape(8, 8, 1))[1:], strict=True):
        assert place.shape == (2, 6, shape.height, shape.width, shape.channels)
    for run in range(2):
        for layer, (scores, _) in enumerate(plain_scores(notation, of_run(own, run), images[run])):
            torch.testing.assert_close(losses[layer, run], scores.amax(-1).mean(dim=(1, 2)))
            torch.testing.assert_close(densities[layer, run], scores.logsumexp(-1).mean(dim=(1, 2)))
            torch.testing.assert_close(activities[mixtures[layer]][run], scores.softmax(-1))
    components = torch.tensor([float(layer.block.components) for layer in one.layers])
    assert (losses <= densities).all()
    assert (densities <= losses + components.log()[:, None, None] + 1e-9).all()


def test_activities_can_be_taken_on_from_any_block() -> None:
    one = network(LAYOUTS[1])
    own, images = bank(one, 2), pictures(2, 6)
    through = one.forward(own, images)
    for place in range(len(one.blocks)):
        on = one.forward(own, through[place], start=place + 1)
        assert len(on) == len(one.blocks) - place - 1
        for found, expected in zip(on, through[place + 1 :], strict=True):
            assert torch.equal(found, expected)
        assert len(one.forward(own, images, stop=place)) == place
    inputs = through[2]
    expected = one.log_scores(own, 2, inputs).softmax(dim=-1)
    assert torch.equal(expected, through[3])


def test_a_step_passes_on_what_parameters_before_it_give() -> None:
    one = network(LAYOUTS[2])
    own, images = bank(one, 2), pictures(2, 6)
    _, _, activities = one.training_step(own, images, [None, None], [True, True])
    through = one.forward(own, images)
    torch.testing.assert_close(activities[1], through[1])
    torch.testing.assert_close(activities[4], through[4])
    # Blocks that are no mixtures have what the mixture below them gave.
    assert torch.equal(activities[0], images)
    assert activities[2] is activities[1] is activities[3]


def test_a_layer_that_waits_has_no_gradients_and_changes_no_others() -> None:
    one = network(LAYOUTS[1])
    own, images = bank(one, 2), pictures(2, 6)
    every, _, _ = one.training_step(own, images, [None] * 3, [True] * 3)
    some, _, _ = one.training_step(own, images, [None] * 3, [True, False, True])
    assert some[1].gradients == {}
    assert torch.equal(some[1].objective, every[1].objective)
    for layer in (0, 2):
        for name, value in every[layer].gradients.items():
            assert torch.equal(some[layer].gradients[name], value)


def test_no_layer_hears_of_those_above_it() -> None:
    one = network(LAYOUTS[1])
    own, images = bank(one, 1), pictures(1, 6)
    other = {
        name: value + 0.1 if name.startswith("layer_3") else value for name, value in own.items()
    }
    near = [neighbourhood(layer.block.components, 0.7)[None] for layer in one.layers]
    first, _, _ = one.training_step(own, images, near, [True] * 3)
    second, _, _ = one.training_step(other, images, near, [True] * 3)
    for layer in (0, 1):
        for name, value in first[layer].gradients.items():
            assert torch.equal(second[layer].gradients[name], value)
    assert not torch.equal(first[2].objective, second[2].objective)


@pytest.mark.parametrize("notation", LAYOUTS)
def test_a_run_in_a_bank_is_the_run_alone(notation: str) -> None:
    one = network(notation)
    own, images = bank(one, 3), pictures(3, 6)
    waiting = [None] * len(one.layers)
    together, _, _ = one.training_step(own, images, waiting, [True] * len(waiting))
    for run in range(3):
        only = {name: value[run : run + 1] for name, value in own.items()}
        alone, _, _ = one.training_step(only, images[run : run + 1], waiting, [True] * len(waiting))
        for step, single in zip(together, alone, strict=True):
            for name, value in single.gradients.items():
                torch.testing.assert_close(step.gradients[name][run : run + 1], value)


def test_steps_in_single_precision_are_those_in_double() -> None:
    one = MixtureNetwork(parse("F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)"), Shape(28, 28, 1))
    own = bank(one, 1)
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(1, 20, 28, 28, 1, generator=generator, dtype=torch.float64)
    single = {name: value.float() for name, value in own.items()}
    exact = one.layer_losses(own, images)
    torch.testing.assert_close(
        one.layer_losses(single, images.float()).double(), exact, rtol=1e-5, atol=1e-3
    )


def test_pixels_are_ordered_by_channel_row_and_column() -> None:
    one = network("F(8,1)-G(4)", channels=3)
    pixels = torch.arange(2 * 5 * 192, dtype=torch.float32).reshape(2, 5, 192)
    images = one.as_images(pixels)
    assert images.shape == (2, 5, 8, 8, 3)
    assert images[1, 4, 6, 7, 2] == pixels[1, 4, 2 * 64 + 6 * 8 + 7]


def test_parameters_are_named_by_layer() -> None:
    one = network("F(4,2)-G(9,independent)-F(3,1)-G(4)")
    assert one.parameter_shapes() == {
        "layer_1.centroids": (9, 9, 16),
        "layer_1.precision_roots": (9, 9, 16),
        "layer_1.weight_logits": (9, 9),
        "layer_2.centroids": (1, 4, 81),
        "layer_2.precision_roots": (1, 4, 81),
        "layer_2.weight_logits": (1, 4),
    }
    start = one.initial_parameters(torch.Generator().manual_seed(0))
    assert {name: tuple(value.shape) for name, value in start.items()} == one.parameter_shapes()


def test_at_the_start_the_loss_is_that_of_white_noise_of_precision_twenty() -> None:
    one = network("F(8,1)-G(9)")
    start = one.initial_parameters(torch.Generator().manual_seed(0))
    zero = {name: value[None].double() for name, value in start.items()}
    zero["layer_1.centroids"].zero_()
    images = torch.zeros(1, 1, 8, 8, 1, dtype=torch.float64)
    expected = -math.log(9) + 64 * (math.log(20) - math.log(2 * math.pi)) / 2
    assert one.layer_losses(zero, images).item() == pytest.approx(expected, rel=1e-6)


def test_a_layout_that_does_not_suit_is_refused() -> None:
    with pytest.raises(LayoutError, match="ends at 3 x 3"):
        network("F(6,1)-G(4)")
