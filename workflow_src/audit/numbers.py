"""Whether the numbers in a record follow from the arrays beside it.

A run's bound must be the best of its history and its parameters as many as its checkpoint holds; a
measurement's bounds must be the means of its arrays. Each function gets bytes that the record's
digests vouch for, and says in words what does not follow.
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_src.archive.results import CHECKPOINT
from workflow_src.audit.findings import Notes
from workflow_src.config.models import model_declaration
from workflow_src.train.gradient.stopping import StoppingState, advance, says_stop

HISTORY = "history.parquet"
BOUNDS = "bounds.npz"

# Bounds are kept as float32, so that a mean of N of them is off by at most half a unit in the last
# place of the largest; the standard deviation likewise, times a small factor.
_ROUNDING = 2.0**-22


def check_history(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A run's best bound, its steps, time and end, from its validations."""
    rows = _rows(place, data, notes)
    if not rows:
        return
    content = record["content"]
    result, status = content["result"], content["status"]
    best, best_step, state = _best(rows, content["spec"])
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
    expected = _ended(rows[-1], content["spec"], state)
    if expected is not None and expected != (status["state"], status["reason"]):
        notes.find(
            "number",
            place,
            f"the run is said to be {status['state']} ({status['reason']}); expected "
            f"{expected[0]} ({expected[1]}), as {HISTORY} has it",
        )


def check_checkpoint(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A checkpoint's header: whole, and of as many parameters as the record says."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        tensors = {name: one for name, one in header.items() if name != "__metadata__"}
        parameters = sum(math.prod(one["shape"]) for one in tensors.values())
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


def check_bounds(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A measurement's test bounds and their standard errors, from the bounds of single images."""
    import numpy as np

    content = record["content"]
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            counts = [int(one) for one in arrays["importance_samples"]]
            bounds = arrays["bounds"].astype(np.float64)
    except Exception as error:  # numpy and zipfile raise a dozen kinds
        notes.find("number", place, f"{BOUNDS} cannot be read ({error})")
        return
    if bounds.shape != (len(counts), content["images"]):
        notes.find(
            "number",
            place,
            f"{BOUNDS} has shape {bounds.shape}; expected {(len(counts), content['images'])}",
        )
        return
    if counts != list(content["measures"]["importance_samples"]):
        notes.find("number", place, f"{BOUNDS} is of {counts} samples; expected those measured")
    claimed = {
        row["importance_samples"]: (row["value"], row["standard_error"])
        for row in content["metrics"]
        if row["metric"] == "test_bound"
    }
    for count, values in zip(counts, bounds, strict=True):
        with np.errstate(invalid="ignore"):
            found = (float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
        room = float(np.abs(values).max()) * _ROUNDING
        if not _near(claimed.get(count), found, room):
            notes.find(
                "number",
                place,
                f"the test bound of {count} samples is said to be {claimed.get(count)} (mean, "
                f"standard error); expected {found}, as {BOUNDS} has it",
            )
    if set(claimed) != set(counts):
        notes.find("number", place, f"test bounds of {sorted(claimed)} samples; expected {counts}")


def _near(claimed: tuple[Any, Any] | None, found: Sequence[float], room: float) -> bool:
    if claimed is None or any(not isinstance(one, int | float) for one in claimed):
        return False
    pairs = list(zip(claimed, found, strict=True))
    # Bounds that are not finite have no distance; what is said of them must be equal.
    return all(abs(a - b) <= room or a == b or (a != a and b != b) for a, b in pairs)


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


def _best(
    rows: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]
) -> tuple[float | None, int, StoppingState | None]:
    """The best finite bound, its step, and what the stopping rule remembers at the end."""
    best, best_step = None, 0
    by_gradient = model_declaration(spec["model"]).trainer == "gradient"
    state = StoppingState() if by_gradient else None
    for row in rows:
        bound = row["validation_bound"]
        if not math.isfinite(bound):
            continue
        if best is None or bound > best:
            best, best_step = bound, row["step"]
        if state is not None:
            state = advance(spec["stopping"], state, bound)
    return best, best_step, state


def _ended(
    last: Mapping[str, Any], spec: Mapping[str, Any], state: StoppingState | None
) -> tuple[str, str] | None:
    """How a run with this history has ended; None where its trainer's rules are not known here."""
    for name in ("training_bound", "validation_bound"):
        if not math.isfinite(last[name]):
            named = name.replace("_", " ")
            return "diverged", f"the {named} was {last[name]} at step {last['step']}"
    if state is None:
        return None
    if says_stop(spec["stopping"], state):
        return "completed", f"early stopping ({spec['stopping']})"
    if last["step"] >= spec["maximum_steps"]:
        return "completed", "maximum_steps reached before early stopping"
    return "interrupted", f"at step {last['step']}, before any rule ended it"
