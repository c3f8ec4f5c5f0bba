"""DVAE++ on images of 2 x 2 pixels: densities that sum to 1, banks, bounds, and Table 4."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.dvaepp import HYPERPARAMETERS, all_images, noise, random_bank, tiny
from torch import Tensor

from workflow_src.models.dvaepp import model as dvaepp
from workflow_src.models.dvaepp.architectures import ARCHITECTURES
from workflow_src.models.dvaepp.model import DvaeppModel, build
from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import Schedule

KINDS: list[dict[str, Any]] = [
    {"global_latents": "boltzmann_machine", "local_latents": "normal"},
    {"global_latents": "boltzmann_machine", "local_latents": "bernoulli", "global_groups": 4},
    {"global_latents": "boltzmann_machine", "smoothing": "spike_and_exponential"},
    {"global_latents": "bernoulli", "local_latents": "bernoulli"},
    {"global_latents": "normal", "local_latents": "normal", "decoder": "unconditional"},
    {"global_latents": "none", "local_latents": "normal"},
    {"global_latents": "none", "local_latents": "bernoulli", "kl_balancing": "unbalanced"},
]
NEAR = 0.4
"""Scale of the random networks where importance weights must not spread too much."""
HALF_WAY = Schedule(progress=0.2, kl_weight=0.5)


def log_partition(model: DvaeppModel, parameters: dict[str, Tensor]) -> float:
    """Of a machine with 2 and 2 units, by a loop; 0 for other priors."""
    if "prior.weights" not in parameters:
        return 0.0
    energies = []
    for bits in all_images(4):
        left, right = bits[:2], bits[2:]
        energy = left @ parameters["prior.visible_bias"][0]
        energy = energy + right @ parameters["prior.hidden_bias"][0]
        energies.append(energy + left @ parameters["prior.weights"][0] @ right)
    return float(torch.logsumexp(torch.stack(energies), dim=0))


def mean_weights(model: DvaeppModel, parameters: Any, state: Any) -> tuple[Tensor, Tensor]:
    """Estimates of p(x) of all 16 images by importance weights, and their standard errors."""
    images, samples = all_images(4).unsqueeze(0), 1500
    drawn = noise(model.weight_noise(samples, 16), 1)
    log_weights = model.log_weights(parameters, state, images, drawn)[0]
    weights = torch.exp(log_weights - log_partition(model, parameters))
    return weights.mean(dim=0), weights.std(dim=0) / math.sqrt(samples)


@pytest.mark.parametrize("values", [KINDS[0], KINDS[1], KINDS[3], KINDS[4], KINDS[5]])
def test_probabilities_of_all_images_sum_to_one_in_the_binary_limit(
    values: dict[str, Any],
) -> None:
    """The sum over images of the mean of p(x, z) / q(z | x), whatever the encoder."""
    model = tiny(**values)
    parameters, state = random_bank(model, 1, NEAR)
    means, errors = mean_weights(model, parameters, state)
    error = errors.square().sum().sqrt().item()
    assert error < 0.03
    assert means.sum().item() == pytest.approx(1, abs=5 * error)


@pytest.mark.parametrize("values", [KINDS[0], KINDS[3]])
def test_a_probability_does_not_depend_on_the_encoder(values: dict[str, Any]) -> None:
    model = tiny(**values)
    parameters, state = random_bank(model, 1, NEAR)
    others, _ = random_bank(model, 2, NEAR)
    encoder = ("encoder.", "global.posterior.", "local.posterior.")
    other = {
        name: others[name][1:] if name.startswith(encoder) else value
        for name, value in parameters.items()
    }
    (first, first_error), (second, second_error) = (
        mean_weights(model, one, state) for one in (parameters, other)
    )
    assert not torch.equal(first, second)
    standardised = (first - second) / (first_error**2 + second_error**2).sqrt()
    assert standardised.abs().max() < 5


@pytest.mark.parametrize("values", [KINDS[3], KINDS[5]])
def test_images_are_drawn_as_often_as_their_probabilities_say(values: dict[str, Any]) -> None:
    model = tiny(**values)
    parameters, state = random_bank(model, 1, NEAR)
    means, errors = mean_weights(model, parameters, state)
    count = 20_000
    single = {name: value.float() for name, value in parameters.items()}
    drawn, _ = model.draw(single, state, torch.Generator().manual_seed(1), count, 1)
    numbers = (drawn[:, 0] @ torch.tensor([8.0, 4, 2, 1])).long()
    shares = torch.bincount(numbers, minlength=16) / count
    deviation = (means * (1 - means) / count + errors**2).sqrt()
    assert ((shares - means) / deviation).abs().max() < 5


@pytest.mark.parametrize("values", KINDS)
def test_a_bank_of_two_is_each_alone(values: dict[str, Any]) -> None:
    model = tiny(**values)
    parameters, state = random_bank(model, 2)
    images = torch.randint(0, 2, (2, 6, 4)).double()
    drawn = noise(model.training_noise(6), 2)
    weights = noise(model.weight_noise(3, 6), 2)

    def results(runs: slice) -> list[Tensor]:
        own = {name: value[runs].clone().requires_grad_() for name, value in parameters.items()}
        moving = {name: value[runs] for name, value in state.items()}
        part = {name: value[runs] for name, value in drawn.items()}
        step = model.training_step(own, moving, images[runs], part, HALF_WAY)
        gradients = torch.autograd.grad(step.objective.sum(), list(own.values()))
        assert set(step.state) == set(state)
        log_weights = model.log_weights(
            own, moving, images[runs], {name: value[runs] for name, value in weights.items()}
        )
        groups = model.group_divergences(own, moving, images[runs], part)
        return [step.objective, step.bound, log_weights, groups, *gradients, *step.state.values()]

    together = results(slice(0, 2))
    for run in range(2):
        for both, alone in zip(together, results(slice(run, run + 1)), strict=True):
            torch.testing.assert_close(both[run : run + 1], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("values", [KINDS[0], KINDS[4]])
def test_a_weight_depends_on_its_own_image_and_noise_alone(values: dict[str, Any]) -> None:
    model = tiny(**values)
    parameters, state = random_bank(model, 1)
    images = all_images(4)[[3, 5, 14]].unsqueeze(0)
    drawn = noise(model.weight_noise(2, 3), 1)
    together = model.log_weights(parameters, state, images, drawn)
    for sample in range(2):
        for image in range(3):
            one = {k: v[:, sample : sample + 1, image : image + 1] for k, v in drawn.items()}
            alone = model.log_weights(parameters, state, images[:, image : image + 1], one)
            torch.testing.assert_close(alone[0, 0, 0], together[0, sample, image])


def test_the_bound_of_normal_variables_is_the_mean_log_weight() -> None:
    """Nothing is smoothed, and the divergence in closed form has the mean of the sampled one."""
    model = tiny(**KINDS[4])
    parameters, state = random_bank(model, 1)
    image, count = torch.tensor([[[1.0, 0, 0, 1]]]).double(), 20_000
    drawn = noise(model.weight_noise(count, 1), 1)
    log_weights = model.log_weights(parameters, state, image, drawn)[0, :, 0]
    maps = image.view(1, 1, 1, 2, 2).expand(count, -1, -1, -1, -1)
    features = model.networks.encoder.features(parameters, state, maps)
    once = {name: value.flatten(1, 2) for name, value in drawn.items()}
    log_likelihood, divergences = model.networks.bounded(parameters, features, maps, once)
    difference = log_likelihood[0] - divergences[0].sum(dim=1) - log_weights
    error = difference.std().item() / math.sqrt(count)
    assert abs(difference.mean().item()) < 5 * error


@pytest.mark.parametrize("values", KINDS)
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_gradients_are_finite_also_where_units_are_saturated(
    values: dict[str, Any], scale: float
) -> None:
    model = tiny(**values)
    parameters, state = random_bank(model, 1, scale)
    leaves = {name: value.float().requires_grad_() for name, value in parameters.items()}
    single = {name: value.float() for name, value in state.items()}
    drawn = {k: v.float() for k, v in noise(model.training_noise(16), 1).items()}
    step = model.training_step(leaves, single, all_images(4).float()[None], drawn, HALF_WAY)
    for gradient in torch.autograd.grad(step.objective.sum(), list(leaves.values())):
        assert gradient.isfinite().all()


def test_balancing_ends_where_the_divergence_counts_in_full() -> None:
    balanced, plain = tiny(kl_balancing="balanced"), tiny(kl_balancing="unbalanced")
    parameters, state = random_bank(balanced, 1)
    drawn = noise(balanced.training_noise(16), 1)

    def objective(model: DvaeppModel, kl_weight: float) -> float:
        schedule = Schedule(0.5, kl_weight)
        step = model.training_step(parameters, state, all_images(4)[None], drawn, schedule)
        return step.objective.item()

    assert objective(balanced, 1.0) == pytest.approx(objective(plain, 1.0), rel=1e-12)
    assert objective(balanced, 0.0) == pytest.approx(objective(plain, 0.0), rel=1e-12)
    assert abs(objective(balanced, 0.5) - objective(plain, 0.5)) > 1e-6


@pytest.mark.parametrize(
    ("balancing", "log_z", "coefficient"), [("unbalanced", 0.0, 1.0), ("balanced", 1e9, 3.0)]
)
def test_the_chains_pull_the_machine_down_by_what_the_divergence_weighs(
    balancing: str, log_z: float, coefficient: float
) -> None:
    """Chains of ones instead of zeros: the gradient of a bias loses its group's weight.

    Where the first of three groups has nearly all of the divergence, its coefficient is 3.
    """
    model = tiny(kl_balancing=balancing)
    parameters, state = random_bank(model, 1)
    bias = parameters["prior.visible_bias"].requires_grad_()
    drawn = noise(model.training_noise(16), 1)
    gradients = []
    for fill in (torch.zeros_like, torch.ones_like):
        chains = {name: fill(state[name]) for name in ("chains.left", "chains.right")}
        chains["chains.log_partition"] = torch.full((1,), log_z, dtype=torch.float64)
        step = model.training_step(
            parameters, {**state, **chains}, all_images(4)[None], drawn, HALF_WAY
        )
        gradients.append(torch.autograd.grad(step.objective.sum(), bias)[0])
    expected = torch.full((1, 2), -HALF_WAY.kl_weight * coefficient).double()
    torch.testing.assert_close(gradients[1] - gradients[0], expected, rtol=1e-6, atol=1e-6)


def test_draws_of_one_global_state_share_it_and_means_belong_to_draws() -> None:
    model = tiny(global_latents="bernoulli")
    parameters, state = random_bank(model, 1)
    single = {name: value.float() for name, value in parameters.items()}
    images, means = model.draw(single, state, torch.Generator().manual_seed(1), 300, 20)
    assert images.shape == means.shape == (300, 20, 4)
    assert ((images == 0) | (images == 1)).all()
    assert abs((images - means).mean().item()) < 5 * 0.5 / math.sqrt(images.numel())
    # A shared state makes draws of one state alike: states differ more than independent draws do.
    between = images.mean(dim=1).var(dim=0).sum()
    within = images.var(dim=1).mean(dim=0).sum() / 20
    assert between > 1.5 * within


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"global_units": 5}, "do not divide"),
        ({"global_units": 6, "global_groups": 3}, "two sides"),
        ({"global_units": 5, "global_groups": 1}, "two sides"),
    ],
)
def test_units_that_do_not_divide_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        tiny(**values)


def test_a_model_without_binary_variables_needs_no_smoothing() -> None:
    values = {"global_latents": "normal", "local_latents": "normal"}
    unneeded = {"smoothing", "inverse_temperature", "chains", "gibbs_sweeps"}
    kept = {name: value for name, value in HYPERPARAMETERS.items() if name not in unneeded}
    model = build(ImageFacts(8, 8, "bernoulli", 16), {**kept, **values})
    assert model.smoothing_curve() is None
    assert model.smoothed() is model


def test_images_that_an_architecture_is_not_for_are_refused() -> None:
    with pytest.raises(ValueError, match="not for images of 28 x 28"):
        build(ImageFacts(28, 28, "bernoulli", 255), HYPERPARAMETERS)


def test_the_declared_architectures_are_those_there_are() -> None:
    path = Path(dvaepp.__file__).with_name("model.yaml")
    declared = yaml.safe_load(path.read_text())["hyperparameters"]
    assert set(declared["architecture"]["choices"]) == set(ARCHITECTURES)
    assert set(declared) == set(HYPERPARAMETERS)


def network(inputs: int, channels: list[int], resized: set[int] = frozenset()) -> int:  # type: ignore[assignment]
    """Parameters of residual blocks, counted by hand; ``resized`` are positions with arrows."""
    total = 0
    for position, outputs in enumerate(channels):
        hidden = outputs // 4
        total += 9 * inputs * outputs + 9 * outputs * outputs + 2 * outputs
        total += 2 * outputs * hidden + hidden + outputs
        if inputs != outputs or position in resized:
            total += inputs * outputs + outputs
        inputs = outputs
    return total


@pytest.mark.parametrize("decoder", ["conditional", "unconditional"])
def test_parameters_of_omniglots_networks_counted_from_table_4(decoder: str) -> None:
    values = {
        "architecture": "omniglot",
        "global_units": 16,
        "global_groups": 4,
        "local_groups": 16,
        "local_channels": 32,
        "decoder": decoder,
    }
    model = build(ImageFacts(28, 28, "bernoulli", 1), {**HYPERPARAMETERS, **values})
    expected = network(1, [32, 32, 64, 64, 128], {0, 2, 4}) + network(128, [256, 512], {0, 1})
    expected += 2 * (1 + 128 + 512)
    expected += sum((512 + 4 * group) * 4 + 4 for group in range(4)) + 8 + 8 + 64
    expected += network(16, [128, 128], {0, 1})
    for group in range(16):
        before = 128 + 32 * group
        expected += network(before + 128, [32, 32, 32, 32, 64]) + network(before, [32, 32, 64])
    expected += network(128 + 16 * 32, [16])
    seen = 32 if decoder == "conditional" else 0
    expected += network(16 + seen, [16, 16], {0}) + network(16 + seen, [16, 8], {0})
    expected += network(8 + seen, [8], {0}) + 9 * 8 + 1
    if seen:
        expected += 3 * network(1, [32]) + 2 * (9 * 16 + 1) + 9 * 8 + 1
    assert model.parameter_count() == expected
    assert model.networks.locals_.size == (4, 4)


@pytest.mark.parametrize(
    ("architecture", "images", "local"),
    [
        ("caltech101", ImageFacts(28, 28, "bernoulli", 1), (7, 7)),
        ("cifar10", ImageFacts(32, 32, "discretised_logistic", 255, 3), (8, 8)),
        ("digits", ImageFacts(8, 8, "bernoulli", 16), (4, 4)),
    ],
)
@pytest.mark.parametrize("decoder", ["conditional", "unconditional"])
def test_every_architecture_fits_its_images(
    architecture: str, images: ImageFacts, local: tuple[int, int], decoder: str
) -> None:
    model = build(images, {**HYPERPARAMETERS, "architecture": architecture, "decoder": decoder})
    assert model.networks.locals_.size == local
    assert model.decayed <= set(model.parameter_shapes())
