"""Accuracy and cross-entropy against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.classification.measurement import classification_rows, measure_run
from workflow_src.evaluate.measurement import MemoryBudgetError
from workflow_src.models.building import build_model

SPEC = {
    "model": "convolutional_classifier",
    "data_set": "digits",
    "likelihood": "gaussian",
    "filters": 3,
    "dense_units": 5,
    "dropout": 0.1,
}


@pytest.fixture
def data() -> PreparedData:
    rng = np.random.default_rng(0)
    train, validation, test = (rng.random((n, 64), dtype=np.float32) for n in (30, 30, 45))
    labels = {
        name: rng.integers(0, 10, size=count, dtype=np.uint8)
        for name, count in (("train", 30), ("validation", 30), ("test", 45))
    }
    return PreparedData(
        train=train,
        validation=validation,
        test=test,
        labels=labels,
        shape=(8, 8),
        levels=16,
        data_set="digits",
        likelihood="gaussian",
        fingerprint="0",
    )


def test_rows_are_those_of_scikit_learn(data: PreparedData) -> None:
    model = build_model(SPEC, (8, 8), 16)
    parameters = model.initial_parameters(torch.Generator().manual_seed(0))
    found = measure_run(SPEC, parameters, data, {}, torch.device("cpu"), 1 << 24)
    rows = {row["metric"]: row for row in found.metrics}
    predictions = found.arrays["predictions"]
    probabilities = np.exp(predictions["log_probabilities"].astype(np.float64))
    labels = data.labels["test"]
    accuracy = accuracy_score(labels, probabilities.argmax(axis=1))
    assert rows["test_accuracy"]["value"] == pytest.approx(accuracy)
    expected = math.sqrt(accuracy * (1 - accuracy) / 45)
    assert rows["test_accuracy"]["standard_error"] == pytest.approx(expected)
    loss = log_loss(
        labels, probabilities / probabilities.sum(axis=1, keepdims=True), labels=range(10)
    )
    assert rows["test_cross_entropy"]["value"] == pytest.approx(loss, rel=1e-6)
    assert rows["parameter_count"]["value"] == model.parameter_count()
    assert (found.images, found.dimensions) == (45, 64)
    assert np.array_equal(predictions["labels"], labels)


def test_a_budget_cuts_images_into_chunks_and_changes_no_answer(data: PreparedData) -> None:
    parameters = build_model(SPEC, (8, 8), 16).initial_parameters(torch.Generator().manual_seed(0))
    device = torch.device("cpu")
    large, small = (
        measure_run(SPEC, parameters, data, {}, device, budget).arrays["predictions"]
        for budget in (1 << 24, 20_000)
    )
    np.testing.assert_allclose(
        large["log_probabilities"], small["log_probabilities"], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(MemoryBudgetError, match="more than the budget"):
        measure_run(SPEC, parameters, data, {}, device, 1000)


def test_a_classifier_that_is_sure_and_right_has_no_error() -> None:
    labels = np.array([0, 1, 2, 1])
    sure = np.full((4, 3), -100.0, dtype=np.float32)
    sure[np.arange(4), labels] = 0
    accuracy, loss = classification_rows(sure, labels)
    assert (accuracy["value"], accuracy["standard_error"]) == (1.0, 0.0)
    assert loss["value"] == 0.0
