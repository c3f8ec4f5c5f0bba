"""Real models are measured: what they declare is what comes of them."""

from __future__ import annotations

import numpy as np
import pytest
from support.image_densities import EVERYTHING, MODELS, real_measurement, real_run

from workflow_src.config.models import metrics_of
from workflow_src.layouts import Shape, centroid_count, parse
from workflow_src.models.building import build_model
from workflow_src.models.image_densities import ImageDensity


@pytest.mark.parametrize("name", list(MODELS))
def test_metrics_are_those_that_the_model_declares(name: str) -> None:
    spec, found = real_measurement(name)
    told = {row["metric"] for row in found.metrics}
    declared = set(metrics_of(spec["model"]))
    judged = {metric for metric in declared if "judge" in metric or "sharpening" in metric}
    assert told <= declared
    lacking = declared - told - judged
    if name == "deep":
        assert lacking == {
            "test_log_likelihood",
            "inpainting_log_density",
            *(f"layer_{layer}_{what}" for layer in (3, 4) for what in ("loss", "anomaly_auc")),
        }
    elif name == "flat":
        assert {"test_log_likelihood", "inpainting_log_density", "layer_1_loss"} <= told
        assert {"test_accuracy", "top_layer_anomaly_auc_gain"} <= lacking
    else:
        assert lacking == set()


@pytest.mark.parametrize("name", list(MODELS))
def test_numbers_and_pictures_are_finite_and_of_one_size(name: str) -> None:
    _, found = real_measurement(name)
    assert all(np.isfinite(row["value"]) for row in found.metrics)
    assert found.images == 49
    for file, key in (("samples", "images"), ("side_by_side", "filled")):
        images = found.arrays[file][key]
        assert images.shape == (EVERYTHING[file], 8, 8)
        assert ((images >= 0) & (images <= 1)).all()
    files = {"scores", "samples", "inpainting", "side_by_side"}
    if name == "deep":
        files |= {"sharpened_samples", "variants", "centroids", "classification"}
    elif name == "flat":
        files |= {"variants", "centroids"}
    assert set(found.arrays) == files


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_keeps_the_protocol(name: str) -> None:
    spec, _, data = real_run(name)
    model = build_model(spec, data.shape, data.levels, data.channels)
    assert isinstance(model, ImageDensity)


def test_the_papers_count_is_that_of_the_layout() -> None:
    for name in ("deep", "flat"):
        spec, found = real_measurement(name)
        (row,) = (row for row in found.metrics if row["metric"] == "centroid_count")
        assert row["value"] == centroid_count(parse(spec["layout"]), Shape(8, 8, 1))


def test_equal_runs_measure_equal_numbers() -> None:
    first, second = (real_measurement("deep")[1] for _ in range(2))
    assert first.metrics == second.metrics
    for file, arrays in first.arrays.items():
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, second.arrays[file][key])
