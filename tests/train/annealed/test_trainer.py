"""Models with latent variables in banks: the same as alone, on schedule, resumed bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_latent_model import TinyModel

from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import LogPartition
from workflow_src.models.leaf_models import stack_runs
from workflow_src.models.random_streams import run_stream
from workflow_src.train.annealed.trainer import bank_key, initial_parameters
from workflow_src.train.annealed.validation import validation_bounds
from workflow_src.train.states import load_state, save_state
from workflow_src.train.training import InterruptedTrainingError

# Sums over a bank may add in another order than a single run's: float32, over a few steps.
ROUNDING = 1e-4


def three(annealed: Any, **changed: Any) -> list[dict[str, Any]]:
    return [annealed.spec(seed=seed, **changed) for seed in range(3)]


def column(outcome: Any, name: str) -> list[float]:
    return [row[name] for row in outcome.history]


def assert_close(one: Any, other: Any) -> None:
    assert (one.state, one.reason, one.steps) == (other.state, other.reason, other.steps)
    for name in ("training_bound", "validation_bound", "learning_rate", "log_partition"):
        np.testing.assert_allclose(column(one, name), column(other, name), rtol=ROUNDING)
    assert one.parameters.keys() == other.parameters.keys()
    for name, value in other.parameters.items():
        np.testing.assert_allclose(one.parameters[name], value, rtol=ROUNDING, atol=ROUNDING)


def test_training_comes_near_the_entropy_of_the_images(annealed: Any) -> None:
    """No model can be better than their source; the best independent pixels are worse."""
    spec = annealed.spec(
        maximum_steps=1500, validation_interval=250, learning_rate=0.03, validation_samples=50
    )
    outcome = annealed.run([spec])[0]
    assert (outcome.state, outcome.reason) == ("completed", "all planned steps were taken")
    assert outcome.best_validation_bound == max(column(outcome, "validation_bound"))
    validation = annealed.images["validation"].double()
    shares = validation.mean(0)
    independent = torch.distributions.Bernoulli(shares).log_prob(validation).sum(1).mean().item()
    assert outcome.best_validation_bound > independent + 0.5
    levels = annealed.images["train"].unique(dim=0).double() / 16
    by_kind = torch.distributions.Bernoulli(levels.unsqueeze(1)).log_prob(validation).sum(-1)
    source = torch.logsumexp(by_kind, 0).mean().item() - np.log(2)
    assert outcome.best_validation_bound < source + 0.3


def test_the_bound_of_the_checkpoint_is_the_best_bound(annealed: Any) -> None:
    spec = annealed.spec(seed=3)
    model = annealed.model()
    outcome = annealed.run([spec])[0]
    tensors = stack_runs([outcome.parameters])
    state = {"moving_mean": tensors.pop("state.moving_mean")}
    assert tensors.keys() == model.parameter_shapes().keys()
    noise = [run_stream("validation noise", spec, torch.device("cpu"))]
    found = validation_bounds(model, tensors, state, annealed.images["validation"], 5, noise)
    log_partition = torch.log1p(tensors["prior"].exp()).sum().item()
    assert found.item() - log_partition == pytest.approx(outcome.best_validation_bound, rel=1e-6)


def test_every_step_hears_where_training_is(annealed: Any) -> None:
    model = annealed.model()
    annealed.run([annealed.spec(kl_annealing=0.5)], model=model)
    assert [one.progress for one in model.schedules] == [step / 24 for step in range(24)]
    weights = [min(1.0, step / 12) for step in range(24)]
    assert [one.kl_weight for one in model.schedules] == pytest.approx(weights)


def test_a_history_tells_rates_weights_and_partition_functions(annealed: Any) -> None:
    spec = annealed.spec(learning_rate_schedule="text_steps", maximum_steps=20)
    outcome = annealed.run([spec])[0]
    assert column(outcome, "step") == [4, 8, 12, 16, 20]
    # The last step of each interval; those numbers are of steps that count from 0.
    assert column(outcome, "learning_rate") == pytest.approx(
        [0.02, 0.02, 0.02, 0.02 * 0.3**2, 0.02 * 0.3**3]
    )
    assert column(outcome, "kl_weight") == pytest.approx([3 / 6, 1, 1, 1, 1])
    best = outcome.best_step // 4 - 1
    log_partition = torch.log1p(outcome.parameters["prior"].double().exp()).sum().item()
    assert column(outcome, "log_partition")[best] == pytest.approx(log_partition, rel=1e-6)


def test_the_training_bound_is_the_mean_of_the_steps_less_the_partition_function(
    annealed: Any,
) -> None:
    class Telling(TinyModel):
        def training_step(self, *arguments: Any) -> Any:
            step = super().training_step(*arguments)
            bounds.append(step.bound.item())
            return step

    bounds: list[float] = []
    spec = annealed.spec()
    outcome = annealed.run([spec], model=Telling(ImageFacts(2, 3, "bernoulli", 16)))[0]
    # At the start and at every validation; an interval has the mean of its two ends.
    first = initial_parameters(annealed.model(), spec, torch.full((6,), 0.5))["prior"]
    ends = [torch.log1p(first.exp()).sum().item(), *column(outcome, "log_partition")]
    assert len(set(ends)) == len(ends)
    for i, four in enumerate(np.array(bounds).reshape(-1, 4)):
        expected = four.mean() - (ends[i] + ends[i + 1]) / 2
        assert outcome.history[i]["training_bound"] == pytest.approx(expected, rel=1e-6)


def test_a_history_tells_the_error_of_the_partition_function(annealed: Any) -> None:
    class Uncertain(TinyModel):
        def log_partition(self, *arguments: Any) -> Any:
            value = super().log_partition(*arguments).value
            return LogPartition(value, 0.25 + value)

    model = Uncertain(ImageFacts(2, 3, "bernoulli", 16))
    outcome = annealed.run([annealed.spec()], model=model)[0]
    errors = np.array(column(outcome, "log_partition_error"))
    np.testing.assert_allclose(errors, 0.25 + np.array(column(outcome, "log_partition")), rtol=1e-6)


def test_what_a_model_names_learns_ten_times_as_fast(annealed: Any) -> None:
    spec = annealed.spec(maximum_steps=1, validation_interval=1, epsilon=1e-9, kl_annealing=0)
    moves = []
    for names in ((), ("prior",)):
        model = TinyModel(ImageFacts(2, 3, "bernoulli", 16), auxiliary=frozenset(names))
        outcome = annealed.run([spec], model=model)[0]
        start = initial_parameters(annealed.model(), spec, torch.full((6,), 0.5))
        told = ("prior", "encoder.weight")
        moves.append({n: (outcome.parameters[n] - start[n]).abs().max().item() for n in told})
    # Adam's first step is as long as its size.
    assert moves[0]["prior"] == pytest.approx(0.02, rel=1e-3)
    assert moves[1]["prior"] == pytest.approx(0.2, rel=1e-3)
    assert moves[1]["encoder.weight"] == moves[0]["encoder.weight"] == pytest.approx(0.02, rel=1e-3)


def test_validation_may_be_by_the_first_images_only(
    annealed: Any, assert_same_outcome: Any
) -> None:
    few = {**annealed.images, "validation": annealed.images["validation"][:7]}
    by_seven = annealed.run([annealed.spec(validation_images=7)])[0]
    of_seven = annealed.run([annealed.spec()], images=few)[0]
    every = annealed.run([annealed.spec()])[0]
    assert_same_outcome(by_seven, of_seven)
    assert column(by_seven, "validation_bound") != column(every, "validation_bound")
    assert_same_outcome(annealed.run([annealed.spec(validation_images=40)])[0], every)


def test_no_plateau_is_where_the_weight_of_divergence_still_rises(annealed: Any) -> None:
    changed = {"learning_rate_schedule": "plateau", "learning_rate": 0.3, "plateau_patience": 1}
    spec = annealed.spec(maximum_steps=40, validation_interval=1, kl_annealing=0.5, **changed)
    outcome = annealed.run([spec])[0]
    bounds = column(outcome, "validation_bound")
    rising, whole = bounds[:20], bounds[20:]
    assert rising[1] < rising[0]  # as at a plateau
    # The rate of a step is that of the validations before it; each below the best halves it.
    best, expected = -np.inf, [0.3] * 21
    for bound in whole[:-1]:
        expected.append(expected[-1] * (1 if bound > best else 0.5))
        best = max(best, bound)
    assert column(outcome, "learning_rate") == pytest.approx(expected)
    assert expected[-1] < 0.3


def test_chains_move_before_every_step_and_are_no_result(annealed: Any, world: Any) -> None:
    class Counting(TinyModel):
        def advance(self, *arguments: Any) -> Any:
            assert not torch.is_grad_enabled()
            calls.append(len(self.schedules))
            return super().advance(*arguments)

    calls: list[int] = []
    keeping = world()
    model = Counting(ImageFacts(2, 3, "bernoulli", 16))
    outcome = annealed.run([annealed.spec()], model=model, world=keeping)[0]
    assert calls == list(range(24))
    assert "state.moving_mean" in outcome.parameters
    assert not any("chains" in name for name in outcome.parameters)
    tensors, _ = keeping.states[0]
    assert tensors["state.chains.units"].shape == (5, 2)


def test_what_a_step_moves_is_kept_with_the_parameters(annealed: Any) -> None:
    model = annealed.model()
    outcome = annealed.run([annealed.spec()], model=model)[0]
    moving = annealed.images["train"].float().mean(0) / 16
    for pixels in model.seen[: outcome.best_step]:
        moving = 0.9 * moving + 0.1 * pixels[0].mean(0)
    np.testing.assert_allclose(outcome.parameters["state.moving_mean"], moving, rtol=1e-5)


def test_every_interval_has_noise_of_its_own(annealed: Any) -> None:
    class Listening(TinyModel):
        def advance(self, parameters: Any, state: Any, generators: Any) -> Any:
            seeds.append(generators[0].initial_seed())
            return super().advance(parameters, state, generators)

        def training_step(self, parameters: Any, state: Any, pixels: Any, *more: Any) -> Any:
            noise.append(more[0]["units"].sum().item())
            return super().training_step(parameters, state, pixels, *more)

    seeds: list[int] = []
    noise: list[float] = []
    model = Listening(ImageFacts(2, 3, "bernoulli", 2))
    # Every pixel is white in half of its draws.
    images = {**annealed.images, "train": torch.ones(200, 6, dtype=torch.uint8)}
    annealed.run([annealed.spec()], images=images, model=model)
    assert len(set(seeds)) == 24 / 4
    assert len(set(noise)) == 24
    batches = {tuple(pixels.flatten().tolist()) for pixels in model.seen}
    assert len(batches) == 24


def test_a_run_in_a_bank_is_the_run_alone(annealed: Any) -> None:
    specs = [
        annealed.spec(seed=0),
        annealed.spec(seed=1, stream="restart"),
        annealed.spec(seed=0, fraction=0.1),
    ]
    together = annealed.run(specs)
    for i, spec in enumerate(specs):
        assert_close(together[i], annealed.run([spec])[0])


def test_runs_reach_plateaus_of_their_own(annealed: Any) -> None:
    changed = {"learning_rate_schedule": "plateau", "learning_rate": 0.3, "maximum_steps": 80}
    specs = three(annealed, **changed)
    together = annealed.run(specs)
    curves = [column(together[run], "learning_rate") for run in range(3)]
    assert len({tuple(curve) for curve in curves}) > 1
    for run, spec in enumerate(specs):
        assert_close(together[run], annealed.run([spec])[0])
        assert curves[run][0] == 0.3
        assert curves[run][-1] < 0.3


def test_the_same_bank_gives_the_same_bits(annealed: Any, assert_same_outcome: Any) -> None:
    first, second = annealed.run(three(annealed)), annealed.run(three(annealed))
    for run in range(3):
        assert_same_outcome(first[run], second[run])


@pytest.mark.parametrize("stop_after", [5, 12, 21])
@pytest.mark.parametrize("changed", [{}, {"optimizer": "adamax", "binarisation": "once"}])
def test_an_interrupted_bank_ends_as_if_it_had_not_been(
    annealed: Any,
    world: Any,
    assert_same_outcome: Any,
    tmp_path: Path,
    stop_after: int,
    changed: dict[str, Any],
) -> None:
    specs = three(annealed, learning_rate_schedule="plateau", learning_rate=0.2, **changed)
    through = annealed.run(specs)
    interrupted = world(stop_after_steps=stop_after)
    with pytest.raises(InterruptedTrainingError):
        annealed.run(specs, world=interrupted)
    for run, state in interrupted.states.items():
        save_state(tmp_path / str(run), state)
    states = [load_state(tmp_path / str(run)) for run in range(3)]
    assert all(state is not None for state in states)
    resumed = annealed.run(specs, states=states)
    for run in range(3):
        assert_same_outcome(resumed[run], through[run])


def test_runs_whose_states_are_of_different_steps_are_all_finished(
    annealed: Any, world: Any
) -> None:
    through = annealed.run(three(annealed))
    later, sooner = world(stop_after_steps=17), world(stop_after_steps=5)
    for interrupted in (later, sooner):
        with pytest.raises(InterruptedTrainingError):
            annealed.run(three(annealed), world=interrupted)
    resumed = annealed.run(three(annealed), states=[sooner.states[0], None, later.states[2]])
    for run in range(3):
        assert_close(resumed[run], through[run])


def test_a_run_that_diverges_keeps_its_best_point_and_the_others_do_not_notice(
    annealed: Any,
) -> None:
    class Breaking(TinyModel):
        def training_step(self, *arguments: Any) -> Any:
            step = super().training_step(*arguments)
            if len(self.schedules) == 11:
                step.objective[0] = torch.nan * step.objective[0]
                step.bound[0] = torch.nan
            return step

    model = Breaking(ImageFacts(2, 3, "bernoulli", 16))
    together = annealed.run(three(annealed), model=model)
    assert together[0].state == "diverged"
    assert together[0].reason == "the training bound was nan at step 12"
    assert together[0].best_step in (4, 8)
    assert all(torch.isfinite(value).all() for value in together[0].parameters.values())
    for run in (1, 2):
        assert_close(together[run], annealed.run([annealed.spec(seed=run)])[0])


def test_batches_are_drawn_anew_and_once_is_once(annealed: Any) -> None:
    def seen(seed: int, binarisation: str) -> list[list[float]]:
        model = annealed.model()
        # One image, twenty-four batches of eight.
        spec = annealed.spec(seed=seed, fraction=0.005, binarisation=binarisation)
        annealed.run([spec], model=model)
        found: list[list[float]] = torch.cat(model.seen, dim=1)[0].unique(dim=0).tolist()
        return found

    anew = seen(0, "each_batch")
    assert len(anew) > 4
    assert {value for image in anew for value in image} == {0.0, 1.0}
    assert len(seen(0, "once")) == 1


def test_black_and_white_images_of_one_level_take_no_noise(annealed: Any) -> None:
    model = TinyModel(ImageFacts(2, 3, "bernoulli", 1))
    images = {**annealed.images, "train": annealed.images["validation"]}
    annealed.run([annealed.spec()], images=images, model=model)
    known = {tuple(image) for image in images["train"].tolist()}
    seen = torch.cat(model.seen, dim=1)[0]
    assert {tuple(int(value) for value in image) for image in seen.tolist()} <= known


def test_a_run_starts_from_the_mean_of_its_own_images(annealed: Any, world: Any) -> None:
    class Remembering(TinyModel):
        def initial_parameters(self, generator: Any, mean: Any) -> Any:
            means.append(mean)
            return super().initial_parameters(generator, mean)

    means: list[torch.Tensor] = []
    model = Remembering(ImageFacts(2, 3, "bernoulli", 16))
    annealed.run([annealed.spec(), annealed.spec(fraction=0.005)], model=model)
    every = annealed.images["train"].double().mean(0) / 16
    np.testing.assert_allclose(means[0], every, rtol=1e-6)
    assert (means[1] * 16).tolist() in annealed.images["train"].float().tolist()


def test_weight_decay_shrinks_what_the_model_names(annealed: Any) -> None:
    def size(**changed: Any) -> float:
        spec = annealed.spec(maximum_steps=200, validation_interval=200, **changed)
        outcome = annealed.run([spec])[0]
        return float(outcome.parameters["decoder.weight"].norm())

    assert size(weight_decay=1.0) < 0.5 * size()


def test_only_runs_of_one_shape_and_rhythm_share_a_bank(annealed: Any) -> None:
    base = bank_key(annealed.spec())
    for axis, other in {
        "seed": 7,
        "fraction": 0.1,
        "stream": "restart",
        "protocol": "text",
    }.items():
        assert bank_key(annealed.spec(**{axis: other})) == base
    free = {"seed", "fraction", "stream", "protocol"}
    for name, value in annealed.spec().items():
        if name not in free:
            other = f"{value}?" if isinstance(value, str) else value + 1
            assert bank_key(annealed.spec(**{name: other})) != base, name
