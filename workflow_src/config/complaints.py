"""What is wrong with a value, told in words a user can act on.

A `Complaint` knows its key; where that key stands is added by whoever read the file. Complaints of
pydantic are translated here, so that every refusal reads alike.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from workflow_src.config.yaml_lines import KeyPath
from workflow_src.errors import UserError

Place = Callable[[KeyPath], str]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Complaint:
    """One thing wrong: at which key, what, what would be right, and what to do."""

    key: KeyPath
    problem: str
    expected: str | None = None
    remedy: str | None = None

    def below(self, key: Iterable[str | int]) -> Complaint:
        """The same complaint seen from outside, where it lies under ``key``."""
        return replace(self, key=(*key, *self.key))

    def error(self, place: Place) -> UserError:
        """The error to raise."""
        return UserError(
            self.problem, place=place(self.key), expected=self.expected, remedy=self.remedy
        )

    def raised_in_validator(self) -> PydanticCustomError:
        """The complaint as pydantic's validators must raise it."""
        return PydanticCustomError("complaint", "refused", {"complaint": self})


def unknown(key: KeyPath, what: str, given: object, allowed: Iterable[str]) -> Complaint:
    """A name that is not among the allowed ones; the nearest spelling is offered."""
    names = sorted(allowed)
    close = nearest(given, names)
    listed = ", ".join(names)
    if close and len(names) > _LISTED:
        # The long list would bury what was meant.
        near = difflib.get_close_matches(str(given).lower(), names, n=_LISTED, cutoff=0.0)
        listed = ", ".join(list(dict.fromkeys((close, *near)))[:_LISTED])
        listed += f" and {len(names) - _LISTED} more"
    return Complaint(
        key,
        f"unknown {what} {shown(given)}",
        expected=f"one of {listed}" if names else f"no {what} here",
        remedy=f"write {close}" if close else None,
    )


def nearest(given: object, allowed: Iterable[str]) -> str | None:
    """The allowed name that looks most like the given one, if any does."""
    by_lower_case = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(str(given).lower(), by_lower_case, n=1, cutoff=0.6)
    return by_lower_case[close[0]] if close else None


def shown(value: object, limit: int = 60) -> str:
    """A value as it could stand in YAML, cut to a length that fits in a line."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def validate(model: type[Model], value: Mapping[str, Any], place: Place) -> Model:
    """Check ``value`` against ``model``; the first complaint becomes a `UserError`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        complaints = [_translated(detail) for detail in error.errors(include_url=False)]
        first = complaints[0]
        # What is written once for several claims is wrong in each of them, and told once.
        count = len({(place(one.key), one.problem) for one in complaints})
        if count > 1:
            first = replace(first, problem=f"{first.problem} (the first of {count} problems)")
        raise first.error(place) from None


_LISTED = 8
"""Names that are told where one of them is probably meant."""

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list in square brackets",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "path_type": "a path",
    "none_required": "null",
    "finite_number": "a finite number",
}


def _translated(detail: ErrorDetails) -> Complaint:
    # What pydantic calls "[key]", and kinds of a union, are no keys of the file.
    location = tuple(part for part in detail["loc"] if not str(part).startswith("["))
    context = detail.get("ctx", {})
    if isinstance(context.get("complaint"), Complaint):
        inner: Complaint = context["complaint"]
        return inner.below(location)
    given = shown(detail["input"])
    if detail["type"] == "too_short":
        return Complaint(location, "the list is empty", expected="at least one entry")
    if detail["type"] == "literal_error":
        expected = str(context["expected"])
        close = nearest(
            detail["input"], expected.replace("'", "").replace(" or ", ", ").split(", ")
        )
        return Complaint(
            location, f"{given} is not allowed", expected, f"write {close}" if close else None
        )
    expected = _EXPECTED.get(detail["type"]) or _bound(context) or detail["msg"]
    return Complaint(location, f"{given} is not allowed", expected=expected)


def _bound(context: Mapping[str, Any]) -> str | None:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for name, word in words.items():
        if name in context:
            return f"{word} {context[name]}"
    return f"text like {context['pattern']}" if "pattern" in context else None
