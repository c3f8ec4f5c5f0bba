"""Banks of perceptrons against plain torch.nn modules."""

from __future__ import annotations

import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from workflow_src.models.perceptrons import Perceptron

RUNS, IMAGES = 2, 7


def bank(normalised: bool) -> tuple[Perceptron, dict[str, Tensor], dict[str, Tensor]]:
    network = Perceptron("n", (3, 2), (4, 6), 5, normalised)
    generator = torch.Generator().manual_seed(1)
    parameters = {
        name: torch.randn(RUNS, *shape, generator=generator, dtype=torch.float64)
        for name, shape in network.parameter_shapes().items()
    }
    state = {
        name: 0.5 + torch.rand(RUNS, *shape, generator=generator, dtype=torch.float64)
        for name, shape in network.state_shapes().items()
    }
    return network, parameters, state


def module(parameters: dict[str, Tensor], state: dict[str, Tensor], run: int) -> nn.Sequential:
    """The same network of one run."""
    layers: list[nn.Module] = []
    for layer, (inputs, outputs) in enumerate([(5, 4), (4, 6), (6, 5)]):
        dense = nn.Linear(inputs, outputs, dtype=torch.float64)
        dense.weight.data = parameters[f"n.{layer}.weight"][run].T.clone()
        dense.bias.data = parameters[f"n.{layer}.bias"][run].clone()
        layers.append(dense)
        if f"n.{layer}.scale" in parameters:
            norm = nn.BatchNorm1d(outputs, eps=0.01, momentum=0.2, dtype=torch.float64)
            norm.weight.data = parameters[f"n.{layer}.scale"][run].clone()
            norm.bias.data = parameters[f"n.{layer}.shift"][run].clone()
            norm.running_mean = state[f"n.{layer}.moving_mean"][run].clone()
            norm.running_var = state[f"n.{layer}.moving_variance"][run].clone()
            layers.append(norm)
        if layer < 2:
            layers.append(nn.Tanh())
    return nn.Sequential(*layers)


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_every_run_is_the_plain_network(normalised: bool, training: bool) -> None:
    network, parameters, state = bank(normalised)
    kept = {name: value.clone() for name, value in state.items()}
    weight = parameters["n.0.weight"].requires_grad_()
    images = torch.randn(RUNS, IMAGES, 5, dtype=torch.float64)
    outputs, moved = network(parameters, state, [images[..., :3], images[..., 3:]], training)
    outputs.square().sum().backward()
    for run in range(RUNS):
        plain = module({k: v.detach() for k, v in parameters.items()}, kept, run).train(training)
        expected = plain(images[run])
        expected.square().sum().backward()
        torch.testing.assert_close(outputs[run], expected)
        torch.testing.assert_close(weight.grad[run], plain[0].weight.grad.T)
        if normalised and training:
            torch.testing.assert_close(moved["n.0.moving_mean"][run], plain[1].running_mean)
            torch.testing.assert_close(moved["n.1.moving_variance"][run], plain[4].running_var)
    assert set(moved) == (set(state) if training else set())
    for name, value in kept.items():
        assert torch.equal(state[name], value), "the earlier state is left as it was"


@pytest.mark.parametrize("normalised", [True, False])
def test_a_part_that_samples_share_is_as_if_repeated(normalised: bool) -> None:
    network, parameters, state = bank(normalised)
    shared = torch.randn(RUNS, 1, IMAGES, 3, dtype=torch.float64)
    own = torch.randn(RUNS, 4, IMAGES, 2, dtype=torch.float64)
    outputs, _ = network(parameters, state, [shared, own], training=False)
    repeated = shared.expand(-1, 4, -1, -1)
    for sample in range(4):
        parts = [repeated[:, sample], own[:, sample]]
        alone, _ = network(parameters, state, parts, training=False)
        torch.testing.assert_close(outputs[:, sample], alone)


def test_weights_start_truncated_normal_by_the_number_of_all_inputs() -> None:
    network = Perceptron("n", (300, 100), (200,), 10, normalised=True)
    parameters = network.initial_parameters(torch.Generator().manual_seed(0))
    for name, inputs in (("n.0.weight", 400), ("n.1.weight", 200)):
        expected = scipy.stats.truncnorm(-2, 2, scale=(2.6 / inputs) ** 0.5)
        # Of 80,000 and 2,000 weights.
        assert scipy.stats.kstest(parameters[name].flatten().numpy(), expected.cdf).pvalue > 1e-3
        assert parameters[name].abs().max() <= expected.support()[1]
    assert torch.equal(parameters["n.0.scale"], torch.ones(200))
    for name in ("n.0.bias", "n.0.shift", "n.1.bias"):
        assert not parameters[name].any()


def test_kernels_and_scales_decay_and_nothing_else_does() -> None:
    network = Perceptron("n", (3,), (4,), 5, normalised=True)
    assert network.decayed == {"n.0.weight", "n.1.weight", "n.0.scale"}
