"""Models of leaves tell anomalies by their bounds, and fill in images to stand beside others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.leaf_models.measurement import Measurement, measure_run
from workflow_src.models.building import build_model

SPEC: dict[str, Any] = {
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "latent_dimensions": 2,
    "hidden_units": 3,
    "hidden_layers": 1,
    "region_graph": "poon_domingos",
    "split_step": 2,
    "repetitions": 1,
    "structure_seed": 0,
    "leaf_components": 2,
    "sum_components": 2,
}
ASKED: dict[str, Any] = {
    "importance_samples": [2, 6],
    "samples": 0,
    "leaf_manifolds": False,
    "leaf_posteriors": False,
    "inpainting": [],
}


def data(test_labels: Sequence[int]) -> PreparedData:
    """Anomalies are brighter, and more so than any training is needed for."""
    random = np.random.default_rng(0)
    images = random.uniform(0.3, 0.7, (20 + len(test_labels), 16))
    test = images[20:] + 0.5 * (np.array(test_labels) == 0)[:, None]
    return PreparedData(
        train=images[:10].astype(np.float32),
        validation=images[10:20].astype(np.float32),
        test=test.astype(np.float32),
        labels={
            "train": np.array([1, 2] * 5, dtype=np.uint8),
            "validation": np.array([1, 2] * 5, dtype=np.uint8),
            "test": np.array(test_labels, dtype=np.uint8),
        },
        shape=(4, 4),
        levels=16,
        data_set="digits",
        likelihood="gaussian",
        fingerprint="0" * 16,
    )


def measured(model: str, test_labels: Sequence[int], **asked: Any) -> Measurement:
    spec = SPEC | {"model": model}
    parameters = build_model(spec, (4, 4), 16).initial_parameters(torch.Generator().manual_seed(0))
    device = torch.device("cpu")
    return measure_run(spec, parameters, data(test_labels), ASKED | asked, device, 1 << 30)


USUAL = [1, 2] * 6
WITH_ANOMALIES = [*USUAL, 0, 0, 0]


@pytest.mark.parametrize("model", ["vae", "spvae"])
def test_anomalies_are_told_by_the_bound_of_most_samples(model: str) -> None:
    found = measured(model, WITH_ANOMALIES, anomalies=True)
    rows = {row["metric"]: row for row in found.metrics if "anomaly" in row["metric"]}
    kept = found.arrays["scores"]
    assert kept["test"].shape == (1, 12)
    assert kept["anomalies"].shape == (1, 3)
    labels, scores = [1] * 12 + [0] * 3, np.concatenate([kept["test"][0], kept["anomalies"][0]])
    assert rows["anomaly_auc"]["value"] == pytest.approx(roc_auc_score(labels, scores))
    assert rows["anomaly_auc"]["importance_samples"] == 6
    assert set(rows) == {"anomaly_auc", "published_anomaly_auc"}
    np.testing.assert_array_equal(
        kept["test"][0].astype(np.float32), found.arrays["bounds"]["bounds"][-1]
    )


@pytest.mark.parametrize("asked", [False, True])
def test_anomalies_count_in_no_mean(asked: bool) -> None:
    alone, beside = (
        measured("spvae", labels, inpainting=["left"], anomalies=asked)
        for labels in (USUAL, WITH_ANOMALIES)
    )
    assert beside.images == 15
    assert [row for row in beside.metrics if "anomaly" not in row["metric"]] == alone.metrics
    for file, arrays in alone.arrays.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, beside.arrays[file][name])
    assert ("scores" in beside.arrays) == asked


def test_where_there_are_none_nothing_is_told() -> None:
    assert "scores" not in measured("vae", USUAL, anomalies=True).arrays


@pytest.mark.parametrize("model", ["vae", "spvae"])
def test_images_side_by_side(model: str) -> None:
    kept = measured(model, USUAL, side_by_side=10).arrays["side_by_side"]
    observed, originals = kept["observed"], kept["originals"]
    np.testing.assert_array_equal(originals.reshape(10, -1), data(USUAL).test[:10])
    assert observed[:, :2].all()
    assert not observed[:, 2:].any()
    assert (kept["hidden"][:, ~observed] == 0).all()
    for name in ("hidden", "filled", "expected"):
        assert kept[name].shape == (10, 4, 4)
        np.testing.assert_array_equal(kept[name][:, observed], originals[:, observed])
    for name in ("filled", "expected"):
        assert ((kept[name] >= 0) & (kept[name] <= 1)).all()
    assert len(np.unique(kept["filled"][:, ~observed], axis=0)) == 10
