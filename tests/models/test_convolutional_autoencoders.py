"""The convolutional bank against one plain torch.nn autoencoder per member."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import truncnorm
from torch import Tensor, nn

from workflow_src.models.banks import softplus
from workflow_src.models.convolutional_autoencoders import ConvolutionalAutoencoderBank
from workflow_src.models.likelihoods import likelihood

MEMBERS, HIDDEN, LATENT, FIRST, SECOND = 3, 5, 2, 3, 4
# Super-pixels, the digits' images, and sizes that a stride of 2 rounds; 14 columns go by patches.
CASES = [(2, 2, 1), (7, 7, 1), (8, 8, 2), (7, 7, 2), (5, 14, 2), (28, 28, 2), (25, 32, 2)]


def bank_of(height: int, width: int, stride: int, name: str) -> ConvolutionalAutoencoderBank:
    return ConvolutionalAutoencoderBank(
        members=MEMBERS,
        pixels=height * width,
        latent_dimensions=LATENT,
        likelihood=likelihood(name, 255),
        width=width,
        hidden_units=HIDDEN,
        first_filters=FIRST,
        second_filters=SECOND,
        stride=stride,
    )


def double(bank: ConvolutionalAutoencoderBank) -> dict[str, Tensor]:
    """Starting parameters in float64 with random biases."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: (value.double() + 0.1 * torch.randn(value.shape, generator=generator))
        .detach()
        .requires_grad_()
        for name, value in bank.initial_parameters(generator).items()
    }


class PlainAutoencoder(nn.Module):
    """One autoencoder of plain modules, with the sizes of its maps written out by hand."""

    def __init__(self, height: int, width: int, stride: int, outputs: tuple[str, ...]) -> None:
        super().__init__()
        halves = [(height, width)]
        for _ in range(2):
            halves.append(tuple(-(-side // stride) for side in halves[-1]))  # type: ignore[arg-type]
        self.sizes = halves
        flat = SECOND * halves[2][0] * halves[2][1]
        self.encoder = nn.ModuleDict(
            {
                "0": nn.Conv2d(1, FIRST, 3, stride, 1),
                "1": nn.Conv2d(FIRST, SECOND, 3, stride, 1),
                "2": nn.Linear(flat, HIDDEN),
                "mean": nn.Linear(HIDDEN, LATENT),
                "precision": nn.Linear(HIDDEN, LATENT),
            }
        )
        self.decoder = nn.ModuleDict(
            {
                "0": nn.Linear(LATENT, flat),
                "1": nn.ConvTranspose2d(SECOND, FIRST, 3, stride, 1),
                **{name: nn.ConvTranspose2d(FIRST, 1, 3, stride, 1) for name in outputs},
            }
        )
        self.outputs = outputs
        self.double()

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation, [N, Z], of images [N, D]."""
        maps = images.view(-1, 1, *self.sizes[0])
        for layer in "01":
            maps = nn.functional.softplus(self.encoder[layer](maps))
        # A bank's features run by row, channel and column.
        hidden = nn.functional.softplus(self.encoder["2"](maps.transpose(1, 2).flatten(1)))
        precision = 1 + self.encoder["precision"](hidden) ** 2
        return self.encoder["mean"](hidden), precision.rsqrt().log()

    def decode(self, codes: Tensor) -> dict[str, Tensor]:
        """Decoder outputs, [S, D], of codes [S, Z]."""
        height, width = self.sizes[2]
        features = nn.functional.softplus(self.decoder["0"](codes))
        maps = features.view(-1, height, SECOND, width).transpose(1, 2)
        maps = nn.functional.softplus(self.decoder["1"](maps, output_size=self.sizes[1]))
        return {
            name: self.decoder[name](maps, output_size=self.sizes[0]).flatten(1)
            for name in self.outputs
        }


def plain(
    bank: ConvolutionalAutoencoderBank, parameters: dict[str, Tensor], member: int
) -> nn.Module:
    """The member alone, holding its parameters under the same names."""
    module = PlainAutoencoder(
        bank.pixels // bank.width, bank.width, bank.stride, bank.likelihood.outputs
    )
    own = {
        name: value[member].detach().squeeze(-1)
        if name.endswith("bias")
        else value[member].detach()
        for name, value in parameters.items()
    }
    module.load_state_dict(own)
    return module


@pytest.mark.parametrize("name", ["gaussian", "binomial"])
@pytest.mark.parametrize(("height", "width", "stride"), CASES)
def test_a_bank_is_its_autoencoders_one_by_one(
    name: str, height: int, width: int, stride: int
) -> None:
    bank = bank_of(height, width, stride, name)
    parameters = double(bank)
    pixels = torch.rand(MEMBERS, bank.pixels, 2, dtype=torch.float64)
    codes = torch.randn(MEMBERS, LATENT, 3, dtype=torch.float64, requires_grad=True)
    encoded = bank.encode(parameters, pixels * bank.likelihood.full_range)
    decoded = bank.decode(parameters, codes)
    found = [*encoded, *(decoded[output] for output in bank.likelihood.outputs)]
    weights = [torch.randn_like(value) for value in found]
    total = sum((value * weight).sum() for value, weight in zip(found, weights, strict=True))
    torch.autograd.backward(total)
    for member in range(MEMBERS):
        module = plain(bank, parameters, member)
        own_codes = codes[member].detach().T.clone().requires_grad_()
        outputs = module.decode(own_codes)
        expected = [*module.encode(pixels[member].T), *outputs.values()]
        for value, other in zip(found, expected, strict=True):
            torch.testing.assert_close(value[member].T, other, rtol=1e-10, atol=1e-10)
        sums = [(v * w[member].T).sum() for v, w in zip(expected, weights, strict=True)]
        torch.autograd.backward(sums)
        torch.testing.assert_close(codes.grad[member].T, own_codes.grad, rtol=1e-10, atol=1e-10)
        for key, other in module.named_parameters():
            mine = parameters[key].grad[member].view_as(other)
            torch.testing.assert_close(mine, other.grad, rtol=1e-10, atol=1e-10)


def test_weights_start_truncated_normal_by_what_a_unit_sums_and_biases_at_zero() -> None:
    bank = ConvolutionalAutoencoderBank(
        members=20,
        pixels=64,
        latent_dimensions=30,
        likelihood=likelihood("gaussian", 255),
        width=8,
        hidden_units=40,
        first_filters=10,
        second_filters=12,
        stride=2,
    )
    start = bank.initial_parameters(torch.Generator().manual_seed(1))
    # What one unit of a layer sums over, borders aside.
    summed = {
        "encoder.0": 9,
        "encoder.1": 10 * 9,
        "encoder.2": 12 * 2 * 2,
        "encoder.mean": 40,
        "encoder.precision": 40,
        "decoder.0": 30,
        "decoder.1": 12 * 9,
        "decoder.mean": 10 * 9,
        "decoder.precision": 10 * 9,
    }
    assert {name.rpartition(".")[0] for name in start} == set(summed)
    for layer, inputs in summed.items():
        weight, before = start[f"{layer}.weight"], math.sqrt(2.6 / inputs)
        expected = truncnorm(-2, 2, scale=before).std()
        # A sample deviation's own error is below deviation / sqrt(2 n).
        assert weight.std().item() == pytest.approx(
            expected, rel=4.5 / math.sqrt(2 * weight.numel())
        )
        assert weight.abs().max().item() <= 2 * before
        assert start[f"{layer}.bias"].eq(0).all()


def test_the_softplus_that_keeps_its_result_has_its_gradient() -> None:
    values = torch.tensor([-700.0, -30.0, -1.0, 0.0, 2.0, 19.0], dtype=torch.float64)
    values.requires_grad_()
    softplus(values).sum().backward()
    torch.testing.assert_close(values.grad, torch.sigmoid(values.detach()), rtol=1e-14, atol=0.0)
    assert torch.autograd.gradcheck(
        softplus, (torch.randn(7, dtype=torch.float64).requires_grad_(),)
    )
