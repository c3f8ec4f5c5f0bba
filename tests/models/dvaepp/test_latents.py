"""Distributions of variables against torch's; the Boltzmann prior against sums and means."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Distribution, kl_divergence
from torch.distributions import Normal as TorchNormal

from workflow_src.models.dvaepp.boltzmann_latents import BoltzmannLatents
from workflow_src.models.dvaepp.global_latents import DirectedLatents
from workflow_src.models.dvaepp.latent_distributions import Normal, SmoothedBernoulli
from workflow_src.models.smoothings.smoothing import smoothing

BETA = 8.0


def normals(outputs: tuple[Tensor, Tensor]) -> TorchNormal:
    return TorchNormal(outputs[0], torch.exp(5 * torch.tanh(outputs[1] / 5)))


def log_prob(distribution: Distribution, values: Tensor) -> Tensor:
    result: Tensor = distribution.log_prob(values)
    return result


def test_normal_divergence_and_log_ratio_are_the_librarys() -> None:
    torch.manual_seed(0)
    own, prior = [(torch.randn(50).double(), 2 * torch.randn(50).double()) for _ in range(2)]
    noise = torch.randn(50).double()
    distribution = Normal()
    values = distribution.sample(own, noise)
    torch.testing.assert_close(values, normals(own).mean + normals(own).stddev * noise)
    torch.testing.assert_close(
        distribution.divergence(own, prior, values, noise),
        kl_divergence(normals(own), normals(prior)),
    )
    torch.testing.assert_close(
        distribution.limit_log_ratio(own, prior, values, noise),
        log_prob(normals(own), values) - log_prob(normals(prior), values),
    )


def test_normal_variables_stay_finite_however_large_the_outputs() -> None:
    own = (torch.tensor([1e3, -1e3]), torch.tensor([1e4, -1e4], requires_grad=True))
    prior = (torch.zeros(2), torch.tensor([-1e4, 1e4]))
    distribution = Normal()
    values = distribution.sample(own, torch.ones(2))
    total = distribution.divergence(own, prior, values, torch.ones(2)).sum()
    (gradient,) = torch.autograd.grad(total, own[1])
    assert total.isfinite()
    assert gradient.isfinite().all()


def test_bits_have_the_probabilities_of_their_logits() -> None:
    distribution = SmoothedBernoulli(smoothing("overlapping_exponential"), BETA)
    own, prior = torch.randn(2, 7).double()
    noise = torch.rand(200_000, 7).double()
    bits = distribution.limit_sample((own,), noise)
    error = bits.mean(dim=0) - torch.sigmoid(own)
    assert error.abs().max() < 5 * 0.5 / math.sqrt(len(noise))
    log_ratio = distribution.limit_log_ratio((own,), (prior,), bits[:20], noise[:20])
    first, second = TorchBernoulli(logits=own), TorchBernoulli(logits=prior)
    torch.testing.assert_close(log_ratio, log_prob(first, bits[:20]) - log_prob(second, bits[:20]))


def latents(groups: int, chains: int = 10, sweeps: int = 1) -> BoltzmannLatents:
    kind = smoothing("overlapping_exponential")
    return BoltzmannLatents(kind, BETA, 4, groups, chains, sweeps)


def posterior_given(zeta: Tensor, logits: Tensor) -> Tensor:
    """Bayes' rule with the two densities of section 3, up to their common factor."""
    one = torch.sigmoid(logits) * torch.exp(BETA * (zeta - 1))
    zero = torch.sigmoid(-logits) * torch.exp(-BETA * zeta)
    return one / (one + zero)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_divergence_is_the_mean_over_bits_drawn_given_the_smoothed_units(groups: int) -> None:
    """E[log q(z | x, zeta before) - log p(z)] + const, with z drawn from q(z | x, zeta)."""
    torch.manual_seed(groups)
    model, count = latents(groups), 100_000
    shapes = model.parameter_shapes(3)
    parameters = {name: torch.randn(1, *shape).double() for name, shape in shapes.items()}
    for group in range(1, groups):
        # Later groups follow those before, so that the sides' probabilities are correlated.
        parameters[f"global.posterior.{group}.weight"][..., 3:] = 4
        parameters[f"global.posterior.{group}.bias"][:] = -4
    parameters["prior.weights"][:] = 3
    features = 0.3 * torch.randn(1, 1, 3).double().expand(1, count, 3)
    inferred = model.infer(parameters, features, torch.rand(1, count, 4).double())
    logits = []
    for group, zeta in enumerate(inferred.codes.chunk(groups, dim=2)):
        seen = torch.cat([features, *inferred.codes.chunk(groups, dim=2)[:group]], dim=2)
        weight = parameters[f"global.posterior.{group}.weight"][0]
        logits.append(seen[0] @ weight.T + parameters[f"global.posterior.{group}.bias"][0])
        assert zeta.shape[2] == 4 // groups
    joined = torch.cat(logits, dim=1)
    bits = torch.bernoulli(posterior_given(inferred.codes[0], joined))
    left, right = bits[:, :2], bits[:, 2:]
    own = log_prob(TorchBernoulli(logits=joined), bits).sum(dim=1)
    energy = left @ parameters["prior.visible_bias"][0] + right @ parameters["prior.hidden_bias"][0]
    energy = energy + ((left @ parameters["prior.weights"][0]) * right).sum(dim=1)
    difference = own - energy - inferred.divergence[0, :, 0]
    standard_error = (difference.std() / math.sqrt(count)).item()
    assert abs(difference.mean().item()) < 5 * standard_error
    if groups > 1:
        # With the probabilities before the smoothed units are seen, it would be another number.
        means = torch.sigmoid(joined)
        surprise = posterior_given(inferred.codes[0], joined)[:, :2] - means[:, :2]
        change = ((surprise @ parameters["prior.weights"][0]) * means[:, 2:]).sum(dim=1).mean()
        assert abs(change.item()) > 20 * standard_error


def exact_log_partition(parameters: dict[str, Tensor]) -> float:
    """By a loop over all 16 states of 2 and 2 units."""
    total = []
    for state in range(16):
        bits = torch.tensor([state >> place & 1 for place in range(4)]).double()
        left, right = bits[:2], bits[2:]
        energy = left @ parameters["prior.visible_bias"][0].double()
        energy = energy + right @ parameters["prior.hidden_bias"][0].double()
        total.append(energy + left @ parameters["prior.weights"][0].double() @ right)
    return float(torch.logsumexp(torch.stack(total), dim=0))


def test_log_z_is_known_through_changes_of_the_machine_whose_chains_move() -> None:
    model = latents(2, chains=40, sweeps=3)
    generator = torch.Generator().manual_seed(3)
    first = model.initial_state(generator)
    assert first["chains.log_partition"].item() == pytest.approx(4 * math.log(2))
    assert {name: tuple(value.shape) for name, value in first.items()} == model.state_shapes()
    state = {name: value.unsqueeze(0) for name, value in first.items()}
    goal = {
        name: 1.5 * torch.randn(1, *shape, generator=generator)
        for name, shape in model.prior.parameter_shapes().items()
    }
    for step in range(1, 4):
        parameters = {name: value * step / 3 for name, value in goal.items()}
        moved = model.advance(parameters, state, [generator])
        assert set(moved) == set(first)
        assert not torch.equal(moved["chains.left"], state["chains.left"])
        state = moved
        _, known = model.partition_terms(parameters, state)
        assert known.item() == pytest.approx(exact_log_partition(parameters), rel=1e-6)
    assert abs(known.item() - 4 * math.log(2)) > 0.3


def test_every_global_group_with_a_directed_prior_has_its_own_divergence() -> None:
    model = DirectedLatents(Normal(), units=6, groups=2)
    torch.manual_seed(0)
    parameters = {
        name: torch.zeros(1, *shape).double() for name, shape in model.parameter_shapes(3).items()
    }
    expected = []
    for group in range(2):
        # Layers that see nothing: a group's distributions are what their biases say.
        own, prior = (torch.randn(2, 3).double() for _ in range(2))
        parameters[f"global.posterior.{group}.bias"][0] = own.flatten()
        parameters[f"global.prior.{group}.bias"][0] = prior.flatten()
        both = (normals((outputs[0], outputs[1])) for outputs in (own, prior))
        expected.append(kl_divergence(*both).sum())
    inferred = model.infer(parameters, torch.randn(1, 5, 3).double(), torch.randn(1, 5, 6).double())
    torch.testing.assert_close(inferred.divergence[0], torch.stack(expected).expand(5, -1))


def test_the_surrogates_gradient_is_that_of_log_z() -> None:
    model = latents(2, chains=40_000, sweeps=30)
    generator = torch.Generator().manual_seed(4)
    state = {name: value.unsqueeze(0) for name, value in model.initial_state(generator).items()}
    parameters = {
        name: torch.randn(1, *shape, generator=generator).requires_grad_()
        for name, shape in model.prior.parameter_shapes().items()
    }
    state = {**state, **model.advance(parameters, state, [generator])}
    surrogate, _ = model.partition_terms(parameters, state)
    gradients = torch.autograd.grad(surrogate.sum(), list(parameters.values()))
    for name, gradient in zip(parameters, gradients, strict=True):
        for index in range(gradient.numel()):
            moved = {key: value.detach().double().clone() for key, value in parameters.items()}
            ends = []
            for step in (1e-4, -2e-4):
                moved[name].view(-1)[index] += step
                ends.append(exact_log_partition(moved))
            exact = (ends[0] - ends[1]) / 2e-4
            # A mean of 40,000 bits: five standard errors of at most 0.5 / 200.
            assert gradient.flatten()[index].item() == pytest.approx(exact, abs=0.0125)
