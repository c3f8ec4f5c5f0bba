"""The ground that every type of the configuration stands on: strict, closed and frozen.

Field types that several files share are here too. A wrong key or value is refused by a
`Complaint`, never coerced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from workflow_src.config.complaints import Complaint, shown, unknown

Item = TypeVar("Item")


class StrictModel(BaseModel):
    """A mapping whose keys are all known and whose values have exactly their types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known_and_there(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key in value:
            if key not in cls.model_fields:
                raise unknown((key,), "key", key, cls.model_fields).raised_in_validator()
        for name, field in cls.model_fields.items():
            if field.is_required() and name not in value:
                raise Complaint(
                    (),
                    f"the key {name!r} is missing",
                    expected=f"{name}: {(field.description or 'a value').lower().rstrip('.')}",
                ).raised_in_validator()
        return value


def _unique(items: tuple[Item, ...]) -> tuple[Item, ...]:
    for position, item in enumerate(items):
        if item in items[:position]:
            raise Complaint(
                (position,), f"{shown(item)} is listed twice", expected="each entry once"
            ).raised_in_validator()
    return items


def _scalar(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Complaint(
            (), f"{shown(value)} is not allowed", expected="a number or text"
        ).raised_in_validator()
    return value


def _ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted(values):
        raise Complaint(
            (), f"{shown(values)} is not ascending", expected="the smallest first"
        ).raised_in_validator()
    return values


def word_or_names(word: str) -> Callable[[Any], Any]:
    """A check that a value is ``word`` or a list, not empty, of different names."""
    return _word_or_list(word, "names", _name)


def word_or_choices(word: str, choices: tuple[str, ...]) -> Callable[[Any], Any]:
    """A check that a value is ``word`` or a list, not empty, of different ones of ``choices``."""

    def one(value: Any) -> Complaint | None:
        return None if value in choices else unknown((), "choice", value, choices)

    return _word_or_list(word, "choices: " + ", ".join(choices), one)


def word_or_whole_numbers(word: str) -> Callable[[Any], Any]:
    """A check that a value is ``word`` or a list, not empty, of different numbers from 0 on."""
    return _word_or_list(word, "whole numbers", _whole_number)


def _name(value: Any) -> Complaint | None:
    return None if isinstance(value, str) else _refused(value, "a name")


def _whole_number(value: Any) -> Complaint | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return _refused(value, "a whole number")
    return None if value >= 0 else _refused(value, "at least 0")


def _refused(value: Any, expected: str) -> Complaint:
    return Complaint((), f"{shown(value)} is not allowed", expected)


def _word_or_list(
    word: str, entries: str, complaint_about: Callable[[Any], Complaint | None]
) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value == word:
            return value
        if not isinstance(value, list | tuple):
            raise _refused(value, f"{word!r} or a list of {entries}").raised_in_validator()
        if not value:
            raise Complaint(
                (), "the list is empty", expected=f"{word!r} or a list of {entries}"
            ).raised_in_validator()
        for position, one in enumerate(value):
            complaint = complaint_about(one)
            if complaint is not None:
                raise complaint.below((position,)).raised_in_validator()
        return _unique(tuple(value))

    return check


# YAML has lists; `strict=False` here lets a list become the tuple, the entries stay strict.
Distinct = Annotated[tuple[Item, ...], Field(strict=False, min_length=1), AfterValidator(_unique)]
"""A list, not empty, without repetition."""

Unique = Annotated[tuple[Item, ...], Field(strict=False), AfterValidator(_unique)]
"""A list without repetition, which may be empty."""

Ascending = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(_unique),
    AfterValidator(_ascending),
]
"""Whole numbers from 1 on, each larger than the one before."""

Scalar = Annotated[int | float | str, BeforeValidator(_scalar)]
"""The value of one hyperparameter."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name in code, files and columns."""

Likelihood = Literal["gaussian", "binomial", "bernoulli", "discretised_logistic", "gaussian_noise"]
"""How values are read: pixels in [0, 1], counts, or real vectors with Gaussian noise."""

ProtocolName = Literal["authors", "text"]
"""Whose answer to what the paper leaves open about training."""

Stream = Literal["full", "restart"]
"""How training images are drawn."""

Seed = Annotated[int, Field(ge=0)]
"""A repetition of a training."""

Fraction = Annotated[float, Field(gt=0, le=1)]
"""The part of the training images that is trained on."""
