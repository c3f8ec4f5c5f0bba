"""From a run's spec to its model, found by name so that no model's code is tied to another's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import LeafModel


def build_model(spec: Mapping[str, Any], shape: tuple[int, int], levels: int) -> LeafModel:
    """The model that a canonical spec describes, for images of ``shape`` (height, width).

    Raises
    ------
    ValueError
        If the model cannot be built for these images.
    """
    module = importlib.import_module(f"workflow_src.models.{spec['model']}.model")
    facts = ImageFacts(shape[0], shape[1], spec["likelihood"], levels)
    model: LeafModel = module.build(facts, spec)
    return model


def drawing_of(spec: Mapping[str, Any]) -> Any:
    """The module with `leaf_layout`, `sample_components` and `assemble` of a spec's model."""
    return importlib.import_module(f"workflow_src.models.{spec['model']}.drawing")
