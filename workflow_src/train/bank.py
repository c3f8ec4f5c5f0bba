"""Trains a bank of runs on prepared data: which model, which images, and what counts as the result.

Part of the code that results depend on. Jobs, directories and records are shard.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.models.building import build_model


def train_bank(
    trainer: Any,
    specs: Sequence[Mapping[str, Any]],
    data: PreparedData,
    device: torch.device,
    states: Sequence[Any],
    hooks: Any,
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Train runs of one shape together; yields each outcome with its result as the run ends.

    Parameters
    ----------
    trainer:
        The trainer's module, with `train`.
    specs:
        Canonical specs of equal shape.
    states:
        What each run goes on from, or None.
    hooks:
        The trainer's `Hooks`.

    Raises
    ------
    ValueError
        If the model does not fit the images.
    """
    model = build_model(specs[0], data.shape, data.levels, data.channels)
    outcomes = trainer.train(model, specs, _images(data), device, states, hooks)
    return ((outcome, _result(outcome, model.parameter_count())) for outcome in outcomes)


def _images(data: PreparedData) -> dict[str, Tensor]:
    """Images of ``train`` and ``validation``, and their labels [images] as int64 beside them.

    The labels are ``train_labels`` and ``validation_labels``, for trainers of models that classify;
    a part without labels has no such entry.
    """
    parts = ("train", "validation")
    labels = {
        f"{part}_labels": _tensor(data.labels[part]).to(torch.int64)
        for part in parts
        if part in data.labels
    }
    return {part: _tensor(data.images(part)) for part in parts} | labels


def _result(outcome: Any, parameter_count: int) -> dict[str, Any]:
    """What a run's record says about how its training went."""
    return {
        "best_validation_bound": outcome.best_validation_bound,
        "best_step": outcome.best_step,
        "steps": outcome.steps,
        "device_seconds": round(outcome.device_seconds, 3),
        "parameter_count": parameter_count,
    }


def _tensor(array: Any) -> Tensor:
    # A copy: the memory map is read-only, and training reads at random.
    return torch.tensor(array)
