"""What a hyperparameter takes, which values suit which images, and how values read.

Declared in the YAML files of models and trainers; a layout among them may have a name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from workflow_src.config.complaints import Complaint, shown, unknown
from workflow_src.config.data_sets import DataSet
from workflow_src.config.strict import Distinct, Name, Scalar, StrictModel
from workflow_src.config.yaml_lines import KeyPath
from workflow_src.layouts import LayoutError, Shape, canonical, parse, shapes

Where = dict[Name, Distinct[Scalar]]
"""Values of hyperparameters by name."""

CUTS = "a divisor of both sides that is smaller than one of them"
"""What a size must be to cut images."""


class Hyperparameter(StrictModel):
    """One number, choice or layout that a model or trainer takes."""

    type: Literal["integer", "number", "choice", "layout"] = Field(
        description="What values are; a layout is one of workflow_src/layouts.py."
    )
    minimum: int | float | None = Field(None, description="Smallest value allowed.")
    above: int | float | None = Field(None, description="Bound that values must exceed.")
    maximum: int | float | None = Field(None, description="Largest value allowed.")
    choices: Distinct[str] | None = Field(None, description="Values of a choice.")
    names: dict[str, str] = Field(
        {}, description="Layouts by what they are called, in studies and by people."
    )
    default: Scalar | None = Field(None, description="Value where a study gives none.")
    default_from_data_set: str | None = Field(
        None, description="Field of the data set that gives the value where a study does not."
    )
    cuts_images: bool = Field(
        False, description="Whether it is a size that must cut images into equal parts."
    )
    only_where: Annotated[
        Annotated[Where, Tag("[one]")]
        | Annotated[tuple[Where, ...], Field(strict=False, min_length=1), Tag("[several]")],
        Discriminator(lambda value: "[several]" if isinstance(value, list | tuple) else "[one]"),
    ] = Field(
        {},
        description="Values of other hyperparameters of the same folder, all of which it takes to "
        "mean something, or a list of such mappings, any of which will do; elsewhere it changes "
        "no model.",
    )
    meaning: str = Field(description="What it does, in a sentence.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Hyperparameter:
        if (self.type == "choice") != (self.choices is not None):
            problem = "choices belong to the type choice, and only there"
            raise Complaint(("type",), problem).raised_in_validator()
        self._check_names()
        if self.default is not None and not self.accepts(self.default):
            problem = f"the default {shown(self.default)} is not allowed"
            raise Complaint(("default",), problem, self.allowed).raised_in_validator()
        source = self.default_from_data_set
        if source is not None and source not in DataSet.model_fields:
            raise unknown(
                ("default_from_data_set",), "field of a data set", source, DataSet.model_fields
            ).raised_in_validator()
        return self

    def _check_names(self) -> None:
        if self.names and self.type != "layout":
            problem = "names belong to the type layout, and only there"
            raise Complaint(("names",), problem).raised_in_validator()
        for name, notation in self.names.items():
            try:
                parse(notation)
            except LayoutError as error:
                raise Complaint(("names", name), str(error)).raised_in_validator() from None

    @property
    def has_default(self) -> bool:
        """Whether a study may leave it out."""
        return self.default is not None or self.default_from_data_set is not None

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices is not None:
            return "one of " + ", ".join(self.choices)
        if self.type == "layout":
            named = f", or one of {', '.join(self.names)}" if self.names else ""
            return f"a layout such as F(8,2)-G(49)-F(11,1)-G(49), ending in a mixture{named}"
        bounds = {"from": self.minimum, "above": self.above, "to": self.maximum}
        words = [f"{word} {bound}" for word, bound in bounds.items() if bound is not None]
        kind = "a whole number" if self.type == "integer" else "a number"
        return " ".join([kind, *words])

    def suits(self, value: Scalar, data_set: DataSet) -> bool:
        """Whether images of the data set are what the value takes."""
        return self.misfit(value, data_set) is None

    def misfit(self, value: Scalar, data_set: DataSet) -> tuple[str, str] | None:
        """What a value does not do on images of the data set, and what would: words, or None."""
        height, width = data_set.shape
        if self.cuts_images and isinstance(value, int):
            sides = data_set.shape
            if value < max(sides) and not any(side % value for side in sides):
                return None
            sizes = f"{height} x {width}"
            return f"does not cut the {sizes} images of {data_set.name} into equal parts", CUTS
        if self.type == "layout" and self.accepts(value):
            images = Shape(height, width, data_set.channels)
            try:
                shapes(parse(str(self.resolved(value))), images)
            except LayoutError as error:
                return (
                    f"does not suit the {images} images of {data_set.name}: {error}",
                    "a layout whose blocks fit them and end at 1 x 1",
                )
        return None

    def resolved(self, value: Scalar) -> Scalar:
        """An accepted value as specs hold it: a layout in canonical notation, a number as float.

        So what is alike is written alike, and gets one fingerprint.
        """
        if self.type == "layout":
            return canonical(self.names.get(str(value), str(value)))
        return float(value) if self.type == "number" else value

    def shown(self, value: Scalar) -> Scalar:
        """A value as people know it: a layout by its first name, where it has one."""
        if self.type != "layout" or not isinstance(value, str):
            return value
        notation = self.resolved(value) if self.accepts(value) else value
        named = (name for name, one in self.names.items() if canonical(one) == notation)
        return next(named, notation)

    def accepts(self, value: object) -> bool:
        """Whether ``value`` has the type and lies within the bounds."""
        if self.choices is not None:
            return value in self.choices
        if self.type == "layout":
            return isinstance(value, str) and self.objection(value) is None
        number = int if self.type == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, number):
            return False
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
        )

    def objection(self, value: object) -> str | None:
        """What is wrong with a text as a layout, in words; None of anything else."""
        if self.type == "layout" and isinstance(value, str) and value not in self.names:
            try:
                parse(value)
            except LayoutError as error:
                return str(error)
        return None

    def applies(self, values: Mapping[str, Scalar]) -> bool:
        """Whether it means something beside these values; those left out do not prevent it."""
        return any(
            all(name not in values or values[name] in allowed for name, allowed in place.items())
            for _, place in self.places
        )

    @property
    def condition(self) -> str:
        """Where it means something, in words."""
        return ", or ".join(
            " and ".join(
                f"{name} is {' or '.join(map(str, allowed))}" for name, allowed in place.items()
            )
            for _, place in self.places
        )

    @property
    def places(self) -> list[tuple[KeyPath, Where]]:
        """What ``only_where`` lists, any of which is enough, and under which key each stands."""
        if isinstance(self.only_where, dict):
            return [(("only_where",), self.only_where)]
        return [(("only_where", index), place) for index, place in enumerate(self.only_where)]

    def default_for(self, data_set: DataSet) -> Scalar | None:
        """The default on ``data_set``, or None where a study must give the value."""
        if self.default_from_data_set is not None:
            value: Scalar = getattr(data_set, self.default_from_data_set)
            return value
        return self.default


def check_conditions(declared: Mapping[str, Hyperparameter]) -> None:
    """What a hyperparameter depends on is another one, always meaningful, and takes the values."""
    independent = [name for name, one in declared.items() if not one.only_where]
    conditions = [
        (("hyperparameters", name, *below, other), other, values)
        for name, one in declared.items()
        for below, place in one.places
        for other, values in place.items()
    ]
    for key, other, values in conditions:
        if other not in independent:
            raise unknown(
                key, "hyperparameter that always means something", other, independent
            ).raised_in_validator()
        if declared[other].type == "layout":
            problem = f"{other} is a layout, which conditions do not name"
            raise Complaint(key, problem).raised_in_validator()
        for position, value in enumerate(values):
            if not declared[other].accepts(value):
                problem = f"{other} is never {shown(value)}"
                raise Complaint(
                    (*key, position), problem, declared[other].allowed
                ).raised_in_validator()
