"""Images in colour keep their channels together, as a last axis of every picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from support.image_densities import prepared

from workflow_src.audit.findings import Notes
from workflow_src.audit.image_densities import CHECKS
from workflow_src.evaluate import judging
from workflow_src.evaluate.judging import JudgedBy
from workflow_src.evaluate.leaf_models.measurement import measure_run
from workflow_src.evaluate.measurement import Measurement
from workflow_src.models.building import build_model
from workflow_src.models.images import ImageFacts

FACTS = ImageFacts(4, 6, "gaussian", 16, channels=3)
SPEC: dict[str, Any] = {
    "model": "vae",
    "data_set": "svhn_colour",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "latent_dimensions": 2,
    "hidden_units": 3,
    "hidden_layers": 1,
}
ASKED: dict[str, Any] = {
    "importance_samples": [3],
    "samples": 5,
    "leaf_manifolds": False,
    "leaf_posteriors": False,
    "inpainting": ["left", "random_pixels"],
    "side_by_side": 9,
}
DATA = prepared(FACTS, {"train": [1] * 6, "validation": [1], "test": [1] * 12})


def red(pictures: np.ndarray) -> np.ndarray:
    """Pictures [n, h, w, 3] with their values ordered as the data's are, [n, D]."""
    return pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)


def measured(**asked: Any) -> Measurement:
    model = build_model(SPEC, (4, 6), 16, 3)
    parameters = model.initial_parameters(torch.Generator().manual_seed(0))
    # The means of red, green and blue values are apart, whatever the code.
    means = np.repeat([-3.0, 0.0, 3.0], 24)
    parameters["decoder.mean.1.bias"] = torch.tensor(means).float().reshape(1, 72, 1)
    parameters["decoder.precision.1.bias"] = torch.full((1, 72, 1), 30.0)
    for name in ("decoder.mean.1.weight", "decoder.precision.1.weight"):
        parameters[name] = torch.zeros_like(parameters[name])
    return measure_run(SPEC, parameters, DATA, ASKED | asked, torch.device("cpu"), 1 << 28)


def test_pictures_have_the_channels_of_the_data() -> None:
    arrays = measured().arrays
    colours = 1 / (1 + np.exp([3.0, 0.0, -3.0]))
    for images in arrays["samples"].values():
        assert images.shape == (5, 4, 6, 3)
        np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), colours, atol=0.02)
    kept = arrays["inpainting"]
    np.testing.assert_array_equal(red(kept["images"]), DATA.test[:8])
    assert kept["completions"].shape == (2, 8, 4, 4, 6, 3)
    assert kept["expected"].shape == (2, 8, 4, 6, 3)
    for mask, observed in enumerate(kept["observed"]):
        for draw in range(4):
            seen = kept["completions"][mask, :, draw][:, observed]
            np.testing.assert_array_equal(seen, kept["images"][:, observed])
        hidden = kept["expected"][mask][:, ~observed]
        np.testing.assert_allclose(hidden.mean(axis=(0, 1)), colours, atol=1e-5)
    side = arrays["side_by_side"]
    np.testing.assert_array_equal(red(side["originals"]), DATA.test[:9])
    assert (side["hidden"][:, :, 3:] == 0).all()
    np.testing.assert_array_equal(side["hidden"][:, :, :3], side["originals"][:, :, :3])


def test_the_audit_follows_numbers_of_images_in_colour() -> None:
    found = measured()
    content = {
        "spec": SPEC,
        "measures": ASKED,
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    for change, findings in ((0.0, 0), (0.5, 2)):
        notes = Notes()
        kept = dict(found.arrays["inpainting"])
        kept["expected"] = kept["expected"] + np.float32(change)
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **kept)
        check = CHECKS["inpainting.npz"]
        check("measurement.json", {"content": content}, stream.getvalue(), notes)
        assert bool(notes.findings) == bool(findings)


def test_judges_see_values_in_the_order_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def log_probabilities(*arguments: Any) -> Any:
        pixels = arguments[3]
        seen.append(pixels)
        return np.log(np.full((len(pixels), 2), 0.5, dtype=np.float32))

    monkeypatch.setattr(judging, "log_probabilities", log_probabilities)
    judge = JudgedBy("judge", {}, {"any": torch.zeros(1)}, DATA)
    parameters = build_model(SPEC, (4, 6), 16, 3).initial_parameters(
        torch.Generator().manual_seed(0)
    )
    parameters["decoder.mean.1.bias"] = (
        torch.tensor(np.repeat([-3.0, 0.0, 3.0], 24)).float().reshape(1, 72, 1)
    )
    asked = ASKED | {"judged_samples": 50, "inpainting": [], "side_by_side": 0}
    measure_run(SPEC, parameters, DATA, asked, torch.device("cpu"), 1 << 28, [judge])
    drawn = seen[0].reshape(50, 3, 24).mean(dim=(0, 2))
    assert drawn[0] < drawn[1] < drawn[2]
