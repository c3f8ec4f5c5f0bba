"""Numbers that a training cannot have, whatever its evaluation measures, and why.

A table shows such a cell with the reason; nothing of the plan is missing there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.config.data_sets import data_set
from workflow_src.config.models import (
    evaluation_declarations,
    metrics_of,
    model_declaration,
    model_declarations,
)
from workflow_src.layouts import Block, Mixture, Pooling, Shape, parse, shapes
from workflow_src.report.wording import counted

_OF_DENSITIES = ("test_log_likelihood", "inpainting_log_density")
_OF_SHARPENING = ("sharpened_judged_accuracy", "sharpening_gain")
_TOP_GAIN = "top_layer_anomaly_auc_gain"
_OF_LAYERS = {
    f"layer_{number}_{what}": number for number in range(1, 5) for what in ("loss", "anomaly_auc")
}

_OF_ENCODERS = (
    "test_elbo",
    "encoder_kl_divergence",
    "amortisation_gap",
    "encoder_imputation_error",
    "encoder_imputation_error_of_second_half",
)
_WITHOUT_ENCODER = "expectation_maximisation"

NO_DENSITY = "no normalised density of images"


def cannot_have(spec: Mapping[str, Any], name: str) -> str | None:
    """Why a run of the spec has no metric of that name; None where it may have one."""
    model = spec.get("model")
    if model not in model_declarations():
        return None
    if "layout" in spec and (reason := _of_layout(spec, name)) is not None:
        return reason
    if spec.get("method") == _WITHOUT_ENCODER and name in _OF_ENCODERS:
        return "no encoder"
    measured = any(name in one.metrics for one in evaluation_declarations().values())
    return _of_model(str(model), name) if measured and name not in metrics_of(str(model)) else None


def _of_layout(spec: Mapping[str, Any], name: str) -> str | None:
    """What the layers of a convolutional mixture rule out."""
    blocks = parse(str(spec["layout"]))
    layers = sum(isinstance(block, Mixture) for block in blocks)
    if _OF_LAYERS.get(name, 0) > layers or (name == _TOP_GAIN and layers == 1):
        return f"only {'one mixture layer' if layers == 1 else counted(layers, 'mixture layer')}"
    if name not in (*_OF_DENSITIES, *_OF_SHARPENING):
        return None
    facts = data_set(str(spec["data_set"]))
    whole = _is_of_whole_images(blocks, Shape(*facts.shape, facts.channels))
    if name in _OF_DENSITIES:
        return None if whole else NO_DENSITY
    return "nothing to sharpen" if whole else None


def _is_of_whole_images(blocks: tuple[Block, ...], images: Shape) -> bool:
    """Whether the only mixture layer has every pixel of an image as an input, each once."""
    before = shapes(blocks, images)[-2]
    only = not any(isinstance(block, Mixture | Pooling) for block in blocks[:-1])
    return only and before.channels == images.positions * images.channels


def _of_model(model: str, name: str) -> str:
    """What the evaluation of a model does not have for it."""
    if name in _OF_LAYERS or name == _TOP_GAIN:
        return "no mixture layers"
    if name in _OF_SHARPENING:
        return "nothing to sharpen"
    if name == "test_log_likelihood" and "test_bound" in metrics_of(model):
        return "no exact log likelihood, but a bound"
    if name in _OF_DENSITIES:
        return NO_DENSITY
    return f"not measured of {model_declaration(model).title}"
