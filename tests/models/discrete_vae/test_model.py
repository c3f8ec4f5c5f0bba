"""The discrete VAE: its sizes, what it refuses, where it starts, and runs side by side."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.small_discrete_vae import (
    HYPERPARAMETERS,
    MEAN,
    noise_of,
    random_case,
    small_model,
)
from workflow_src.config.models import model_declaration
from workflow_src.models.discrete_vae.model import build
from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import Schedule

BATCH = {"normalisation": "batch"}
MACHINE = {"prior": "boltzmann_machine"}
KINDS: list[dict[str, Any]] = [
    {"objective": "joint_bound"},
    {"objective": "marginal_bound", "latent_layers": 2, **BATCH},
    {"objective": "marginal_bound", "smoothing": "concrete"},
    {"objective": "joint_bound", "smoothing": "spike_and_exponential", "latent_layers": 2},
    {"objective": "joint_bound", "smoothing": "overlapping_logistic"},
    {"objective": "nvil", "code_values": "plus_minus_one"},
    {"objective": "muprop"},
    {"objective": "rebar", "network": "linear"},
    {"latent_units": 4, **MACHINE, **BATCH},
    {"latent_layers": 2, **MACHINE},
    {"latent_layers": 2, "smoothing": "spike_and_exponential", **MACHINE},
]


@pytest.mark.parametrize(
    ("hyperparameters", "count"),
    [
        # The published programs' sizes; rounded to thousands: 315, 476, 325, 487, 709, 836.
        ({"network": "linear"}, 314_784),
        ({"network": "nonlinear"}, 475_584),
        ({"network": "linear", **MACHINE}, 324_784),
        ({"network": "nonlinear", **MACHINE, **BATCH}, 487_184),
        ({"network": "linear", "latent_layers": 2, **MACHINE}, 708_784),
        ({"network": "nonlinear", "latent_layers": 2, **MACHINE, **BATCH}, 835_584),
        # A baseline of 784 x 100 and 100 x 1, MuProp's two numbers and REBAR's two.
        ({"network": "linear", "objective": "nvil"}, 314_784 + 78_500 + 101),
        ({"network": "linear", "objective": "muprop"}, 314_784 + 78_500 + 101 + 2),
        ({"network": "linear", "objective": "rebar"}, 314_784 + 78_500 + 101 + 2),
    ],
)
def test_sizes(hyperparameters: dict[str, Any], count: int) -> None:
    sizes = {"latent_units": 200, "hidden_units": 200, "hidden_layers": 2}
    model = build(ImageFacts(28, 28, "bernoulli", 255), HYPERPARAMETERS | sizes | hyperparameters)
    assert model.parameter_count() == count


def test_every_hyperparameter_is_declared() -> None:
    assert set(model_declaration("discrete_vae").hyperparameters) == set(HYPERPARAMETERS)


@pytest.mark.parametrize(
    ("hyperparameters", "said"),
    [
        ({"objective": "nvil", "latent_layers": 2}, "one layer"),
        ({"objective": "rebar", **MACHINE}, "directed prior"),
        ({"objective": "muprop", **BATCH}, "no batch normalisation"),
        ({"objective": "marginal_bound", **MACHINE}, "Boltzmann machine has no marginal_bound"),
        ({"latent_units": 3, **MACHINE}, "even number"),
        ({"objective": "joint_bound", "smoothing": "concrete"}, "marginal_bound"),
    ],
)
def test_what_does_not_go_together_is_refused(hyperparameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small_model(**hyperparameters)


def test_what_means_nothing_elsewhere_refuses_nothing() -> None:
    small_model(objective="nvil", smoothing="concrete")
    small_model(objective="nvil", network="linear", normalisation="batch")


def test_an_untrained_decoder_gives_the_mean_image_without_its_extremes() -> None:
    model = small_model(network="linear")
    parameters = model.initial_parameters(torch.Generator().manual_seed(0), MEAN)
    expected = torch.tensor([0.2, 0.9, 0.5, 0.001])
    torch.testing.assert_close(torch.sigmoid(parameters["decoder.0.bias"]), expected)
    assert not parameters["prior.logits"].any()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_bank_of_two_is_each_alone(kind: dict[str, Any]) -> None:
    model = small_model(**kind)
    cases = [random_case(model, seed) for seed in (1, 2)]
    parameters = {n: torch.cat([case[0][n] for case in cases]) for n in cases[0][0]}
    state = {n: torch.cat([case[1][n] for case in cases]) for n in cases[0][1]}
    pixels = torch.bernoulli(torch.full((2, 5, 4), 0.4, dtype=torch.float64))
    noise, weights = noise_of(model.training_noise(5), 2), noise_of(model.weight_noise(3, 5), 2)
    schedule = Schedule(progress=0.5, kl_weight=0.7)
    for values in parameters.values():
        values.requires_grad_()
    together = model.training_step(parameters, state, pixels, noise, schedule)
    together.objective.sum().backward()
    for run, (own, own_state) in enumerate(cases):
        for values in own.values():
            values.requires_grad_()
        only = slice(run, run + 1)
        own_noise = {name: value[only] for name, value in noise.items()}
        alone = model.training_step(own, own_state, pixels[only], own_noise, schedule)
        alone.objective.sum().backward()
        torch.testing.assert_close(together.objective[only], alone.objective)
        torch.testing.assert_close(together.bound[only], alone.bound)
        assert set(alone.state) == set(model.state_shapes())
        for name in own:
            torch.testing.assert_close(parameters[name].grad[only], own[name].grad, msg=name)
        for name in own_state:
            torch.testing.assert_close(together.state[name][only], alone.state[name])
            assert not together.state[name].requires_grad
        drawn = {name: value[only] for name, value in weights.items()}
        torch.testing.assert_close(
            model.log_weights(parameters, state, pixels, weights)[only],
            model.log_weights(own, own_state, pixels[only], drawn),
        )


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("edge", [0.0, 1 - 2.0**-24])
def test_saturated_posteriors_leave_everything_finite(kind: dict[str, Any], edge: float) -> None:
    """Float32, logits of q near +-50, and noise at its ends."""
    model = small_model(**kind)
    parameters, state = random_case(model)
    parameters = {name: value.float() for name, value in parameters.items()}
    state = {name: value.float() for name, value in state.items()}
    last = max(int(name.split(".")[2]) for name in parameters if name.startswith("encoder.0"))
    for name, value in parameters.items():
        if name.startswith("encoder") and name.split(".")[2:] == [str(last), "bias"]:
            value[:, ::2], value[:, 1::2] = 50.0, -50.0
        value.requires_grad_()
    pixels = torch.bernoulli(torch.full((1, 5, 4), 0.4))
    noise = {
        name: torch.full((1, *shape.shape), edge) for name, shape in model.training_noise(5).items()
    }
    step = model.training_step(parameters, state, pixels, noise, Schedule(1.0, 1.0))
    step.objective.sum().backward()
    assert torch.isfinite(step.objective).all()
    assert torch.isfinite(step.bound).all()
    for name, value in parameters.items():
        assert torch.isfinite(value.grad).all(), name
    weights = {"uniform": torch.full((1, 2, 5, sum(model.networks.units)), edge)}
    assert torch.isfinite(model.log_weights(parameters, state, pixels, weights)).all()


def test_the_temperature_moves_with_progress() -> None:
    annealed = small_model(inverse_temperature=4.0, final_inverse_temperature=12.0)
    parameters, state = random_case(annealed)
    pixels = torch.bernoulli(torch.full((1, 5, 4), 0.4, dtype=torch.float64))
    noise = noise_of(annealed.training_noise(5))
    for progress, temperature in ((0.0, 4.0), (0.25, 6.0), (1.0, 12.0)):
        fixed = small_model(inverse_temperature=temperature, final_inverse_temperature=temperature)
        schedule = Schedule(progress, 1.0)
        assert torch.equal(
            annealed.training_step(parameters, state, pixels, noise, schedule).objective,
            fixed.training_step(parameters, state, pixels, noise, schedule).objective,
        )
    curve = {"smoothing": "overlapping_exponential", "inverse_temperature": 12.0}
    assert annealed.smoothing_curve() == curve
    assert small_model(objective="rebar").smoothing_curve() is None


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_without_the_divergence_the_prior_has_no_gradient(kind: dict[str, Any]) -> None:
    model = small_model(**kind)
    parameters, state = random_case(model)
    for value in parameters.values():
        value.requires_grad_()
    pixels = torch.bernoulli(torch.full((1, 5, 4), 0.4, dtype=torch.float64))
    noise = noise_of(model.training_noise(5))
    step = model.training_step(parameters, state, pixels, noise, Schedule(0.0, 0.0))
    step.objective.sum().backward()
    for name, value in parameters.items():
        if name.startswith("prior"):
            assert value.grad is None or not value.grad.any(), name
        if name.startswith(("encoder.0", "decoder")) and name.endswith("weight"):
            assert value.grad.any(), name
    assert torch.isfinite(step.bound).all()


def test_only_chains_move_before_a_step() -> None:
    model = small_model(latent_layers=2, chains=500, prior="boltzmann_machine")
    parameters, state = random_case(model)
    streams = [torch.Generator().manual_seed(0)]
    moved = model.advance(parameters, state, streams)
    assert set(moved) == set(state)
    changed = {name for name in state if not torch.equal(moved[name], state[name])}
    assert changed == {"chains.left", "chains.right"}
    assert set(moved["chains.left"].unique().tolist()) == {0.0, 1.0}
    directed = small_model(latent_layers=2)
    parameters, state = random_case(directed)
    assert directed.advance(parameters, state, streams) == state


def test_what_decays() -> None:
    names = small_model(latent_layers=2, hidden_layers=1, **BATCH, **MACHINE).decayed
    parts = ("encoder.0", "encoder.1", "decoder")
    assert names == {
        *(f"{part}.{name}" for part in parts for name in ("0.weight", "0.scale", "1.weight")),
        "prior.weights",
    }
    assert "baseline.0.weight" not in small_model(objective="nvil").decayed


def test_what_only_estimators_have_learns_faster() -> None:
    baseline = {f"baseline.{layer}.{what}" for layer in (0, 1) for what in ("weight", "bias")}
    for objective, others in {
        "nvil": set(),
        "muprop": {"muprop.scale_logits"},
        "rebar": {"rebar.log_temperature", "rebar.scale_logit"},
    }.items():
        assert small_model(objective=objective).auxiliary == baseline | others
    assert small_model(objective="joint_bound").auxiliary == set()


@pytest.mark.parametrize("objective", ["nvil", "muprop", "rebar"])
def test_baselines_and_control_variates_have_gradients_of_their_own(objective: str) -> None:
    """All of them learn, and the model hears nothing of how (see `ScoreFunctionBound`)."""
    model = small_model(objective=objective)
    parameters, state = random_case(model)
    for value in parameters.values():
        value.requires_grad_()
    noise = noise_of(model.training_noise(7))
    pixels = torch.rand(1, 7, 4, dtype=torch.float64).round()
    step = model.training_step(parameters, state, pixels, noise, Schedule(0.5, 1.0))
    step.objective.sum().backward()
    for name in model.auxiliary:
        assert (parameters[name].grad != 0).any(), name
