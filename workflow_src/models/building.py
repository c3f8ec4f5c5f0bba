"""From a run's spec to its model, found by name so that no model's code is tied to another's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from workflow_src.models.images import ImageFacts


def build_model(
    spec: Mapping[str, Any], shape: tuple[int, int], levels: int, channels: int = 1
) -> Any:
    """The model that a canonical spec describes, for images of ``shape`` (height, width).

    What it has depends on its kind: see `LeafModel` and `LatentVariableModel`.

    Raises
    ------
    ValueError
        If the model cannot be built for these images.
    """
    module = importlib.import_module(f"workflow_src.models.{spec['model']}.model")
    facts = ImageFacts(shape[0], shape[1], spec["likelihood"], levels, channels)
    return module.build(facts, spec)


def drawing_of(spec: Mapping[str, Any]) -> Any:
    """The module with `leaf_layout`, `sample_components` and `assemble` of a spec's model."""
    return importlib.import_module(f"workflow_src.models.{spec['model']}.drawing")
