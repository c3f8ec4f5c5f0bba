"""The random streams of one run, each seeded by its purpose and by what the run is.

They depend on the run's data, model and seed and not on its other hyperparameters, on the bank
that it is trained in, or on what was drawn before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from workflow_src.plan.seeds import seed


def run_stream(
    purpose: str, spec: Mapping[str, Any], device: torch.device, **axes: int
) -> torch.Generator:
    """The stream for ``purpose`` (and ``axes``, such as a step); equal calls start equal streams.

    ``spec`` is the run's canonical spec.
    """
    names = ("model", "data_set", "likelihood", "fraction", "seed")
    value = seed(purpose, **{name: spec[name] for name in names}, **axes)
    return torch.Generator(device).manual_seed(value)
