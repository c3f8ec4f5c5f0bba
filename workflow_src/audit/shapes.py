"""What a record must hold for an audit to read it: parts, their names and their types.

A record that was forged carelessly is whole and yet no record; it is told once, here, and nothing
else is asked of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NUMBER = (int, float)
TEXT_OR_NONE = (str, type(None))
NUMBER_OR_NONE = (*NUMBER, type(None))


@dataclass(frozen=True)
class Each:
    """A mapping of any names, or a list, whose values are all of one shape."""

    of: Any
    kind: type = dict


@dataclass(frozen=True)
class IfThere:
    """What a record of an older version lacks."""

    of: Any


_FILE = {"sha256": str, "bytes": int}
_CODE = {"digest": str, "modules": Each(str)}
_SPEC = {"model": str, "data_set": str, "likelihood": str, "seed": int, "fraction": NUMBER}
_AXES = {**_SPEC, "protocol": str, "stream": str}
_RESULT = {
    "best_validation_bound": NUMBER_OR_NONE,
    "best_step": int,
    "steps": int,
    "device_seconds": NUMBER,
    "parameter_count": int,
}
_METRIC = {
    "metric": str,
    "value": NUMBER,
    "standard_error": NUMBER_OR_NONE,
    "unit": str,
    "importance_samples": (int, type(None)),
}
_CANDIDATE = {
    "fingerprint": str,
    "directory": str,
    "spec": _SPEC,
    "hyperparameters": dict,
    "state": str,
    "reason": str,
    "validation_bound": NUMBER_OR_NONE,
    "parameter_count": int,
    "best_step": int,
    "steps": int,
    "device_seconds": NUMBER,
}
_JUDGE = {
    "fingerprint": str,
    "directory": str,
    "spec": _SPEC,
    "data": str,
    "state": str,
    "reason": str,
}

_RECORD = {
    "schema_version": int,
    "fingerprint": str,
    "content": dict,
    "environment": {"python": str, "packages": Each(TEXT_OR_NONE)},
    "machine": {"host": str, "cpu": str, "gpu": (dict, type(None))},
    "git": dict,
    "threads": (int, type(None)),
    "time": {"started": str, "ended": str},
    "outputs": Each(_FILE),
    "timed_outputs": Each(str, list),
    "result_digest": str,
    "parents": Each(
        {"kind": str, "fingerprint": str, "path": str, "sha256": str, "result_digest": str}, list
    ),
}

_CONTENT: Mapping[str, Any] = {
    "raw": {"data_set": str},
    "prepared": {
        "data_set": str,
        "likelihood": str,
        "levels": int,
        "shape": Each(int, list),
        "channels": IfThere(int),
        "images": {"train": int, "validation": int, "test": int},
        "recipe": {"data_set": str, "sizes": dict, "files": dict},
        "code": _CODE,
    },
    "run": {
        "spec": _AXES,
        "data": str,
        "code": _CODE,
        "status": {"state": str, "reason": str},
        "result": _RESULT,
    },
    "measurement": {
        "run": str,
        "spec": _AXES,
        "measures": {
            "importance_samples": IfThere(Each(int, list)),
            "inpainting": IfThere(Each(str, list)),
            "leaf_posteriors": IfThere(bool),
            "global_samples": IfThere(int),
            "point_samples": IfThere(int),
            "judged_samples": IfThere(int),
            "sharpened_samples": IfThere(int),
            "variants": IfThere(int),
            "side_by_side": IfThere(int),
            "gaps": IfThere(int),
        },
        "code": _CODE,
        "judges": IfThere(Each(_JUDGE, list)),
        "metrics": Each(_METRIC, list),
        "images": int,
        "dimensions": IfThere(int),
    },
    "evaluation": {
        "axes": _AXES,
        "selection": dict,
        "measures": dict,
        "code": _CODE,
        "candidates": Each(_CANDIDATE, list),
        "judges": IfThere(Each(_JUDGE, list)),
        "winner": TEXT_OR_NONE,
        "reason": TEXT_OR_NONE,
        "measurement": (dict, type(None)),
        "metrics": Each(_METRIC, list),
    },
    "report": {"code": _CODE, "studies": Each(str, list), "groups": int},
}


def misshapen(record: Mapping[str, Any]) -> str | None:
    """What of a record is not as it should be, in words; None where all is."""
    problem = _problem(record, _RECORD, "the record")
    if problem is None:
        content = record["content"]
        problem = _problem(content, _CONTENT[record["kind"]], "content")
        measurement = content.get("measurement")
        if problem is None and isinstance(measurement, dict):
            shape = {"fingerprint": str, "directory": str}
            problem = _problem(measurement, shape, "content.measurement")
    return problem


def _problem(value: Any, shape: Any, where: str) -> str | None:
    if isinstance(shape, Each):
        return _problem_in_each(value, shape, where)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{where} is {_named(value)}; expected an object"
        for name, part in shape.items():
            if name not in value:
                if isinstance(part, IfThere):
                    continue
                return f"{where} has no {name}; expected one"
            inner = part.of if isinstance(part, IfThere) else part
            if (problem := _problem(value[name], inner, f"{where}.{name}")) is not None:
                return problem
        return None
    wanted = shape if isinstance(shape, tuple) else (shape,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        words = " or ".join(_WORDS.get(one, one.__name__) for one in wanted)
        return f"{where} is {_named(value)}; expected {words}"
    return None


def _problem_in_each(value: Any, shape: Each, where: str) -> str | None:
    if type(value) is not shape.kind:
        return f"{where} is {_named(value)}; expected {_WORDS[shape.kind]}"
    values: Any = value
    for name in values if shape.kind is dict else range(len(values)):
        if (problem := _problem(values[name], shape.of, f"{where}.{name}")) is not None:
            return problem
    return None


_WORDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}


def _named(value: Any) -> str:
    return _WORDS.get(type(value), type(value).__name__)
