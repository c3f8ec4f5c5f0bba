"""Trainers get the labels of the training and validation images beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.data.arrays import PreparedData
from workflow_src.train import bank


def data(labels: dict[str, np.ndarray]) -> PreparedData:
    images = np.arange(24, dtype=np.uint8).reshape(6, 4)
    return PreparedData(
        train=images[:3],
        validation=images[3:5],
        test=images[5:],
        labels=labels,
        shape=(2, 2),
        levels=255,
        data_set="small",
        likelihood="binomial",
        fingerprint="",
    )


class Trainer:
    """Keeps what it is given."""

    images: dict[str, torch.Tensor]

    def train(self, model: Any, specs: Any, images: Any, *others: Any) -> Iterator[Any]:
        self.images = images
        return iter(())


def given(monkeypatch: pytest.MonkeyPatch, known: PreparedData) -> dict[str, torch.Tensor]:
    monkeypatch.setattr(bank, "build_model", lambda *_: None)
    trainer = Trainer()
    list(bank.train_bank(trainer, [{}], known, torch.device("cpu"), [None], None))
    return trainer.images


def test_labels_are_whole_numbers_beside_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {
        "train": np.array([3, 0, 9], np.uint8),
        "validation": np.array([7, 7], np.uint8),
        "test": np.array([1], np.uint8),
    }
    images = given(monkeypatch, data(labels))
    assert set(images) == {"train", "validation", "train_labels", "validation_labels"}
    assert images["train_labels"].dtype == torch.int64
    assert images["train_labels"].tolist() == [3, 0, 9]
    assert images["validation_labels"].tolist() == [7, 7]
    assert images["train"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_without_labels_there_are_images_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dataclasses.replace(data({}), labels={})
    assert set(given(monkeypatch, known)) == {"train", "validation"}
