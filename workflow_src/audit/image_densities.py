"""Whether what was measured on densities of images follows from the arrays beside it.

Which files must be there, of what shapes, and which rows follow from them. Scores are
`workflow_src.audit.scores`', what judges say `workflow_src.audit.judged`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow_src.audit.exact_densities import compare, test_images
from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import INPAINTING, arrays_of, check_inpainting, mean_of
from workflow_src.audit.scores import SCORES, check_scores
from workflow_src.config.data_sets import data_set
from workflow_src.config.models import model_declarations
from workflow_src.evaluate.masks import SIDE_BY_SIDE_MASK, observed_pixels
from workflow_src.layouts import Folding, Mixture, Pooling, Shape, parse, shapes

SAMPLES = "samples.npz"
SHARPENED_SAMPLES = "sharpened_samples.npz"
VARIANTS = "variants.npz"
SIDE_BY_SIDE = "side_by_side.npz"
CENTROIDS = "centroids.npz"
CLASSIFICATION = "classification.npz"

_INPAINTED = 64
"""Test images, at most, that numbers on filled-in pixels are means over."""

# Of pixels in single precision; roots of means of their squares.
_ERROR_ROUNDING = 1e-5
_SUM_ROUNDING = 1e-3
_ERRORS = {
    "inpainting_error": "error",
    "zeroed_inpainting_error": "zeroed_error",
    "mean_image_inpainting_error": "mean_image_error",
    "inpainting_log_density": "log_density",
}
METRICS = frozenset({*_ERRORS, "test_accuracy", "test_cross_entropy"})
"""What follows from the files of this module; it is computed without noise."""

_Check = Callable[[str, Mapping[str, Any], bytes, Notes], None]
_Expected = dict[str, tuple[float, float | None] | None]


def evaluation_of(content: Mapping[str, Any]) -> str:
    """The evaluation that measured a model; empty where there is no such model (any more)."""
    known = model_declarations().get(content["spec"]["model"])
    return "" if known is None else known.evaluation


def wanted_files(content: Mapping[str, Any]) -> set[str]:
    """The files that what was asked for needs, for a model and data such as these.

    Of models of leaves only those that they have beside their own.
    """
    asked, evaluation = content["measures"], evaluation_of(content)
    if evaluation == "leaf_models":
        apart = asked.get("anomalies") and test_images(content) < content["images"]
        needed = {SCORES: apart, SIDE_BY_SIDE: asked.get("side_by_side")}
    elif evaluation == "image_densities":
        needed = {
            SCORES: True,
            SAMPLES: asked.get("samples"),
            SHARPENED_SAMPLES: asked.get("sharpened_samples") and _can_sharpen(content),
            VARIANTS: asked.get("variants"),
            INPAINTING: asked.get("inpainting"),
            SIDE_BY_SIDE: asked.get("side_by_side"),
            CENTROIDS: asked.get("centroids"),
            CLASSIFICATION: asked.get("classification") and _has_classifier(content),
        }
    else:
        return set()
    return {file for file, wanted in needed.items() if wanted}


def _can_sharpen(content: Mapping[str, Any]) -> bool:
    """Whether steps are made, and something on the way down is not told by what is above it."""
    spec = content["spec"]
    blocks, facts = parse(str(spec["layout"])), data_set(spec["data_set"])
    sizes = shapes(blocks, Shape(*facts.shape, facts.channels))
    overlapping = (
        isinstance(block, Folding) and block.stride < block.size and after.positions > 1
        for block, after in zip(blocks, sizes[1:], strict=True)
    )
    pools = any(isinstance(block, Pooling) for block in blocks)
    return bool(spec.get("sharpening_steps", 0) > 0 and (pools or any(overlapping)))


def _has_classifier(content: Mapping[str, Any]) -> bool:
    return bool(content["spec"].get("classifier", "none") != "none")


def _sides(content: Mapping[str, Any]) -> tuple[int, ...]:
    """Of an image: height, width, and channels where there are several."""
    facts = data_set(content["spec"]["data_set"])
    return (*facts.shape, facts.channels) if facts.channels > 1 else facts.shape


def _check_samples(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    asked = record["content"]["measures"]["samples"]
    _check_pictures(place, record, data, notes, SAMPLES, {"images": (asked,), "means": (asked,)})


def _check_sharpened(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    asked = record["content"]["measures"]["sharpened_samples"]
    counts = {"plain": (asked,), "sharpened": (asked,)}
    _check_pictures(place, record, data, notes, SHARPENED_SAMPLES, counts)


def _check_variants(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """As many images as were asked for and are there, and as many variants of each."""
    count = _shown(record["content"], "variants")
    arrays = arrays_of(place, VARIANTS, data, ("variants",), notes)
    if arrays is not None:
        each = arrays["variants"].shape[1:2]
        counts = {"originals": (count,), "variants": (count, *each)}
        _check_pictures(place, record, data, notes, VARIANTS, counts)


def _check_side_by_side(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Images of which the same half is hidden, and filled in with all else left as it is."""
    import numpy as np

    content = record["content"]
    count = _shown(content, "side_by_side")
    names = ("originals", "hidden", "filled", "expected")
    counts: dict[str, tuple[int, ...]] = dict.fromkeys(names, (count,))
    arrays = arrays_of(
        place, SIDE_BY_SIDE, data, (*names, "observed"), notes, if_there=("zeroed_filled",)
    )
    if arrays is None:
        return
    if "zeroed_filled" in arrays:
        counts["zeroed_filled"] = (count,)
    if not _check_pictures(place, record, data, notes, SIDE_BY_SIDE, counts):
        return
    observed = _observed(SIDE_BY_SIDE_MASK, content)
    if not np.array_equal(arrays["observed"], observed):
        _tell(place, f"{SIDE_BY_SIDE} hides something else than the right half", notes)
        return
    if (arrays["hidden"][:, ~observed] != 0).any():
        _tell(place, f"{SIDE_BY_SIDE} shows what is hidden", notes)
    for name in counts:
        if (arrays[name][:, observed] != arrays["originals"][:, observed]).any():
            _tell(place, f"{SIDE_BY_SIDE} has {name} of other pixels where none are hidden", notes)


def _check_centroids(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Square patches, as large as the lowest folding makes them, of as many components."""
    arrays = arrays_of(place, CENTROIDS, data, ("images",), notes)
    if arrays is None:
        return
    found, colours = arrays["images"].shape, _sides(record["content"])[2:]
    blocks = parse(str(record["content"]["spec"]["layout"]))
    lowest = next(one for one in blocks if isinstance(one, Mixture))
    size = blocks[0].size if isinstance(blocks[0], Folding) else 1
    wanted = (size, size, *colours)
    count = found[0] if found else 0
    fits = count % lowest.components == 0 if lowest.independent else count == lowest.components
    if found[1:] != wanted or not fits or not count:
        _tell(
            place,
            f"{CENTROIDS} has images of shape {found}; expected {lowest.components} of {wanted}",
            notes,
        )


def _check_classification(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The accuracy and cross-entropy, from every class's probability of every image."""
    import numpy as np

    arrays = arrays_of(place, CLASSIFICATION, data, ("log_probabilities", "labels"), notes)
    if arrays is None:
        return
    found, labels = arrays["log_probabilities"], arrays["labels"]
    images = test_images(record["content"])
    if found.ndim != 2 or found.shape[0] != images or labels.shape != (images,):
        _tell(place, f"{CLASSIFICATION} is not of {images} test images", notes)
        return
    if not np.allclose(np.exp(found.astype(np.float64)).sum(axis=1), 1, atol=_SUM_ROUNDING):
        _tell(place, f"{CLASSIFICATION} has probabilities that do not sum to 1", notes)
    right = (np.argmax(found, axis=1) == labels).astype(np.float64)
    losses = -np.take_along_axis(found, labels[:, None].astype(np.int64), axis=1)[:, 0]
    expected: _Expected = {"test_accuracy": mean_of(right), "test_cross_entropy": mean_of(losses)}
    compare(place, record, expected, CLASSIFICATION, notes)


def _check_inpainting(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Numbers on filled-in pixels from those of single images and masks, and pictures of them."""
    import numpy as np

    names = ("masks", "images", "observed", "completions", "expected", "error", "mean_image_error")
    optional = ("zeroed_expected", "zeroed_error", "log_density")
    arrays = arrays_of(place, INPAINTING, data, names, notes, if_there=optional)
    if arrays is None:
        return
    content = record["content"]
    problem = _misshapen(arrays, content)
    if problem is not None:
        _tell(place, f"{INPAINTING} {problem}", notes)
        return
    expected: _Expected = {
        metric: mean_of(arrays[name].astype(np.float64).mean(axis=0)) if name in arrays else None
        for metric, name in _ERRORS.items()
    }
    compare(place, record, expected, INPAINTING, notes)
    images = arrays["images"]
    for m, name in enumerate(arrays["masks"].tolist()):
        observed = arrays["observed"][m]
        if not np.array_equal(observed, _observed(name, content)):
            _tell(place, f"{INPAINTING} hides something else than {name} says", notes)
            continue
        drawn = arrays["completions"][m][:, :, observed]
        if (drawn != images[:, None][:, :, observed]).any():
            _tell(place, f"{INPAINTING} has other pixels than the images' under {name}", notes)
        for way in ("", "zeroed_"):
            if f"{way}expected" in arrays:
                filled, said = (arrays[f"{way}{part}"][m] for part in ("expected", "error"))
                _check_filled(place, name, images, filled, said, observed, notes)


def _check_filled(
    place: str, mask: str, images: Any, filled: Any, said: Any, observed: Any, notes: Notes
) -> None:
    """That pixels which are observed are the images' own, and errors those of the others."""
    import numpy as np

    if (filled[:, observed] != images[:, observed]).any():
        _tell(place, f"{INPAINTING} has other pixels than the images' under {mask}", notes)
    off = (filled.astype(np.float64) - images)[:, ~observed].reshape(len(images), -1)
    found = np.sqrt((off**2).mean(axis=1))
    if not np.allclose(said[: len(images)], found, rtol=_ERROR_ROUNDING, atol=1e-7, equal_nan=True):
        _tell(place, f"{INPAINTING} has errors under {mask} that its pixels do not have", notes)


def _misshapen(arrays: Mapping[str, Any], content: Mapping[str, Any]) -> str | None:
    """What of the arrays on filled-in pixels is not of one shape with the others, in words."""
    masks, sides, shown = len(arrays["masks"]), _sides(content), len(arrays["images"])
    images, draws = min(_INPAINTED, test_images(content)), arrays["completions"].shape[2:3]
    wanted: dict[str, tuple[int, ...]] = {
        "images": (shown, *sides),
        "observed": (masks, *sides[:2]),
        "completions": (masks, shown, *draws, *sides),
        **dict.fromkeys(("expected", "zeroed_expected"), (masks, shown, *sides)),
        **dict.fromkeys(_ERRORS.values(), (masks, images)),
    }
    for name, array in arrays.items():
        if name in wanted and array.shape != wanted[name]:
            return f"has {name} of shape {array.shape}; expected {wanted[name]}"
    if ("zeroed_error" in arrays) != ("zeroed_expected" in arrays):
        return "has errors of pixels that it lacks, or pixels without errors"
    if arrays["masks"].tolist() != list(content["measures"]["inpainting"]):
        return f"is of the masks {arrays['masks'].tolist()}; expected those measured"
    if not 0 < shown <= images:
        return f"shows {shown} images; expected 1 to {images}"
    return None


def _check_pictures(
    place: str,
    record: Mapping[str, Any],
    data: bytes,
    notes: Notes,
    file: str,
    counts: Mapping[str, Sequence[int]],
) -> bool:
    """Whether images are as many as were asked for, of the data's size, and shares."""
    arrays = arrays_of(place, file, data, tuple(counts), notes)
    if arrays is None:
        return False
    sides = _sides(record["content"])
    for name, count in counts.items():
        found, wanted = arrays[name].shape, (*count, *sides)
        if found != wanted:
            _tell(place, f"{file} has {name} of shape {found}; expected {wanted}", notes)
            return False
        if not ((arrays[name] >= 0) & (arrays[name] <= 1)).all():
            _tell(place, f"{file} has {name} that are no shares from 0 to 1", notes)
            return False
    return True


def _shown(content: Mapping[str, Any], measure: str) -> int:
    """How many test images are shown: as many as were asked for and are there."""
    return int(min(content["measures"][measure], test_images(content)))


def _observed(mask: str, content: Mapping[str, Any]) -> Any:
    name = content["spec"]["data_set"]
    height, width = data_set(name).shape
    return observed_pixels(mask, height, width, name)


def _tell(place: str, text: str, notes: Notes) -> None:
    notes.find("number", place, text)


def _only(check: _Check, *, otherwise: _Check | None = None) -> _Check:
    """``check`` for densities of images; files of other measurements have names of their own."""

    def checked(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
        if evaluation_of(record["content"]) == "image_densities":
            check(place, record, data, notes)
        elif otherwise is not None:
            otherwise(place, record, data, notes)

    return checked


CHECKS: Mapping[str, _Check] = {
    SCORES: check_scores,
    SAMPLES: _only(_check_samples),
    SHARPENED_SAMPLES: _check_sharpened,
    VARIANTS: _check_variants,
    INPAINTING: _only(_check_inpainting, otherwise=check_inpainting),
    SIDE_BY_SIDE: _check_side_by_side,
    CENTROIDS: _check_centroids,
    CLASSIFICATION: _check_classification,
}
"""How each file of arrays is checked; some files of other measurements are called the same."""

PICTURES = frozenset({SAMPLES, SHARPENED_SAMPLES, VARIANTS, SIDE_BY_SIDE, CENTROIDS})
"""Files that no row follows from."""


def one_flip(arrays: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How far a share or an area moves by the one entry that rounding may turn, by metric.

    ``arrays`` are a measurement's, by file.
    """
    found: dict[str, float] = {}
    if "classification" in arrays:
        found["test_accuracy"] = 1 / len(arrays["classification"]["labels"])
    if "scores" in arrays and math.prod(arrays["scores"]["anomalies"].shape):
        usual, anomalies = (arrays["scores"][name].shape[-1] for name in ("test", "anomalies"))
        for layer in range(1, 5):
            found[f"layer_{layer}_anomaly_auc"] = 1 / (usual * anomalies)
        found["anomaly_auc"] = 1 / (usual * anomalies)
        found["top_layer_anomaly_auc_gain"] = 2 / (usual * anomalies)
        # Of the images at a threshold, in each of two shares.
        found["published_anomaly_auc"] = 1 / usual + 1 / anomalies
    return found
