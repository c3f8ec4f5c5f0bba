"""What a study asks for is measured, and nothing that it also asks for changes the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.evaluate.leaf_models.measurement import Measurement, measure
from workflow_src.models.building import build_model

LEAVES = {"latent_dimensions": 2, "hidden_units": 3, "hidden_layers": 1}
CIRCUIT = {
    "region_graph": "poon_domingos",
    "split_step": 2,
    "repetitions": 1,
    "structure_seed": 0,
    "leaf_components": 2,
    "sum_components": 2,
}
NOTHING = {"samples": 0, "leaf_manifolds": False, "leaf_posteriors": False, "inpainting": []}
EVERYTHING = {
    "samples": 3,
    "leaf_manifolds": True,
    "leaf_posteriors": True,
    "inpainting": ["left", "random_pixels"],
}
IMAGES = 70


def measured(model: str, likelihood: str = "binomial", **measures: Any) -> Measurement:
    hyperparameters = LEAVES | (CIRCUIT if model == "spvae" else {})
    spec = {
        "model": model,
        "data_set": "digits",
        "likelihood": likelihood,
        "fraction": 1.0,
        "seed": 0,
        **hyperparameters,
    }
    built = build_model(spec, (4, 4), 16)
    counts = np.random.default_rng(0).integers(0, 17, (IMAGES, 16))
    images = counts.astype(np.uint8) if likelihood == "binomial" else counts / np.float32(16)
    return measure(
        built,
        built.initial_parameters(torch.Generator().manual_seed(0)),
        spec,
        torch.tensor(images),
        np.arange(IMAGES) % 10,
        {"importance_samples": [2, 6]} | NOTHING | measures,
        1 << 30,
    )


def by_name(found: Measurement) -> dict[tuple[str, int | None], dict[str, Any]]:
    return {(row["metric"], row["importance_samples"]): row for row in found.metrics}


def test_numbers_of_bounds_follow_from_the_bounds() -> None:
    found = measured("vae")
    rows, bounds = by_name(found), found.arrays["bounds"]["bounds"].astype(np.float64)
    root = np.sqrt(IMAGES)
    for count, values in zip((2, 6), bounds, strict=True):
        row = rows["test_bound_per_dimension", count]
        assert row["value"] == pytest.approx(values.mean() / 16)
        assert row["standard_error"] == pytest.approx(values.std(ddof=1) / root / 16)
        assert row["unit"] == "nats per dimension"
    gained = bounds[1] - bounds[0]
    assert rows["test_bound_gain", 6]["value"] == pytest.approx(gained.mean())
    error = rows["test_bound_gain", 6]["standard_error"]
    assert error == pytest.approx(gained.std(ddof=1) / root)
    assert found.dimensions == 16


def test_one_number_of_samples_has_no_gain() -> None:
    assert "test_bound_gain" not in {
        row["metric"] for row in measured("vae", importance_samples=[4]).metrics
    }


@pytest.mark.parametrize("model", ["vae", "spvae"])
def test_what_else_is_asked_for_changes_no_number(model: str) -> None:
    little, much = measured(model), measured(model, **EVERYTHING)
    assert set(little.arrays) == {"bounds", "embeddings"}
    for name, arrays in little.arrays.items():
        for key, value in arrays.items():
            np.testing.assert_array_equal(value, much.arrays[name][key])
    for key, row in by_name(little).items():
        assert by_name(much)[key] == row
    asked = {"samples", "leaf_manifolds", "inpainting"}
    asked |= {"leaf_posteriors"} if model == "spvae" else set()
    assert set(much.arrays) - set(little.arrays) == asked


@pytest.mark.parametrize("likelihood", ["binomial", "gaussian"])
@pytest.mark.parametrize("model", ["vae", "spvae"])
def test_numbers_of_inpainting_follow_from_its_arrays(model: str, likelihood: str) -> None:
    found = measured(model, likelihood, **EVERYTHING)
    rows, arrays = by_name(found), found.arrays["inpainting"]
    assert arrays["masks"].tolist() == EVERYTHING["inpainting"]
    assert arrays["images"].shape == (8, 4, 4)
    assert arrays["completions"].shape == (2, 8, 4, 4, 4)
    assert arrays["log_density"].shape == arrays["error"].shape == (2, 64)
    for name in ("log_density", "error"):
        row, of_images = rows[f"inpainting_{name}", 6], arrays[name].mean(axis=0)
        assert row["value"] == pytest.approx(of_images.mean())
        assert row["standard_error"] == pytest.approx(of_images.std(ddof=1) / 8)
    observed, images = arrays["observed"], arrays["images"]
    for m in range(2):
        assert np.all(arrays["completions"][m][..., observed[m]] == images[:, None, observed[m]])
        missing = arrays["expected"][m][:, ~observed[m]] - images[:, ~observed[m]]
        error = np.sqrt((missing.astype(np.float64) ** 2).mean(axis=1))
        np.testing.assert_allclose(arrays["error"][m, :8], error, rtol=1e-5)
    if likelihood == "binomial":
        counts = arrays["completions"] * 16
        np.testing.assert_allclose(counts, np.rint(counts), atol=1e-5)


def test_masks_do_not_share_random_numbers() -> None:
    both = measured("vae", inpainting=["left", "top"]).arrays["inpainting"]
    alone = measured("vae", inpainting=["top"]).arrays["inpainting"]
    for name in ("completions", "expected", "log_density", "error"):
        np.testing.assert_array_equal(both[name][1], alone[name][0])
