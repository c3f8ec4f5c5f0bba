"""Whole models measured as jobs do it: the bounds of all images are those of a distribution."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.config.models import model_declaration
from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.measurement import Measurement
from workflow_src.evaluate.measuring import measure_run
from workflow_src.models.building import build_model

SHAPE = (2, 2)
ALL_IMAGES = np.array(list(itertools.product((0, 1), repeat=4)), dtype=np.uint8)
MEASURES = {
    "importance_samples": [10, 2000],
    "samples": 3,
    "global_samples": 2,
    "inverse_cdfs": True,
    "training_bounds": True,
    "smoothed_bound": True,
}
SMALL = {"latent_units": 4, "hidden_units": 3, "hidden_layers": 1, "chains": 4, "gibbs_sweeps": 1}


def measured(**hyperparameters: Any) -> Measurement:
    declared = model_declaration("discrete_vae").hyperparameters
    axes = {"data_set": "digits", "likelihood": "bernoulli", "fraction": 1.0, "seed": 1}
    defaults = {name: one.default for name, one in declared.items()}
    spec = {"model": "discrete_vae", **axes, **defaults, **SMALL, **hyperparameters}
    model = build_model(spec, SHAPE, 16)
    generator, mean = torch.Generator().manual_seed(5), torch.full((4,), 0.4)
    tensors = model.initial_parameters(generator, mean)
    # Away from the start, where Boltzmann machines have no weights and priors no logits.
    tensors = {n: v + 0.4 * torch.randn(v.shape, generator=generator) for n, v in tensors.items()}
    state = model.initial_state(generator, mean)
    tensors |= {f"state.{n}": v for n, v in state.items() if not n.startswith("chains")}
    labels = {"test": np.zeros(len(ALL_IMAGES), dtype=np.uint8)}
    data = PreparedData(
        ALL_IMAGES, ALL_IMAGES, ALL_IMAGES, labels, SHAPE, 16, "digits", "bernoulli", "f"
    )
    return measure_run(spec, tensors, data, MEASURES, torch.device("cpu"), 1 << 28)


@pytest.mark.parametrize(
    ("hyperparameters", "arrays"),
    [
        (
            {"network": "nonlinear", "objective": "joint_bound", "normalisation": "batch"},
            {"training_bounds", "smoothing"},
        ),
        (
            {"network": "linear", "objective": "marginal_bound", "latent_layers": 2},
            {"training_bounds", "smoothing"},
        ),
        (
            {"network": "linear", "objective": "joint_bound", "prior": "boltzmann_machine"},
            {"log_partition", "smoothing"},
        ),
        ({"network": "nonlinear", "objective": "rebar"}, set()),
    ],
)
def test_the_probabilities_of_all_images_sum_to_one(
    hyperparameters: dict[str, Any], arrays: set[str]
) -> None:
    found = measured(**hyperparameters)
    always = {"bounds", "kl_divergences", "samples", "global_samples"}
    assert set(found.arrays) == always | arrays
    bounds = found.arrays["bounds"]["bounds"].astype(np.float64)
    assert np.exp(bounds[1]).sum() == pytest.approx(1, abs=0.03)
    assert found.arrays["global_samples"]["samples"].shape == (2, 5, *SHAPE)
    rows = {row["metric"]: row["value"] for row in found.metrics}
    assert rows["kl_divergence"] > 0
    assert all(np.isfinite(value) for value in rows.values())
