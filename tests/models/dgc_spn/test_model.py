"""The DGC-SPN as a density of images: sizes, learning, marginals and draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm
from support.plain_convolutional_circuit import plain_density
from torch import Tensor

from workflow_src.config.models import model_declaration
from workflow_src.models.dgc_spn.model import DgcSpn, build
from workflow_src.models.dgc_spn.size import planes, training_bytes
from workflow_src.models.image_densities import ImageDensity, Inpaints, Normalised
from workflow_src.models.images import ImageFacts

UNLIKELY = 1e-4


def dgc_spn(height: int, width: int, channels: int = 1, **given: int | float | str) -> DgcSpn:
    declared = model_declaration("dgc_spn").hyperparameters
    defaults = {name: one.default for name, one in declared.items()}
    return build(ImageFacts(height, width, "gaussian", 0, channels), defaults | given)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def start(model: DgcSpn, seed: int = 0, images: int = 20) -> dict[str, Tensor]:
    """One run's parameters in float64, whose centroids are far enough apart to matter."""
    pixels = 3 * torch.rand(images, model.images.pixels, generator=generator(seed))
    made = model.initial_parameters(generator(seed), pixels)
    parameters = {name: value.double() for name, value in made.items()}
    for name in model.circuit.parameter_shapes():
        # Weights of float32 add up to 1 within its digits only.
        dims = (0, 1, 2) if name == "root.weights" else -1
        parameters[name] /= parameters[name].sum(dim=dims, keepdim=True)
    return parameters


def banked(*runs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.stack([run[name] for run in runs]) for name in runs[0]}


def test_published_parameter_count() -> None:
    model = dgc_spn(28, 28, sums=16)
    assert model.parameter_count() == 7_560_576
    assert model.parameter_shapes()["sums.0.weights"] == (29, 29, 16, 256)


def test_it_has_the_protocols_of_evaluation() -> None:
    model = dgc_spn(4, 4)
    assert isinstance(model, ImageDensity)
    assert isinstance(model, Normalised)
    assert isinstance(model, Inpaints)
    assert model.layer_names == ("root",)
    assert model.is_normalised


def test_parameters_start_with_the_shapes_that_are_told() -> None:
    model = dgc_spn(8, 6, sums=3)
    made = model.initial_parameters(generator(0), torch.rand(9, 48))
    assert {name: tuple(value.shape) for name, value in made.items()} == model.parameter_shapes()


def test_centroids_start_at_means_of_quantiles() -> None:
    model = dgc_spn(1, 2, leaf_components=2)
    images = torch.tensor([[0.9, 0.0], [0.1, 0.5], [0.3, 0.2], [0.5, 0.7]])
    centroids = model.initial_parameters(generator(0), images)["leaves.centroids"]
    torch.testing.assert_close(centroids[0, :, :, 0], torch.tensor([[0.2, 0.7], [0.1, 0.6]]))


def test_the_variance_is_one_of_standardised_values() -> None:
    images = torch.rand(9, 48)
    for standardisation, expected in (("whole", images.numpy().std() + 0.1), ("none", 1)):
        model = dgc_spn(8, 6, sums=3, standardisation=standardisation)
        made = model.initial_parameters(generator(0), images)
        assert made["leaves.deviation"].item() == pytest.approx(expected, rel=1e-6)


def test_too_few_images_for_the_centroids_are_refused() -> None:
    with pytest.raises(ValueError, match="3 training images cannot start 4 leaves"):
        dgc_spn(4, 4).initial_parameters(generator(0), torch.rand(3, 16))


def test_binomial_pixels_are_refused() -> None:
    facts = ImageFacts(4, 4, "binomial", 255)
    with pytest.raises(ValueError, match="gaussian, not binomial"):
        build(facts, {"sums": 1, "leaf_components": 1, "standardisation": "none"})


@pytest.mark.parametrize("channels", [1, 3])
def test_log_densities_by_scipy_and_the_plain_recursion(channels: int) -> None:
    model = dgc_spn(2, 3, channels, sums=2, leaf_components=2)
    parameters = start(model)
    pixels = torch.rand(3, 6 * channels, dtype=torch.float64, generator=generator(1))
    found = model.log_densities(parameters, pixels)
    assert found.shape == (1, 3)
    # Images are ordered by channel, row and column; centroids by row, column, leaf and channel.
    maps = pixels.view(3, channels, 2, 3).permute(0, 2, 3, 1).unsqueeze(3)
    deviation = parameters["leaves.deviation"].item()
    leaves = norm.logpdf(maps, parameters["leaves.centroids"], deviation).sum(axis=-1)
    plain = [plain_density(parameters, torch.tensor(one).exp()).log() for one in leaves]
    torch.testing.assert_close(found[0], torch.stack(plain))


def test_a_single_leaf_everywhere_is_a_normal_distribution() -> None:
    model = dgc_spn(4, 4, sums=2, leaf_components=1)
    parameters = start(model)
    pixels = torch.randn(5, 16, dtype=torch.float64, generator=generator(2))
    deviation = parameters["leaves.deviation"].item()
    means = parameters["leaves.centroids"].flatten()
    expected = norm.logpdf(pixels, means, deviation).sum(axis=1)
    np.testing.assert_allclose(model.log_likelihood(parameters, pixels), expected, rtol=1e-10)


def test_hidden_values_are_integrated_out() -> None:
    """Against quadrature over one pixel; what stands in hidden places does not matter."""
    model = dgc_spn(2, 2, sums=2, leaf_components=2)
    parameters = start(model)
    image = torch.rand(4, dtype=torch.float64, generator=generator(3))
    hidden = torch.tensor([False, False, True, False])
    points, weights = np.polynomial.legendre.leggauss(200)
    values = torch.tensor(1.5 + 12 * points)
    images = image.repeat(200, 1)
    images[:, 2] = values
    densities = model.log_likelihood(parameters, images).exp().numpy() * weights * 12
    marginal = math.log(densities.sum())
    mean = (densities * values.numpy()).sum() / densities.sum()

    unknown = image.clone()
    unknown[2] = torch.nan
    found = model.log_likelihood(parameters, unknown.unsqueeze(0), hidden)
    assert found.item() == pytest.approx(marginal, rel=1e-10)
    filled = model.expected(parameters, unknown.unsqueeze(0), hidden)[0]
    assert filled[2].item() == pytest.approx(mean, rel=1e-10)
    assert torch.equal(filled[~hidden], image[~hidden])
    given = model.conditional_log_density(parameters, images, hidden).exp().numpy()
    assert (given * weights * 12).sum() == pytest.approx(1, rel=1e-10)


def test_nothing_hidden_and_everything_hidden() -> None:
    model = dgc_spn(3, 5, sums=2)
    parameters = start(model)
    pixels = torch.rand(2, 15, dtype=torch.float64)
    nothing, everything = torch.zeros(15, dtype=torch.bool), torch.ones(15, dtype=torch.bool)
    zeros = torch.zeros(2, dtype=torch.float64)
    torch.testing.assert_close(model.log_likelihood(parameters, pixels, everything), zeros)
    torch.testing.assert_close(model.conditional_log_density(parameters, pixels, nothing), zeros)


def test_inpainting_draws_from_the_conditional_distribution() -> None:
    model = dgc_spn(1, 2, sums=2, leaf_components=3)
    parameters = start(model)
    parameters["leaves.centroids"] *= 2
    hidden = torch.tensor([False, True])
    count = 5_000
    pixels = torch.tensor([[0.7, 0.0]], dtype=torch.float64)
    drawn = model.inpaint(parameters, pixels.expand(count, -1), hidden, generator(4))
    assert (drawn[:, 0] == 0.7).all()

    # The posterior of the hidden pixel's leaves, by enumeration.
    means = parameters["leaves.centroids"][0, :, :, 0]
    deviation = parameters["leaves.deviation"].item()
    visible = torch.tensor(norm.pdf(0.7, means[0], deviation)).view(1, 3)
    shares = np.array(
        [
            plain_density(parameters, torch.stack([visible[0], one])[None]).item()
            for one in torch.eye(3, dtype=torch.float64)
        ]
    )
    shares /= shares.sum()

    def distribution(x: np.ndarray) -> np.ndarray:
        return np.asarray((shares * norm.cdf(x[:, None], means[1].numpy(), deviation)).sum(axis=1))

    assert kstest(drawn[:, 1].numpy(), distribution).pvalue > UNLIKELY


def test_draws_have_the_noise_of_the_leaves() -> None:
    model = dgc_spn(1, 2, sums=1, leaf_components=1)
    parameters = start(model)
    drawn = model.draw(parameters, 5_000, generator(5))
    deviation = parameters["leaves.deviation"].item()
    for pixel, mean in enumerate(parameters["leaves.centroids"].flatten().tolist()):
        assert kstest(drawn[:, pixel].numpy(), norm(mean, deviation).cdf).pvalue > UNLIKELY


def test_without_noise_draws_are_the_centroids_of_the_leaves_that_are_picked() -> None:
    model = dgc_spn(4, 4, sums=2, leaf_components=3)
    parameters = start(model)
    means = model.draw(parameters, 300, generator(5), noise=False)
    certain = parameters | {"leaves.deviation": torch.zeros_like(parameters["leaves.deviation"])}
    assert torch.equal(means, model.draw(certain, 300, generator(5)))
    assert not torch.equal(means, model.draw(parameters, 300, generator(5)))


def test_draws_have_their_own_log_likelihood() -> None:
    """The mean of log p over draws is the negative entropy, here against quadrature."""
    model = dgc_spn(1, 2, sums=2, leaf_components=2)
    parameters = start(model)
    parameters["leaves.centroids"] *= 2
    axis = torch.linspace(-8, 14, 441, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    logs = model.log_likelihood(parameters, grid)
    mass = logs.exp() * (axis[1] - axis[0]) ** 2
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
    expected = (mass * logs).sum().item()
    found = model.log_likelihood(parameters, model.draw(parameters, 20_000, generator(6)))
    error = found.std().item() / math.sqrt(20_000)
    assert found.mean().item() == pytest.approx(expected, abs=4 * error)


def test_colour_draws_put_every_value_in_its_place() -> None:
    model = dgc_spn(2, 2, 3, sums=1, leaf_components=1)
    parameters = start(model)
    parameters["leaves.centroids"] = torch.arange(12.0).view(2, 2, 1, 3).double() * 100
    expected = (torch.arange(12.0).view(4, 3) * 100).T.flatten().double()
    drawn = model.draw(parameters, 10, generator(7))
    assert (drawn - expected).abs().max() < 6
    everything = torch.ones(12, dtype=torch.bool)
    filled = model.expected(parameters, drawn, everything)
    torch.testing.assert_close(filled, expected.expand(10, -1))


def test_no_draw_and_a_label() -> None:
    model = dgc_spn(4, 4, sums=2)
    assert model.draw(start(model), 0, generator(0)).shape == (0, 16)
    with pytest.raises(ValueError, match="no classifier"):
        model.draw(start(model), 1, generator(0), label=3)


@settings(max_examples=15)
@given(
    st.integers(0, 2**20),
    st.sampled_from([(1, 2), (2, 3), (4, 4), (5, 3)]),
    st.sampled_from(["fixed", "trained"]),
)
def test_expectation_maximisation_on_all_images_never_falls(
    seed: int, sides: tuple[int, int], centroids: str
) -> None:
    model = dgc_spn(*sides, sums=2, leaf_components=2, centroids=centroids)
    parameters = banked(start(model, seed), start(model, seed + 1))
    pixels = 3 * torch.rand(2, 7, model.images.pixels, generator=generator(seed)).double()
    before = torch.full((2,), -math.inf, dtype=torch.float64)
    for _ in range(6):
        log_densities, statistics = model.expectations(parameters, pixels)
        likelihood = log_densities.sum(dim=1)
        assert (likelihood >= before - 1e-9).all()
        before = likelihood
        parameters = model.maximised(parameters, statistics, 1.0)


def test_maximisation_by_hand() -> None:
    """Weights are shares of their sum's uses, centroids means of what their leaf stands for."""
    model = dgc_spn(2, 2, sums=2, leaf_components=2)
    parameters = banked(start(model))
    pixels = torch.rand(1, 6, 4, dtype=torch.float64)
    _, statistics = model.expectations(parameters, pixels)
    whole = model.maximised(parameters, statistics, 1.0)
    part = model.maximised(parameters, statistics, 0.25)
    for name, uses in statistics.items():
        if name.startswith("leaves."):
            continue
        total = uses.sum() if name == "root.weights" else uses.sum(dim=-1, keepdim=True)
        torch.testing.assert_close(whole[name], uses / total)
        torch.testing.assert_close(part[name], 0.75 * parameters[name] + 0.25 * whole[name])
    means = statistics["leaves.sums"] / statistics["leaves.shares"].unsqueeze(-1)
    torch.testing.assert_close(whole["leaves.centroids"], means)


def test_fixed_centroids_stay() -> None:
    model = dgc_spn(2, 2, sums=2, leaf_components=2, centroids="fixed")
    parameters = banked(start(model))
    _, statistics = model.expectations(parameters, torch.rand(1, 6, 4, dtype=torch.float64))
    moved = model.maximised(parameters, statistics, 1.0)
    for name, value in parameters.items():
        assert torch.equal(moved[name], value) == name.startswith("leaves."), name


def test_what_no_image_uses_stays() -> None:
    model = dgc_spn(2, 2, sums=2, leaf_components=2)
    parameters = banked(start(model))
    nothing = {
        name: torch.zeros_like(value) for name, value in parameters.items() if "weights" in name
    }
    nothing["leaves.sums"] = torch.zeros_like(parameters["leaves.centroids"])
    nothing["leaves.shares"] = nothing["leaves.sums"][..., 0]
    same = model.maximised(parameters, nothing, 1.0)
    for name, value in parameters.items():
        torch.testing.assert_close(same[name], value)


def test_statistics_of_leaves_are_gradients_of_the_centroids() -> None:
    model = dgc_spn(2, 2, 3, sums=2, leaf_components=2)
    parameters = start(model)
    centroids = parameters["leaves.centroids"].requires_grad_()
    pixels = torch.rand(5, 12, dtype=torch.float64)
    maps = pixels.view(5, 3, 2, 2).permute(0, 2, 3, 1).unsqueeze(3)
    variance = parameters["leaves.deviation"] ** 2
    leaves = -0.5 / variance * ((maps - centroids) ** 2).sum(dim=-1)
    plain = torch.stack([plain_density(parameters, one.exp()).log() for one in leaves]).sum()
    (gradient,) = torch.autograd.grad(plain, centroids)
    fixed = banked({name: value.detach() for name, value in parameters.items()})
    _, statistics = model.expectations(fixed, pixels.unsqueeze(0))
    shares = statistics["leaves.shares"][0].unsqueeze(-1)
    found = statistics["leaves.sums"][0] - shares * centroids.detach()
    torch.testing.assert_close(found / variance, gradient, rtol=1e-9, atol=1e-11)


def test_a_bank_is_its_runs_and_batches_add_up() -> None:
    model = dgc_spn(4, 4, sums=2)
    runs = start(model, 1), start(model, 2)
    pixels = torch.rand(2, 150, 16, dtype=torch.float64)
    log_densities, statistics = model.expectations(banked(*runs), pixels)
    torch.testing.assert_close(log_densities, model.log_density(banked(*runs), pixels))
    for run, parameters in enumerate(runs):
        parts = [
            model.expectations(banked(parameters), pixels[run : run + 1, part])[1]
            for part in (slice(0, 60), slice(60, None))
        ]
        for name, value in statistics.items():
            torch.testing.assert_close(value[run], parts[0][name][0] + parts[1][name][0])


def test_training_in_float32_raises_the_likelihood_of_hard_images() -> None:
    model = dgc_spn(8, 8, sums=4)
    black, white = torch.zeros(4, 64), torch.ones(4, 64)
    checks = (torch.arange(64) % 2).float().expand(4, -1)
    pixels = torch.cat([black, white, checks, 100 * white])
    parameters = banked(model.initial_parameters(generator(0), pixels))
    first = model.log_density(parameters, pixels[None]).mean()
    for _ in range(10):
        log_densities, statistics = model.expectations(parameters, pixels[None])
        assert torch.isfinite(log_densities).all()
        parameters = model.maximised(parameters, statistics, 0.5)
        assert all(torch.isfinite(value).all() for value in parameters.values())
    assert model.log_density(parameters, pixels[None]).mean() > first


@pytest.mark.parametrize("sides", [(28, 28), (8, 8), (4, 7)])
def test_size_knows_the_planes_and_the_parameters(sides: tuple[int, int]) -> None:
    model = dgc_spn(*sides, sums=16)
    told = planes(sides)
    known = [(plane.height, plane.width) for plane in model.circuit.geometry.planes]
    assert list(zip(*told, strict=True)) == known
    values: dict[str, str | int | float | bool] = {"sums": 16, "leaf_components": 4}
    one, two, many, all_images = (
        training_bytes(values | {"batch_size": batch}, sides, 1) for batch in (1, 2, 500, 0)
    )
    # Old and new parameters and statistics twice, in float32; what else there is goes by images.
    assert 2 * one - two == 4 * 4 * model.parameter_count()
    assert many == all_images


def test_size_covers_what_a_pass_holds() -> None:
    model = dgc_spn(8, 8, sums=16)
    parameters = model.initial_parameters(generator(0), torch.rand(10, 64))
    one = banked(parameters)
    _, statistics = model.expectations(one, torch.rand(1, 100, 64))
    tensors = [*one.values(), *statistics.values(), *model.workspace.kept.values()]
    held = sum(value.numel() * 4 for value in tensors)
    told = training_bytes({"sums": 16, "leaf_components": 4, "batch_size": 100}, (8, 8), 1)
    assert held <= told <= 2 * held
