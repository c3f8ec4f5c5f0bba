"""The classifier against plain torch.nn modules, and a bank of it against its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workflow_src.models.building import build_model
from workflow_src.models.convolutional_classifier.model import ConvolutionalClassifier, build
from workflow_src.models.images import ImageFacts

SMALL = {"filters": 3, "dense_units": 5, "dropout": 0.1}
PAPER = {"filters": 64, "dense_units": 350, "dropout": 0.1}


def classifier(side: int = 8, channels: int = 1, **changed: Any) -> ConvolutionalClassifier:
    return build(ImageFacts(side, side, "gaussian", 16, channels), SMALL | changed)


def plain(model: ConvolutionalClassifier, parameters: Mapping[str, Tensor]) -> nn.Sequential:
    """Table VII of torch's own modules in float64, without dropout."""
    filters, units, facts = model.filters, model.dense_units, model.images
    inputs = parameters["dense.0.weight"].shape[1]
    modules = nn.Sequential(
        nn.Unflatten(1, (facts.channels, facts.height, facts.width)),
        nn.Conv2d(facts.channels, filters, 3, padding="same"),
        nn.ReLU(),
        nn.Conv2d(filters, filters, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(filters, filters, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(filters, filters, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(inputs, units),
        nn.ReLU(),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, 10),
        nn.LogSoftmax(dim=1),
    ).double()
    layers = [one for one in modules if isinstance(one, nn.Conv2d | nn.Linear)]
    names = [f"convolution.{i}" for i in range(4)] + [f"dense.{i}" for i in range(4)]
    for name, layer in zip(names, layers, strict=True):
        layer.weight.data = parameters[f"{name}.weight"].double().clone()
        layer.bias.data = parameters[f"{name}.bias"].double().clone()  # type: ignore[union-attr]
    return modules


def drawn(model: ConvolutionalClassifier, seed: int = 0) -> dict[str, Tensor]:
    """Parameters in float64 with biases that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value.double() + 0.1 * torch.randn(value.shape, generator=generator).double()
        for name, value in model.initial_parameters(generator).items()
    }


def images(model: ConvolutionalClassifier, count: int = 7, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, model.images.pixels, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (11, 1), (9, 3)])
def test_it_is_the_network_of_plain_modules(side: int, channels: int) -> None:
    model = classifier(side, channels)
    parameters, pixels = drawn(model), images(model)
    expected = plain(model, parameters)(pixels)
    found = model.class_log_probabilities(parameters, pixels)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_plain_modules() -> None:
    model = classifier()
    parameters, pixels = drawn(model), images(model)
    labels = torch.arange(7)
    modules = plain(model, parameters)
    nn.functional.nll_loss(modules(pixels), labels).backward()  # type: ignore[no-untyped-call]
    trained = {name: value.requires_grad_() for name, value in parameters.items()}
    loss = nn.functional.nll_loss(model.class_log_probabilities(trained, pixels), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    layers = [one for one in modules if isinstance(one, nn.Conv2d | nn.Linear)]
    for layer, (name, value) in zip(
        (one for one in layers for _ in range(2)), trained.items(), strict=True
    ):
        expected = layer.weight.grad if name.endswith("weight") else layer.bias.grad  # type: ignore[union-attr]
        assert value.grad is not None
        torch.testing.assert_close(value.grad, expected, rtol=1e-10, atol=1e-14)


def test_every_run_of_a_bank_is_what_it_is_alone() -> None:
    model = classifier()
    runs = [model.initial_parameters(torch.Generator().manual_seed(seed)) for seed in range(3)]
    bank = {name: torch.stack([run[name] for run in runs]) for name in runs[0]}
    pixels = torch.stack([images(model, seed=seed).float() for seed in range(3)])
    together = model.log_probabilities(bank, pixels)
    for index, run in enumerate(runs):
        alone = model.class_log_probabilities(run, pixels[index])
        assert torch.equal(together[index], alone)


def test_dropout_leaves_out_pixels_and_units_of_the_first_dense_layer() -> None:
    model = classifier(dropout=0.5)
    parameters, pixels = drawn(model), images(model, count=2)
    noise = {
        name: torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        for name, shape in model.dropout_shapes(2).items()
    }
    modules = list(plain(model, parameters))
    kept = {name: (value >= 0.5).double() / 0.5 for name, value in noise.items()}
    before, after = nn.Sequential(*modules[:15]), nn.Sequential(*modules[15:])
    expected = after(before(pixels * kept["pixels"]) * kept["units"])
    bank = {name: value[None] for name, value in parameters.items()}
    found = model.log_probabilities(
        bank, pixels[None], {name: value[None] for name, value in noise.items()}
    )
    torch.testing.assert_close(found[0], expected, rtol=1e-12, atol=1e-12)


def test_counts_are_read_as_shares_of_the_levels() -> None:
    counts = torch.randint(0, 17, (4, 64), generator=torch.Generator().manual_seed(0))
    binomial = build(ImageFacts(8, 8, "binomial", 16), SMALL)
    gaussian = classifier()
    parameters = drawn(gaussian)
    found = binomial.class_log_probabilities(parameters, counts.to(torch.uint8))
    torch.testing.assert_close(found, gaussian.class_log_probabilities(parameters, counts / 16))


def test_table_vii_on_mnist_has_so_many_parameters() -> None:
    model = build(ImageFacts(28, 28, "gaussian", 255), PAPER)
    convolutions = (9 * 1 + 1) * 64 + 3 * (9 * 64 + 1) * 64
    dense = (3 * 3 * 64 + 1) * 350 + 2 * (350 + 1) * 350 + (350 + 1) * 10
    assert model.parameter_count() == convolutions + dense
    parameters = model.initial_parameters(torch.Generator().manual_seed(0))
    assert {name: tuple(one.shape) for name, one in parameters.items()} == model.parameter_shapes()
    assert sum(value.numel() for value in parameters.values()) == convolutions + dense


def test_weights_start_uniform_by_their_inputs_and_outputs() -> None:
    model = build(ImageFacts(28, 28, "gaussian", 255), PAPER)
    parameters = model.initial_parameters(torch.Generator().manual_seed(0))
    weights = parameters["convolution.1.weight"]
    bound = math.sqrt(6 / (9 * 64 + 9 * 64))
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not parameters["dense.1.bias"].any()


def test_images_that_cannot_be_pooled_three_times_are_refused() -> None:
    with pytest.raises(ValueError, match=r"7 x 9 pixels.*at least 8 x 8"):
        build(ImageFacts(7, 9, "gaussian", 16), SMALL)


def test_it_is_built_by_its_name() -> None:
    spec = {"model": "convolutional_classifier", "likelihood": "gaussian", **SMALL}
    model = build_model(spec, (8, 8), 16)
    assert model == classifier()
    assert model.has_classifier
