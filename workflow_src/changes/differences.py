"""Where a repetition differs from what it repeats, and by how much; no line means bit-equal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_src.archive.results import CHECKPOINT, Results
from workflow_src.changes.earlier import Record
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.provenance.record import untimed
from workflow_src.storage import read_json_object, sha256_file

_HISTORY = "history.parquet"
_TIMES = "device_seconds"
_OF_CODE = ("code", "recipe")


def of_run(results: Results, directory: str, record: Record, again: Path) -> list[str]:
    """Checkpoint, history but for its times, and result of a run that was trained again."""
    found = read_json_object(again / "run.json")
    before, now = record["content"], found["content"]
    lines = [
        f"{directory}: {name} is {now[part].get(name)!r}, and was {value!r}"
        for part in ("status", "result")
        for name, value in before[part].items()
        if name != _TIMES and _exact(now[part].get(name)) != _exact(value)
    ]
    old = record["outputs"].get(CHECKPOINT, {}).get("sha256")
    new = sha256_file(again / CHECKPOINT) if (again / CHECKPOINT).exists() else None
    if old != new:
        lines.append(f"{directory}/{CHECKPOINT}: {_checkpoints(results, directory, again)}")
    there = set(results.names(directory))
    if _HISTORY in there:
        lines += _histories(results.read(directory, _HISTORY), again / _HISTORY, directory)
    return lines


def of_measurement(results: Results, directory: str, record: Record, again: Any) -> list[str]:
    """Metrics and arrays of something measured again."""
    import numpy as np

    before, now = untimed(record["content"]["metrics"]), untimed(again.metrics)
    lines = []
    if _exact(before) != _exact(now):
        lines += list(_metrics(directory, before, now))
    for name in sorted(again.arrays.keys() | {Path(file).stem for file in record["outputs"]}):
        file = f"{name}.npz"
        if name not in again.arrays or file not in record["outputs"]:
            which = "only then" if name not in again.arrays else "only now"
            lines.append(f"{directory}/{file}: there {which}")
            continue
        if file in record.get("timed_outputs", ()):
            continue
        with np.load(io.BytesIO(results.read(directory, file)), allow_pickle=False) as stored:
            old = {key: stored[key] for key in stored.files}
        lines += _arrays(f"{directory}/{file}", old, again.arrays[name])
    return lines


def of_choice(
    directory: str,
    content: Mapping[str, Any],
    candidates: Sequence[Mapping[str, Any]],
    choice: tuple[str | None, str | None],
) -> list[str]:
    """What an evaluation chose among, and what it chose."""
    lines = [
        f"{directory}: {name} of {old['fingerprint']} is {value!r}, and was {old.get(name)!r}"
        for old, new in zip(content["candidates"], candidates, strict=True)
        for name, value in new.items()
        if _exact(old.get(name)) != _exact(value)
    ]
    before = (content["winner"], content["reason"])
    if choice != before:
        told = [one[0] or f"none ({one[1]})" for one in (choice, before)]
        lines.append(f"{directory}: the winner is {told[0]}, and was {told[1]}")
    return lines


def of_prepared(before: Path, record: Record, now: Path) -> list[str]:
    """Arrays that were prepared again, and what the record says of them."""
    import numpy as np

    from workflow_src.data.prepared import prepared_files

    again = read_json_object(now / PREPARED_RECORD)["content"]
    lines = [
        f"{before}: {name} is {again.get(name)!r}, and was {value!r}"
        for name, value in record["content"].items()
        if name not in _OF_CODE and _exact(again.get(name)) != _exact(value)
    ]
    for name in prepared_files():
        if sha256_file(before / name) == sha256_file(now / name):
            continue
        arrays = []
        for folder in (before, now):
            loaded = np.load(folder / name, allow_pickle=False)
            whole = dict(loaded) if name.endswith(".npz") else {"": np.asarray(loaded)}
            arrays.append(whole)
        lines += _arrays(f"{before}/{name}", arrays[0], arrays[1]) or [
            f"{before}/{name}: other bytes"
        ]
    return lines


def _checkpoints(results: Results, directory: str, again: Path) -> str:
    from safetensors.numpy import load

    if CHECKPOINT not in results.names(directory) or not (again / CHECKPOINT).exists():
        return "other bytes"
    old = load(results.read(directory, CHECKPOINT))
    new = load((again / CHECKPOINT).read_bytes())
    lines = _arrays("", old, new)
    return "; ".join(line.removeprefix(": ") for line in lines) or "other bytes, equal values"


def _histories(before: bytes, again: Path, directory: str) -> list[str]:
    import pyarrow.parquet as pq

    old = pq.read_table(io.BytesIO(before)).to_pylist()
    new = pq.read_table(again).to_pylist()
    for place in range(max(len(old), len(new))):
        rows = [_untimed(rows[place]) if place < len(rows) else None for rows in (old, new)]
        if _exact(rows[0]) != _exact(rows[1]):
            return [f"{directory}/{_HISTORY}: row {place} is {rows[1]}, and was {rows[0]}"]
    return []


def _untimed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != _TIMES}


def _metrics(directory: str, before: list[Any], now: list[Any]) -> Iterator[str]:
    if len(before) != len(now):
        yield f"{directory}: {len(now)} metrics, and there were {len(before)}"
    for old, new in zip(before, now, strict=False):
        for name in sorted(old.keys() | new.keys()):
            if _exact(old.get(name)) != _exact(new.get(name)):
                metric = f"{old.get('metric')} ({old.get('importance_samples')} samples)"
                yield f"{directory}: {name} of {metric} is {new.get(name)}, and was {old.get(name)}"


def _exact(value: Any) -> str:
    """A text that is equal for equal values, NaN included, to the last bit of a number."""
    return json.dumps(value, sort_keys=True)


def _arrays(place: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The largest difference of arrays, and how many differ."""
    import numpy as np

    if before.keys() != now.keys():
        return [f"{place}: other arrays, {', '.join(sorted(before.keys() ^ now.keys()))}"]
    worst, worst_name, count = 0.0, "", 0
    for name, old in before.items():
        new = np.asarray(now[name])
        if (old.dtype, old.shape) != (new.dtype, new.shape):
            return [f"{place}: {name} is {new.dtype} {new.shape}, and was {old.dtype} {old.shape}"]
        if old.tobytes() == new.tobytes():
            continue
        count += 1
        other = (old != new) & ~((old != old) & (new != new))
        gaps = np.abs(new[other].astype(np.float64) - old[other].astype(np.float64))
        distance = float(gaps.max(initial=0.0))
        if not distance <= worst or not worst_name:
            worst, worst_name = distance, name
    if not count:
        return []
    return [f"{place}: {count} of {len(before)} arrays differ, by {worst:.3g} in {worst_name}"]
