"""Whether the numbers in a record follow from the arrays beside it.

A run's bound must be the best of its history and its parameters as many as its checkpoint holds; a
measurement's numbers must be the means of its arrays. Each function gets bytes that the record's
digests vouch for, and says in words what does not follow.
"""

from __future__ import annotations

import importlib
import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from workflow_src.archive.results import CHECKPOINT
from workflow_src.audit.findings import Notes
from workflow_src.config.models import model_declaration, trainer_declaration
from workflow_src.train.endings import verdict
from workflow_src.train.names import STATE

HISTORY = "history.parquet"
INPAINTING = "inpainting.npz"

# Bounds are kept as float32, so that a mean of N of them is off by at most half a unit in the last
# place of the largest; the standard deviation likewise, times a small factor.
_ROUNDING = 2.0**-22

# Errors of single images are taken in single precision, from some thousand terms.
_ERROR_ROUNDING = 1e-5

_OF_INPAINTING = {"inpainting_log_density": "log_density", "inpainting_error": "error"}


def check_history(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A run's best bound, its steps, time and end, from its validations."""
    rows = _rows(place, data, notes)
    if not rows:
        return
    content = record["content"]
    result, status = content["result"], content["status"]
    best, best_step = _kept(rows, content["spec"])
    claims = {
        "best_validation_bound": (result["best_validation_bound"], best),
        "best_step": (result["best_step"], best_step),
        "steps": (result["steps"], rows[-1]["step"]),
        "device_seconds": (result["device_seconds"], round(rows[-1]["device_seconds"], 3)),
    }
    for name, (claimed, found) in claims.items():
        if claimed != found:
            notes.find(
                "number", place, f"{name} is {claimed}; expected {found}, as {HISTORY} has it"
            )
    expected = _ended(rows, content["spec"])
    if expected != (status["state"], status["reason"]):
        notes.find(
            "number",
            place,
            f"the run is said to be {status['state']} ({status['reason']}); expected "
            f"{expected[0]} ({expected[1]}), as {HISTORY} has it",
        )


def check_checkpoint(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A checkpoint's header: whole, and of as many trained numbers as the record says."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        tensors = {name: one for name, one in header.items() if name != "__metadata__"}
        trained = [one for name, one in tensors.items() if not name.startswith(STATE)]
        parameters = sum(math.prod(one["shape"]) for one in trained)
        end = max(one["data_offsets"][1] for one in tensors.values())
    except (struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        notes.find("number", place, f"{CHECKPOINT} is no file of parameters ({error})")
        return
    if 8 + length + end != len(data):
        notes.find("number", place, f"{CHECKPOINT} is not as long as its header says")
    claimed = record["content"]["result"]["parameter_count"]
    if parameters != claimed:
        notes.find(
            "number",
            place,
            f"parameter_count is {claimed}; expected {parameters}, as {CHECKPOINT} has them",
        )


def check_inpainting(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A measurement's numbers on filled-in pixels, from those of single images and masks."""
    import numpy as np

    content = record["content"]
    names = ("masks", "images", "observed", "completions", "expected", "importance_samples")
    arrays = arrays_of(place, INPAINTING, data, (*names, *_OF_INPAINTING.values()), notes)
    if arrays is None:
        return
    problem = _misshapen(arrays, content)
    if problem is not None:
        notes.find("number", place, f"{INPAINTING} {problem}")
        return
    for metric, name in _OF_INPAINTING.items():
        rows = [row for row in content["metrics"] if row["metric"] == metric]
        values = arrays[name].astype(np.float64).mean(axis=0)
        found = mean_of(values)
        claimed = (rows[0]["value"], rows[0]["standard_error"]) if len(rows) == 1 else None
        if not is_near(claimed, found, room_of(values)):
            notes.find(
                "number",
                place,
                f"the {metric.replace('_', ' ')} is said to be {claimed} (mean, standard error); "
                f"expected {found}, as {INPAINTING} has it",
            )
        samples = int(arrays["importance_samples"])
        if any(row["importance_samples"] != samples for row in rows):
            notes.find("number", place, f"the {metric.replace('_', ' ')} is of {samples} samples")
    _check_pictures(place, arrays, notes)


def _misshapen(arrays: Mapping[str, Any], content: Mapping[str, Any]) -> str | None:
    """What of the arrays is not of one shape with the others, in words."""
    masks, (shown, *sides) = len(arrays["masks"]), arrays["images"].shape
    images, draws = arrays["error"].shape[-1], arrays["completions"].shape[2:3]
    wanted = {
        "observed": (masks, *sides[:2]),
        "completions": (masks, shown, *draws, *sides),
        "expected": (masks, shown, *sides),
        "log_density": (masks, images),
        "error": (masks, images),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            return f"has {name} of shape {arrays[name].shape}; expected {shape}"
    if arrays["observed"].dtype != bool:
        return f"has observed of type {arrays['observed'].dtype}; expected truth values"
    if not shown <= images <= content["images"]:
        return f"is of {images} images; expected {shown} to {content['images']}"
    if arrays["masks"].tolist() != list(content["measures"]["inpainting"]):
        return f"is of the masks {arrays['masks'].tolist()}; expected those measured"
    if len(sides) not in (2, 3) or math.prod(sides) != content.get("dimensions"):
        return f"has images of {sides} pixels; expected {content.get('dimensions')} in all"
    return None


def _check_pictures(place: str, arrays: Mapping[str, Any], notes: Notes) -> None:
    """That observed pixels are the images' own, and errors those of the missing ones."""
    import numpy as np

    images = arrays["images"]
    for m, (name, observed) in enumerate(zip(arrays["masks"], arrays["observed"], strict=True)):
        seen = images[:, observed]
        drawn, expected = arrays["completions"][m][:, :, observed], arrays["expected"][m]
        if not np.all(drawn == seen[:, None]) or not np.all(expected[:, observed] == seen):
            notes.find(
                "number", place, f"{INPAINTING} has other pixels than the images' under {name}"
            )
        off = expected[:, ~observed].astype(np.float64) - images[:, ~observed]
        found = np.sqrt((off**2).reshape(len(images), -1).mean(axis=1))
        said = arrays["error"][m, : len(images)]
        if not np.allclose(said, found, rtol=_ERROR_ROUNDING, atol=1e-7, equal_nan=True):
            notes.find(
                "number",
                place,
                f"{INPAINTING} has errors under {name} that its expected pixels do not have",
            )


def mean_of(values: Any) -> tuple[float, float]:
    """The mean over images and its standard error."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def arrays_of(
    place: str,
    file: str,
    data: bytes,
    names: Sequence[str],
    notes: Notes,
    if_there: Sequence[str] = (),
) -> dict[str, Any] | None:
    """The arrays of these names in the bytes of a file; None where they cannot be read.

    Those ``if_there`` may be lacking.
    """
    import numpy as np

    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if absent := sorted(set(names).difference(arrays.files)):
                notes.find("lacking", place, f"{file} has no {', '.join(absent)}; expected it to")
                return None
            more = [name for name in if_there if name in arrays.files]
            return {name: arrays[name] for name in (*names, *more)}
    except Exception as error:  # numpy and zipfile raise a dozen kinds
        notes.find("number", place, f"{file} cannot be read ({error})")
        return None


def is_near(claimed: tuple[Any, Any] | None, found: Sequence[float], room: float) -> bool:
    if claimed is None or any(not isinstance(one, int | float) for one in claimed):
        return False
    return all(_equal(a, b, room) for a, b in zip(claimed, found, strict=True))


def _equal(a: float, b: float, room: float) -> bool:
    """Whether two numbers are one up to ``room``; what is not finite has no distance."""
    if math.isfinite(a) and math.isfinite(b) and math.isfinite(room):
        return abs(a - b) <= room
    return a == b or (math.isnan(a) and math.isnan(b))


def room_of(values: Any) -> float:
    """How far the mean and standard error of values may be off by rounding; of the finite ones."""
    import numpy as np

    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) * _ROUNDING


def _rows(place: str, data: bytes, notes: Notes) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # One small file needs no threads, and there are thousands of them.
        table = pq.ParquetFile(io.BytesIO(data)).read(use_threads=False)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        notes.find("number", place, f"{HISTORY} cannot be read ({error})")
        return []
    if not rows:
        notes.find("number", place, f"{HISTORY} is empty; expected a row per validation")
    return rows


def _kept(rows: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> tuple[float | None, int]:
    """The finite bound whose point was kept and its step: the best one, or the last one.

    The last one where the trainer's rules say so.
    """
    keeps_last = getattr(_rules(spec), "KEEPS_LAST", False)
    best, best_step = None, 0
    for row in rows:
        bound = row["validation_bound"]
        if math.isfinite(bound) and (best is None or keeps_last or bound > best):
            best, best_step = bound, row["step"]
    return best, best_step


def _ended(rows: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> tuple[str, str]:
    """How a run with this history has ended, by its trainer's rules."""
    before = f"at step {rows[-1]['step']}, before any rule ended it"
    return verdict(_rules(spec).ended, spec, rows) or ("interrupted", before)


def _rules(spec: Mapping[str, Any]) -> ModuleType:
    """The module of a run's trainer that says how trainings end."""
    trainer = trainer_declaration(model_declaration(spec["model"]).trainer)
    return importlib.import_module(trainer.stopping)
