"""Expected costs come from what was measured, where anything was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workflow_src.plan.costs import GUESSED_STEP_SECONDS, expected_costs
from workflow_src.plan.layout import Layout
from workflow_src.plan.specs import RunSpec

LAYOUT = Layout(Path("data"), Path("results"))


def spec(hidden: int = 30, seed: int = 0, **more: int) -> RunSpec:
    values = (("hidden_units", hidden), *more.items())
    return RunSpec("vae", "mnist", "gaussian", 1.0, seed, "authors", "full", values)


def record(root: Path, one: RunSpec, seconds: float, gpu: dict[str, str] | None = None) -> None:
    content = {"spec": one.canonical(), "result": {"device_seconds": seconds}}
    path = root / LAYOUT.run(one, f"{seconds}{gpu is None}") / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"content": content, "machine": {"gpu": gpu}}))


def cost(root: Path, one: RunSpec, device: str = "cpu") -> tuple[float, str]:
    found = expected_costs([one], LAYOUT, root, device=device)[one]
    return found.seconds, found.source


def test_a_cell_that_was_trained_costs_its_mean(root: Path) -> None:
    record(root, spec(seed=1), 100.0)
    record(root, spec(seed=2), 300.0)
    assert cost(root, spec(seed=3)) == (200.0, "measured")


def test_a_larger_cell_costs_the_root_of_its_size_more(root: Path) -> None:
    record(root, spec(30), 100.0)
    seconds, source = cost(root, spec(120))
    assert seconds == pytest.approx(200.0)
    assert source == "scaled"


def test_a_gpu_tells_nothing_of_a_cpu(root: Path) -> None:
    record(root, spec(), 10.0, gpu={"name": "a card"})
    assert cost(root, spec())[1] == "guessed"
    assert cost(root, spec(), "cuda:1") == (10.0, "measured")


def test_without_any_record_a_step_is_guessed(root: Path) -> None:
    seconds, source = cost(root, spec(maximum_steps=1000))
    assert seconds == pytest.approx(1000 * GUESSED_STEP_SECONDS)
    assert source == "guessed"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"machine": {"gpu": null}}'])
def test_a_damaged_record_is_passed_over(root: Path, text: str) -> None:
    path = root / LAYOUT.run(spec(), "damaged") / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert cost(root, spec())[1] == "guessed"
