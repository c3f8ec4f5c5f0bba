"""Finds the module that measures a run's model, by name, as its declaration says."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workflow_src.config.models import model_declaration
from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.measurement import Measurement


def measure_run(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Measurement:
    """Measure a run on the test images of its data, in the way of its model.

    Parameters
    ----------
    spec:
        The run's canonical spec.
    parameters:
        The tensors of its checkpoint.
    data:
        What it was trained on.
    measures:
        What a study asks for.
    device:
        Where to compute.
    memory_bytes:
        What intermediate values may take.

    Raises
    ------
    MemoryBudgetError
        If that is too little.
    """
    module = importlib.import_module(model_declaration(spec["model"]).measurement)
    measured: Measurement = module.measure_run(
        spec, parameters, data, measures, device, memory_bytes
    )
    return measured
