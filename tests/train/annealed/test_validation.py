"""The validation bound against the log-likelihood of a model whose codes can be added up."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.tiny_latent_model import TinyModel

from workflow_src.models.leaf_models import stack_runs
from workflow_src.train.annealed import validation
from workflow_src.train.annealed.validation import validation_bounds


@pytest.fixture
def case(annealed: Any) -> tuple[TinyModel, list[dict[str, torch.Tensor]], Any]:
    model = annealed.model()
    mean = torch.full((6,), 0.4)
    runs = [
        model.initial_parameters(torch.Generator().manual_seed(seed), mean) for seed in range(2)
    ]
    return model, runs, {"moving_mean": mean.expand(2, -1)}


def bounds(case: Any, images: torch.Tensor, samples: int) -> torch.Tensor:
    model, runs, state = case
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    found = validation_bounds(model, stack_runs(runs), state, images, samples, generators)
    partition = model.log_partition(stack_runs(runs), generators, "training").value
    return found - partition


@pytest.mark.parametrize("at_once", [1, 6 * 4000 * 7, 1 << 25])
def test_with_many_samples_it_is_the_log_likelihood(
    case: Any, annealed: Any, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """However many images are taken at once: one, seven of the forty, or all."""
    monkeypatch.setattr(validation, "_NUMBERS_AT_ONCE", at_once)
    model, runs, _ = case
    images = annealed.images["validation"]
    found = bounds(case, images, 4000)
    for run, parameters in enumerate(runs):
        exact = model.exact(parameters, images).mean().item()
        assert found[run].item() == pytest.approx(exact, abs=0.01)


def test_with_few_samples_it_is_lower(case: Any, annealed: Any) -> None:
    images = annealed.images["validation"].repeat(50, 1)
    few, more = bounds(case, images, 1), bounds(case, images, 10)
    for run, parameters in enumerate(case[1]):
        exact = case[0].exact(parameters, images).mean().item()
        assert few[run] < more[run] < exact


def test_no_run_hears_of_the_other(case: Any, annealed: Any) -> None:
    model, runs, state = case
    images = annealed.images["validation"]
    alone = validation_bounds(
        model,
        stack_runs(runs[1:]),
        {"moving_mean": state["moving_mean"][1:]},
        images,
        5,
        [torch.Generator().manual_seed(1)],
    )
    partition = model.log_partition(stack_runs(runs[1:]), [], "training").value
    assert bounds(case, images, 5)[1].item() == pytest.approx((alone - partition).item(), rel=1e-6)
