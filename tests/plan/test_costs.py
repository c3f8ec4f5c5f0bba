"""Expected costs come from what was measured, where anything was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow_src.plan import costs
from workflow_src.plan.costs import expected_costs
from workflow_src.plan.guesses import GPU_STEP_SECONDS
from workflow_src.plan.layout import Layout
from workflow_src.plan.specs import RunSpec

LAYOUT = Layout(Path("data"), Path("results"))


CORE_MILLISECONDS = {
    ("vae", (30, 1)): 8.3,
    ("vae", (30, 200)): 10.2,
    ("vae", (100, 50)): 15.7,
    ("vae", (300, 50)): 41.3,
    ("vae", (300, 200)): 47.6,
    ("vae", (600, 200)): 103.9,
    ("spvae", (8, 1)): 16.0,
    ("spvae", (16, 5)): 21.7,
    ("spvae", (30, 25)): 40.6,
    ("spvae", (32, 50)): 48.2,
    ("conv_vae", (32, 1)): 136.0,
    ("conv_vae", (64, 200)): 160.0,
    ("conv_vae", (128, 200)): 166.0,
    ("conv_spvae", (8, 1)): 188.0,
    ("conv_spvae", (64, 25)): 215.0,
    ("conv_spvae", (64, 50)): 229.0,
}
"""A training step on continuous MNIST by (hidden units, latent dimensions), measured in CPU time of
one thread on the machine of docs/speed.md. A thousand steps take as many seconds."""


def spec(
    hidden: int = 30,
    latent: int = 1,
    seed: int = 0,
    model: str = "vae",
    fraction: float = 1.0,
    **more: int,
) -> RunSpec:
    values = (("hidden_units", hidden), ("latent_dimensions", latent), *more.items())
    return RunSpec(model, "mnist", "gaussian", fraction, seed, "authors", "full", values)


def record(
    root: Path,
    one: RunSpec,
    seconds: float,
    gpu: dict[str, str] | None = None,
    state: str = "completed",
) -> None:
    content = {
        "spec": one.canonical(),
        "result": {"device_seconds": seconds},
        "status": {"state": state, "reason": "-"},
    }
    path = root / LAYOUT.run(one, f"{hash(one)}{seconds}{gpu is None}") / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"content": content, "machine": {"gpu": gpu}}))


def cost(root: Path, one: RunSpec, device: str = "cpu") -> tuple[float, str]:
    found = expected_costs([one], LAYOUT, root, device=device)[one]
    return found.seconds, found.source


def test_a_cell_that_was_trained_costs_its_mean(root: Path) -> None:
    record(root, spec(seed=1), 100.0)
    record(root, spec(seed=2), 300.0)
    assert cost(root, spec(seed=3)) == (200.0, "measured")


def test_a_cell_goes_by_its_own_fraction_where_that_was_trained(root: Path) -> None:
    record(root, spec(seed=1), 100.0)
    record(root, spec(seed=1, fraction=0.1), 20.0)
    assert cost(root, spec(seed=2, fraction=0.1)) == (20.0, "measured")
    assert cost(root, spec(seed=2, fraction=0.5)) == (60.0, "scaled")


@pytest.mark.parametrize(("model", "cell"), CORE_MILLISECONDS)
def test_a_cell_never_trained_goes_by_the_sizes_of_others(
    root: Path, model: str, cell: tuple[int, int]
) -> None:
    known = {"vae": (300, 50), "spvae": (30, 25), "conv_vae": (64, 200), "conv_spvae": (64, 25)}[
        model
    ]
    record(root, spec(*known, model=model), CORE_MILLISECONDS[model, known])
    seconds, source = cost(root, spec(*cell, model=model))
    assert CORE_MILLISECONDS[model, cell] / 1.6 < seconds < 1.6 * CORE_MILLISECONDS[model, cell]
    assert source == ("measured" if cell == known else "scaled")


def test_runs_that_diverged_say_nothing(root: Path) -> None:
    record(root, spec(seed=1), 100.0)
    record(root, spec(seed=2), 0.1, state="diverged")
    record(root, spec(fraction=0.5), 0.1, state="diverged")
    assert cost(root, spec(seed=3)) == (100.0, "measured")
    assert cost(root, spec(fraction=0.5, seed=3)) == (100.0, "scaled")


def test_of_a_family_s_hundreds_of_records_all_are_heard(root: Path) -> None:
    for seed in range(400):
        record(root, spec(seed=seed), float(seed))
    assert cost(root, spec(seed=1000)) == (199.5, "measured")


def test_one_odd_run_makes_no_other_cheap(root: Path) -> None:
    for seed, seconds in enumerate([100.0, 100.0, 0.1]):
        record(root, spec(30, seed=seed), seconds)
    assert cost(root, spec(30, 2))[0] == pytest.approx(100.0, rel=0.1)


def test_of_more_records_than_are_read_every_cell_is_heard(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_READ_PER_FAMILY", 100)
    for number in range(400):
        hidden = (8, 16, 32)[number * 3 // 400]
        record(root, spec(hidden, seed=number), 10.0 * hidden)
    for hidden in (8, 16, 32):
        assert cost(root, spec(hidden, seed=1000)) == (10.0 * hidden, "measured")


def test_a_gpu_tells_nothing_of_a_cpu(root: Path) -> None:
    record(root, spec(), 10.0, gpu={"name": "a card"})
    assert cost(root, spec())[1] == "guessed"
    assert cost(root, spec(), "cuda:1") == (10.0, "measured")


@pytest.mark.parametrize(("model", "cell"), CORE_MILLISECONDS)
def test_without_any_record_a_core_is_guessed_near_what_was_measured(
    root: Path, model: str, cell: tuple[int, int]
) -> None:
    seconds, source = cost(root, spec(*cell, model=model, maximum_steps=1000))
    assert CORE_MILLISECONDS[model, cell] / 1.6 < seconds < 1.6 * CORE_MILLISECONDS[model, cell]
    assert source == "guessed"


@pytest.mark.parametrize(
    ("model", "cell", "milliseconds"),
    [
        ("spvae", (8, 1), 21.4),
        ("spvae", (30, 25), 57.3),
        ("vae", (30, 1), 9.9),
        ("vae", (300, 50), 56.1),
        ("vae", (600, 200), 154.0),
    ],
)
def test_three_hidden_layers_are_guessed_near_what_was_measured(
    root: Path, model: str, cell: tuple[int, int], milliseconds: float
) -> None:
    one = spec(*cell, model=model, maximum_steps=1000, hidden_layers=3)
    assert milliseconds / 1.6 < cost(root, one)[0] < 1.6 * milliseconds


def test_convolutions_of_larger_images_are_guessed_near_what_was_measured(root: Path) -> None:
    for model, cell, milliseconds in (("conv_vae", (64, 200), 219), ("conv_spvae", (64, 25), 288)):
        values = (("hidden_units", cell[0]), ("latent_dimensions", cell[1]))
        values += (("maximum_steps", 1000),)
        one = RunSpec(model, "svhn", "gaussian", 1.0, 0, "authors", "full", values)
        assert cost(root, one)[0] == pytest.approx(milliseconds, rel=0.1)


LATENT_VARIABLE_MILLISECONDS = (
    ("discrete_vae", {"network": "linear", "batch_size": 24}, 3.6),
    ("discrete_vae", {"network": "nonlinear", "batch_size": 24}, 6.2),
    ("discrete_vae", {"network": "nonlinear", "latent_layers": 2}, 23.6),
    ("discrete_vae", {"network": "linear", "prior": "boltzmann_machine"}, 67.8),
    (
        "discrete_vae",
        {"network": "nonlinear", "latent_layers": 2, "prior": "boltzmann_machine"},
        195.0,
    ),
    ("dvaepp", {"architecture": "mnist", "global_latents": "normal"}, 1870.0),
    (
        "dvaepp",
        {"architecture": "digits", "global_latents": "normal", "local_groups": 4},
        159.0,
    ),
)
"""A training step on binary MNIST (digits in the last), in batches of 100 where nothing is said; as
those above."""


@pytest.mark.parametrize(("model", "values", "milliseconds"), LATENT_VARIABLE_MILLISECONDS)
def test_models_with_latent_variables_are_guessed_near_what_was_measured(
    root: Path, model: str, values: dict[str, Any], milliseconds: float
) -> None:
    given = {"batch_size": 100, "maximum_steps": 1000, **values}
    one = RunSpec(
        model, "mnist", "bernoulli", 1.0, 0, "authors", "full", tuple(sorted(given.items()))
    )
    seconds, source = cost(root, one)
    assert milliseconds / 1.6 < seconds < 1.6 * milliseconds
    assert source == "guessed"


def test_a_model_that_no_rule_stops_is_guessed_to_do_all_steps(root: Path) -> None:
    def million(model: str) -> float:
        values = (("maximum_steps", 1_000_000),)
        one = RunSpec(model, "mnist", "bernoulli", 1.0, 0, "authors", "full", values)
        return cost(root, one, "cuda")[0] / GPU_STEP_SECONDS

    assert million("discrete_vae") == million("dvaepp") == pytest.approx(1_000_000)
    assert million("vae") < 20_480


def test_no_more_steps_are_guessed_than_early_stopping_lets_a_run_have(root: Path) -> None:
    long, longer = (spec(maximum_steps=steps) for steps in (20_000, 100_000))
    assert cost(root, long) == cost(root, longer)
    # docs/results: 13,696 to 20,480 steps until the rule stopped a run.
    assert 13_696 < cost(root, longer, "cuda")[0] / GPU_STEP_SECONDS < 20_480


def test_a_model_that_nobody_measured_has_a_guess(root: Path) -> None:
    seconds, source = cost(root, spec(model="new"))
    assert seconds > 0
    assert source == "guessed"


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-5"])
def test_a_time_that_cannot_be_is_passed_over(root: Path, seconds: str) -> None:
    record(root, spec(), float(seconds))
    assert cost(root, spec())[1] == "guessed"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"machine": {"gpu": null}}'])
def test_a_damaged_record_is_passed_over(root: Path, text: str) -> None:
    path = root / LAYOUT.run(spec(), "damaged") / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert cost(root, spec())[1] == "guessed"
