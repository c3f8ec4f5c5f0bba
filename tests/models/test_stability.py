"""Every model at the corners of the paper's grid, on images that are hard on arithmetic.

What is asked is that nothing overflows: bounds, gradients and parameters stay finite through the
first steps of training. How far they then come is no matter of these tests.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
import torch
from support.studies import study_alone
from torch import Tensor

from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.models import hyperparameters_of, model_declarations
from workflow_src.models.building import build_model
from workflow_src.models.leaf_models import LeafModel, bound, noise_shape, stack_runs
from workflow_src.plan.grids import expand
from workflow_src.train.gradient.optimizer import BankAdam

CIRCUITS: list[tuple[str, dict[str, int]]] = [
    ("rat_spn", {"components": 5, "split_depth": 1, "repetitions": 10}),
    ("rat_spn", {"components": 5, "split_depth": 9, "repetitions": 10}),
    ("rat_spn", {"components": 40, "split_depth": 1, "repetitions": 10}),
    ("pd_spn", {"components": 5, "split_step": 7}),
    ("pd_spn", {"components": 40, "split_step": 7}),
]
"""Corners of the DCGMM paper's grid; the largest ones differ from these in numbers alone."""

LEVELS = 255
STEPS = 25
SMALL_SIDE, SMALL_SPLIT = 4, 2


@functools.cache
def grid(model: str, likelihood: str) -> list[dict[str, Any]]:
    """Specs of the study's cells on continuous or discrete MNIST."""
    settings = settings_from_mapping(
        {
            "studies": ["spvae"],
            "scale": "paper",
            "experiments": ["table1"],
            "data_sets": ["mnist"],
            "likelihoods": [likelihood],
            "seeds": [0],
            "protocols": ["authors"],
            "streams": ["full"],
        }
    )
    groups = expand(study_alone("spvae"), settings)
    return [run.canonical() for g in groups if g.axes["model"] == model for run in g.runs]


def corners(model: str, likelihood: str) -> list[dict[str, Any]]:
    """Cells with the least or most hidden units and the least or most latent dimensions."""
    cells = grid(model, likelihood)
    ends = [
        {ending(cell[size] for cell in cells) for ending in (min, max)}
        for size in ("hidden_units", "latent_dimensions")
    ]
    return [c for c in cells if c["hidden_units"] in ends[0] and c["latent_dimensions"] in ends[1]]


def images_hard_on_arithmetic(side: int, likelihood: str) -> Tensor:
    """[D, N] in [0, 1] or counts: black, white, gray, one bright pixel, one dark, checks, edges."""
    pixels = side * side
    rows = torch.arange(pixels) // side
    bright = torch.zeros(pixels)
    bright[pixels // 2 + side // 2] = 1
    checks = ((rows + torch.arange(pixels)) % 2).float()
    kinds = [
        torch.zeros(pixels),
        torch.ones(pixels),
        torch.full((pixels,), 128 / LEVELS),
        torch.full((pixels,), 1 / LEVELS),
        bright,
        1 - bright,
        checks,
        (rows < side // 2).float(),
    ]
    images = torch.stack(kinds, dim=1)
    return images if likelihood == "gaussian" else (images * LEVELS).round()


def trained(
    model: LeafModel, spec: Mapping[str, Any], images: Tensor, steps: int
) -> tuple[list[Tensor], BankAdam]:
    """The bounds before every step, and the optimizer after the last."""
    start = model.initial_parameters(torch.Generator().manual_seed(1))
    optimizer = BankAdam(stack_runs([start]), spec["learning_rate"])
    generator = torch.Generator().manual_seed(2)
    bounds = []
    for _ in range(steps):
        noise = torch.randn(1, *noise_shape(model, 5, images.shape[1]), generator=generator)
        found = bound(model, optimizer.parameters, images[None], noise, spec["objective"])
        bounds.append(found.detach())
        optimizer.maximise(found.mean())
    return bounds, optimizer


def assert_all_stays_finite(
    spec: Mapping[str, Any], side: int, steps: int, samples: int = 50, channels: int = 1
) -> None:
    model = build_model(spec, (side, side), LEVELS, channels)
    images = images_hard_on_arithmetic(side, spec["likelihood"]).repeat(channels, 1)
    bounds, optimizer = trained(model, spec, images, steps)
    assert torch.isfinite(torch.stack(bounds)).all()
    for name, value in optimizer.parameters.items():
        assert torch.isfinite(value).all(), name
        # Those of the last step.
        assert value.grad is not None, name
        assert torch.isfinite(value.grad).all(), name
    noise = torch.randn(
        1, *noise_shape(model, samples, images.shape[1]), generator=torch.Generator().manual_seed(3)
    )
    with torch.no_grad():
        last = bound(model, optimizer.parameters, images[None], noise, "importance_weighted_bound")
    assert torch.isfinite(last).all()


WITHOUT_GRID = {"deep_conv_vae"}
"""Leaf models that the paper does not have, with tests of their own below."""

LEAF_MODELS = sorted(study_alone("spvae").experiments["table1"].scales["paper"].models)
"""Those that the paper has."""

CASES = list(product(LEAF_MODELS, ("gaussian", "binomial")))


def test_every_model_made_of_leaves_is_looked_at() -> None:
    """A new one is in the paper's grid or declared above, or it joins a study as its own grid."""
    declared = {
        name
        for name, one in model_declarations().items()
        if one.evaluation == "leaf_models" and not one.joins
    }
    assert declared == {*LEAF_MODELS, *WITHOUT_GRID}


@pytest.mark.parametrize(("model", "likelihood"), CASES)
def test_the_corners_of_the_grid_stay_finite(model: str, likelihood: str) -> None:
    cells = corners(model, likelihood)
    assert len(cells) == 4
    for cell in cells:
        small = cell | {"split_step": SMALL_SPLIT} if "split_step" in cell else cell
        assert_all_stays_finite(small, SMALL_SIDE, STEPS)


@pytest.mark.parametrize(("model", "likelihood"), CASES)
def test_the_largest_cell_stays_finite_at_full_size_for_either_objective(
    model: str, likelihood: str
) -> None:
    cells = corners(model, likelihood)
    for objective in ("importance_weighted_bound", "evidence_lower_bound"):
        assert_all_stays_finite(cells[-1] | {"objective": objective}, 28, steps=1, samples=5)


@pytest.mark.parametrize("model", ["spvae", "conv_spvae"])
def test_a_random_region_graph_stays_finite(model: str) -> None:
    cell = corners(model, "gaussian")[-1]
    random = {"region_graph": "random", "repetitions": 4, "split_step": SMALL_SPLIT}
    assert_all_stays_finite(cell | random, SMALL_SIDE, STEPS)


@pytest.mark.parametrize("objective", ["importance_weighted_bound", "evidence_lower_bound"])
def test_the_deep_convolutions_stay_finite_in_colour(objective: str) -> None:
    spec = {
        "model": "deep_conv_vae",
        "likelihood": "gaussian",
        "latent_dimensions": 64,
        "channel_divisor": 32,
        "objective": objective,
        "learning_rate": 0.0001,
    }
    assert_all_stays_finite(spec, 32, steps=10, samples=5, channels=3)


def test_the_circuits_of_convolutions_stay_finite_in_expectation_maximisation() -> None:
    images = images_hard_on_arithmetic(28, "gaussian").T
    spec = {"model": "dgc_spn", "likelihood": "gaussian"}
    values = {
        "sums": 4,
        "leaf_components": 4,
        "concentration": 0.1,
        "standardisation": "none",
        "centroids": "trained",
    }
    model = build_model(spec | values, (28, 28), LEVELS)
    parameters = stack_runs([model.initial_parameters(torch.Generator().manual_seed(1), images)])
    for _ in range(5):
        log_densities, statistics = model.expectations(parameters, images[None])
        assert torch.isfinite(log_densities).all()
        parameters = model.maximised(parameters, statistics, 1.0)
        for name, value in parameters.items():
            assert torch.isfinite(value).all(), name


@pytest.mark.parametrize(("model", "values"), CIRCUITS)
@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
@pytest.mark.parametrize("step_size", [0.05, 1.0])
def test_expectation_maximisation_of_circuits_stays_finite(
    model: str, values: dict[str, int], likelihood: str, step_size: float
) -> None:
    defaults = {n: one.default for n, one in hyperparameters_of(model).items()}
    spec = {**defaults, **values, "model": model, "likelihood": likelihood}
    network = build_model(spec, (28, 28), LEVELS)
    images = images_hard_on_arithmetic(28, likelihood).T.contiguous()
    start = network.initial_parameters(torch.Generator().manual_seed(1), images)
    parameters = stack_runs([start])
    for _ in range(STEPS):
        densities, statistics = network.expectations(parameters, images[None])
        assert torch.isfinite(densities).all()
        parameters = network.maximised(parameters, statistics, step_size)
    for name, value in parameters.items():
        assert torch.isfinite(value).all(), name
    alone = {name: value[0] for name, value in parameters.items()}
    hidden = torch.arange(28 * 28) % 28 >= 14
    generator = torch.Generator().manual_seed(3)
    for found in (
        network.log_likelihood(alone, images),
        network.conditional_log_density(alone, images, hidden),
        network.expected(alone, images, hidden),
        network.inpaint(alone, images, hidden, generator),
        network.draw(alone, 3, generator),
    ):
        assert torch.isfinite(found).all()
