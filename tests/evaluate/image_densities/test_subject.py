"""What is measured comes from prepared data: usual images, anomalies, and the mean image."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from support.image_densities import SPEC, GaussianMixture, parameters_of, prepared

from workflow_src.evaluate.image_densities import subject as subjects
from workflow_src.evaluate.image_densities.subject import images_at_a_time, subject_of
from workflow_src.evaluate.measurement import MemoryBudgetError
from workflow_src.models.images import ImageFacts

GRAY = ImageFacts(4, 3, "gaussian", 16)
COUNTS = ImageFacts(4, 3, "binomial", 16)
LABELS = {"train": [1, 2, 1, 2, 2], "validation": [1, 2], "test": [1, 0, 2, 2, 0, 7]}


@pytest.fixture(autouse=True)
def _built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(spec: Mapping[str, Any], shape: Any, levels: int, channels: int) -> GaussianMixture:
        return GaussianMixture(ImageFacts(shape[0], shape[1], spec["likelihood"], levels, channels))

    monkeypatch.setattr(subjects, "build_model", build)
    monkeypatch.setitem(sys.modules, "workflow_src.models.dcgmm.size", sized(1000))


def sized(of_a_batch: int) -> ModuleType:
    """A module that says how many bytes a batch takes."""
    module = ModuleType("size")
    module.training_bytes = (  # type: ignore[attr-defined]
        lambda values, shape, channels: of_a_batch * shape[0] * channels
    )
    return module


@pytest.mark.parametrize("facts", [GRAY, COUNTS], ids=["gray", "counts"])
def test_labels_that_no_training_image_has_are_of_anomalies(facts: ImageFacts) -> None:
    data = prepared(facts, LABELS)
    spec = {**SPEC, "likelihood": facts.likelihood}
    one = subject_of(spec, parameters_of(facts), data, torch.device("cpu"), 1 << 20)
    np.testing.assert_array_equal(one.test.numpy(), data.test[[0, 2, 3]])
    np.testing.assert_array_equal(one.anomalies.numpy(), data.test[[1, 4, 5]])
    assert one.labels.tolist() == [1, 2, 2]
    assert one.drawn_labels == (1, 2)
    assert one.test.dtype == torch.float32
    largest = 16 if facts is COUNTS else 1
    np.testing.assert_allclose(
        one.mean_image, data.train.astype(np.float64).mean(axis=0) / largest, rtol=1e-7
    )


def test_the_mean_image_is_of_the_part_that_was_trained_on() -> None:
    data = prepared(GRAY, {**LABELS, "train": [1] * 40 + [2] * 40})
    means = [
        subject_of(
            {**SPEC, "fraction": fraction}, parameters_of(GRAY), data, torch.device("cpu"), 1 << 20
        ).mean_image
        for fraction in (0.1, 1.0)
    ]
    assert not torch.allclose(means[0], means[1])
    np.testing.assert_allclose(means[1], data.train.mean(axis=0), rtol=1e-5)


def test_the_budget_says_how_many_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {**SPEC, "batch_size": 50}
    # 80 bytes an image, and one for what does not divide.
    assert images_at_a_time(spec, GRAY, 8100) == 100
    assert images_at_a_time(spec, GRAY, 1 << 30) == 250
    with pytest.raises(MemoryBudgetError, match="more than the budget"):
        images_at_a_time(spec, GRAY, 80)


def test_a_model_of_unknown_size_gets_as_many_as_are_drawn_at_once() -> None:
    assert images_at_a_time({**SPEC, "model": "vae"}, GRAY, 1) == 100


def test_pictures_are_cut_to_the_full_range_and_have_channels_last() -> None:
    colour = ImageFacts(2, 3, "gaussian", 16, channels=3)
    data = prepared(colour, LABELS)
    one = subject_of(SPEC, parameters_of(colour), data, torch.device("cpu"), 1 << 20)
    pixels = torch.arange(18.0).reshape(1, 18) / 10 - 0.2
    (picture,) = one.pictures(pixels)
    assert picture.shape == (2, 3, 3)
    for channel in range(3):
        expected = pixels[0, channel * 6 : channel * 6 + 6].reshape(2, 3).clamp(0, 1)
        np.testing.assert_allclose(picture[:, :, channel], expected)
