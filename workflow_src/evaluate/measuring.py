"""Finds the module that measures a run's model, by name, as its declaration says."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.config.judges import JUDGED_SAMPLES
from workflow_src.config.models import model_declaration
from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.judging import JudgedBy
from workflow_src.evaluate.measurement import Measurement


def measure_run(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
    judges: Sequence[JudgedBy] = (),
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
    judges:
        Those that judge what the model draws, where a study asks for it.

    Raises
    ------
    MemoryBudgetError
        If that is too little.
    """
    module = importlib.import_module(model_declaration(spec["model"]).measurement)
    # Only evaluations that can draw for judges know of them.
    judging = {"judges": tuple(judges)} if measures.get(JUDGED_SAMPLES) else {}
    measured: Measurement = module.measure_run(
        spec, parameters, data, measures, device, memory_bytes, **judging
    )
    return measured
