"""The deep Conv-VAE: sizes of Table VIII of the DCGMM paper, and its networks against torch.nn."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import norm
from torch import Tensor, nn

from workflow_src.config.models import model_declaration
from workflow_src.models.deep_conv_vae import drawing
from workflow_src.models.deep_conv_vae.model import build
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import bound, leaf_parameters, noise_shape, stack_runs
from workflow_src.models.whole_images import WholeImageModel
from workflow_src.train.gradient.optimizer import BankAdam

# Table VIII, and the sides of the maps without padding.
CONVOLUTIONS = [(3, 1, 64, 30), (3, 2, 128, 14), (3, 2, 256, 6), (2, 2, 512, 3)]
TRANSPOSED = [
    (4, 1, 1024, 7),
    (5, 1, 512, 11),
    (4, 2, 256, 24),
    (5, 1, 128, 28),
    (3, 1, 128, 30),
    (3, 1, 3, 32),
]
NARROW = 64


def deep_conv_vae(channels: int = 3, **given: int) -> WholeImageModel:
    declared = model_declaration("deep_conv_vae").hyperparameters
    defaults = {name: one.default for name, one in declared.items()}
    return build(ImageFacts(32, 32, "gaussian", 0, channels), defaults | given)


def narrow(latent_dimensions: int = 3) -> WholeImageModel:
    return deep_conv_vae(channel_divisor=NARROW, latent_dimensions=latent_dimensions)


def start(model: WholeImageModel, runs: int = 1) -> dict[str, Tensor]:
    made = [model.initial_parameters(torch.Generator().manual_seed(run)) for run in range(runs)]
    return stack_runs(made)


def test_parameters_of_table_viii() -> None:
    """Counted by hand, with a mean and a precision of every code and pixel."""
    expected, inputs = 0, 3
    for size, _, channels, _ in CONVOLUTIONS:
        expected += (inputs * size**2 + 1) * channels
        inputs = channels
    expected += 2 * (3 * 3 * 512 + 1) * 64
    expected += (64 + 1) * 4 * 4 * 128
    inputs = 128
    for size, _, channels, _ in TRANSPOSED:
        outputs = 2 if channels == 3 else 1
        expected += outputs * (inputs * size**2 + 1) * channels
        inputs = channels
    assert deep_conv_vae().parameter_count() == expected


def test_the_sides_without_padding() -> None:
    side = 32
    for size, stride, _, expected in CONVOLUTIONS:
        side = (side - size) // stride + 1
        assert side == expected
    side = 4
    for size, stride, _, expected in TRANSPOSED:
        side = (side - 1) * stride + size
        assert side == expected


def narrowed(channels: int) -> int:
    return max(1, channels // NARROW)


def test_networks_are_those_of_torch() -> None:
    """The same layers of torch.nn with the same weights, for two runs of a bank."""
    model = narrow()
    parameters = leaf_parameters(start(model, runs=2))
    for value in parameters.values():
        value += 0.01 * torch.randn(value.shape, generator=torch.Generator().manual_seed(5))
    pixels = torch.rand(2, 3 * 32 * 32, 4)
    codes = torch.randn(2, 3, 4)
    mean, log_deviation = model.leaves.encode(parameters, pixels)
    decoded = model.leaves.decode(parameters, codes)
    for run in range(2):
        encoder, heads, first, decoder, outputs = networks(
            {name: value[run] for name, value in parameters.items()}
        )
        with torch.no_grad():
            hidden = encoder(pixels[run].T.reshape(4, 3, 32, 32))
            torch.testing.assert_close(mean[run].T, heads["mean"](hidden))
            precision = 1 + heads["precision"](hidden) ** 2
            torch.testing.assert_close(log_deviation[run].T, -0.5 * precision.log())
            maps = decoder(first(codes[run].T).relu().reshape(4, narrowed(128), 4, 4))
            for name, layer in outputs.items():
                expected = layer(maps)
                assert expected.shape == (4, 3, 32, 32)
                torch.testing.assert_close(decoded[name][run].T, expected.reshape(4, -1))


def networks(
    parameters: dict[str, Tensor],
) -> tuple[nn.Module, dict[str, nn.Module], nn.Module, nn.Module, dict[str, nn.Module]]:
    def filled(layer: nn.Module, name: str) -> nn.Module:
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"].flatten()
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer

    encoder, inputs = nn.Sequential(), 3
    for i, (size, stride, wide, _) in enumerate(CONVOLUTIONS):
        convolution = nn.Conv2d(inputs, narrowed(wide), size, stride)
        encoder.extend([filled(convolution, f"encoder.{i}"), nn.ReLU()])
        inputs = narrowed(wide)
    encoder.append(nn.Flatten())
    heads = {
        name: filled(nn.Linear(9 * inputs, 3), f"encoder.{name}") for name in ("mean", "precision")
    }
    decoder, inputs = nn.Sequential(), narrowed(128)
    first = filled(nn.Linear(3, 16 * inputs), "decoder.code")
    for i, (size, stride, wide, _) in enumerate(TRANSPOSED[:-1]):
        transposed = nn.ConvTranspose2d(inputs, narrowed(wide), size, stride)
        decoder.extend([filled(transposed, f"decoder.{i}"), nn.ReLU()])
        inputs = narrowed(wide)
    outputs = {
        name: filled(nn.ConvTranspose2d(inputs, 3, 3), f"decoder.{name}")
        for name in ("mean", "precision")
    }
    return encoder, heads, first, decoder, outputs


def test_its_bound_is_the_evidence_lower_bound() -> None:
    model = narrow(latent_dimensions=1)
    parameters = start(model)
    pixels = torch.rand(1, 3 * 32 * 32, 2)
    noise = torch.randn(1, *noise_shape(model, 3, 2))
    found = bound(model, parameters, pixels, noise, "evidence_lower_bound")
    leaves = leaf_parameters(parameters)
    (mean,), (log_deviation,) = model.leaves.encode(leaves, pixels)
    deviation = log_deviation.exp()
    for image in range(2):
        inside = 0.0
        for sample in range(3):
            code = mean[0, image] + deviation[0, image] * noise[0, 0, 0, sample, image]
            outputs = model.leaves.decode(leaves, code.view(1, 1, 1))
            centre = torch.sigmoid(outputs["mean"][0, :, 0]).detach().numpy()
            spread = torch.rsqrt(1 + outputs["precision"][0, :, 0] ** 2).detach().numpy()
            inside += norm.logpdf(pixels[0, :, image].numpy(), centre, spread).sum() / 3
        m, s = mean[0, image].item(), deviation[0, image].item()
        divergence = 0.5 * (m * m + s * s - 1) - math.log(s)
        assert found[0, image].item() == pytest.approx(inside - divergence, rel=1e-4)


def test_a_few_steps_raise_the_bound_and_stay_finite() -> None:
    model = narrow()
    optimizer = BankAdam(start(model, runs=2), 0.001)
    kinds = [torch.zeros(3072), torch.ones(3072), (torch.arange(3072) % 2).float()]
    images = torch.stack(kinds, dim=1).expand(2, -1, -1)
    generator = torch.Generator().manual_seed(2)
    bounds = []
    for _ in range(15):
        noise = torch.randn(2, *noise_shape(model, 2, 3), generator=generator)
        found = bound(model, optimizer.parameters, images, noise, "evidence_lower_bound")
        optimizer.maximise(found.mean(dim=1).sum())
        bounds.append(found.detach().mean(dim=1))
    assert torch.isfinite(torch.stack(bounds)).all()
    assert (bounds[-1] > bounds[0]).all()
    for value in optimizer.parameters.values():
        assert torch.isfinite(value).all()


def test_runs_of_a_bank_do_not_touch_each_other() -> None:
    model = narrow()
    both = start(model, runs=2)
    alone = {name: value[1:] for name, value in both.items()}
    pixels = torch.rand(2, 3072, 3)
    noise = torch.randn(2, *noise_shape(model, 2, 3))
    found = bound(model, both, pixels, noise, "importance_weighted_bound")
    single = bound(model, alone, pixels[1:], noise[1:], "importance_weighted_bound")
    torch.testing.assert_close(found[1:], single)


def test_weights_keep_the_size_of_what_passes() -> None:
    """Rectified layers with variance 2 / inputs keep the mean square of their inputs, roughly."""
    model = deep_conv_vae(channel_divisor=8)
    parameters = leaf_parameters(start(model))
    codes = torch.randn(1, 64, 8, generator=torch.Generator().manual_seed(3))
    mean = model.leaves.decode(parameters, codes)["mean"]
    assert 0.2 < mean.std().item() < 5


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 28), (64, 64)])
def test_other_sizes_are_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"32 x 32 pixels, not {height} x {width}"):
        build(
            ImageFacts(height, width, "gaussian", 0, 3),
            {"latent_dimensions": 64, "channel_divisor": 1},
        )


def test_its_images_are_its_one_leafs() -> None:
    model = narrow()
    values = torch.rand(1, 3072, 5)
    assert torch.equal(drawing.assemble(model, values, None), values[0])


def test_parameters_start_with_the_shapes_that_are_told() -> None:
    model = narrow()
    made = model.initial_parameters(torch.Generator().manual_seed(0))
    assert {name: tuple(value.shape) for name, value in made.items()} == model.parameter_shapes()
