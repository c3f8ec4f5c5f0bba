"""`Claim`: a statement of a paper as checks over metrics that an experiment measures.

What a check compares, in which cells (data set and likelihood) and by which threshold. Whether it
holds is found by `workflow_src.report`. These are plain claims; a study's file may write several at
once, which `claim_expansion` takes apart before the types here look at them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from workflow_src.config.complaints import Complaint, unknown
from workflow_src.config.strict import (
    Distinct,
    Fraction,
    Likelihood,
    Name,
    Scalar,
    StrictModel,
)


class _OrListInFiles:
    """Lets the schema of files have a list of values where a plain claim has one of them."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        one = handler(core)
        several = {"type": "array", "items": one, "minItems": 1}
        return {"anyOf": [*one.get("anyOf", [one]), several]}


OneValue = Annotated[Scalar, _OrListInFiles()]
"""The value of one hyperparameter; in a file it may be several, a check or claim for each."""

Subject = Annotated[dict[Name, OneValue], Field(min_length=1)]
"""What is compared: a model, and the value of every hyperparameter that the experiment compares."""

OneFraction = Annotated[Fraction, _OrListInFiles()]
"""The part of the training images; in a file it may be several, a check for each."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Check(StrictModel):
    """What all checks say: where the numbers come from, and in which cells they are looked at."""

    experiment: Name = Field(description="Experiment that has the numbers.")
    metric: Name = Field(description="Metric that is looked at.")
    first: Subject = Field(
        description="The model, and the value of each hyperparameter that the experiment compares."
    )
    data_sets: Distinct[Name] | None = Field(
        None,
        description="The check's data sets, all of one scale; those of the paper where it says "
        "nothing.",
    )
    likelihoods: Distinct[Likelihood] | None = Field(
        None, description="The check's likelihoods; those of that scale where it says nothing."
    )
    exception: bool = Field(
        False,
        description="Whether it is asked of the data sets that it names alone, as an exception to "
        "what is expected everywhere else.",
    )

    @model_validator(mode="after")
    def _names_its_exceptions(self) -> Self:
        if self.exception and self.data_sets is None:
            raise Complaint(
                ("exception",), "an exception without data sets", expected="data_sets beside it"
            ).raised_in_validator()
        return self


class _OfTwo(_Check):
    second: Subject = Field(description="What the first is compared with.")


class Comparison(_OfTwo):
    """The first's metric is higher, or lower, than the second's in every cell."""

    kind: Literal["comparison"] = Field(description="comparison: the first against the second.")
    relation: Literal["higher", "lower"] = Field(description="Where the first's metric must be.")
    fraction: OneFraction = Field(1.0, description="Part of the training set trained on.")


class Ratio(_OfTwo):
    """The first's metric over the second's lies within bounds in every cell."""

    kind: Literal["ratio"] = Field(description="ratio: the first divided by the second.")
    at_least: Finite | None = Field(None, description="Smallest ratio, where there is one.")
    at_most: Finite | None = Field(None, description="Largest ratio, where there is one.")
    fraction: OneFraction = Field(1.0, description="Part of the training set trained on.")

    @model_validator(mode="after")
    def _has_bounds(self) -> Ratio:
        _check_bounds(self.at_least, self.at_most)
        return self


class Limit(_Check):
    """The first's metric lies within bounds in every cell."""

    kind: Literal["limit"] = Field(description="limit: the first against fixed bounds.")
    at_least: Finite | None = Field(None, description="Smallest value, where there is one.")
    at_most: Finite | None = Field(None, description="Largest value, where there is one.")
    fraction: OneFraction = Field(1.0, description="Part of the training set trained on.")

    @model_validator(mode="after")
    def _has_bounds(self) -> Limit:
        _check_bounds(self.at_least, self.at_most)
        return self


class Stability(_Check):
    """Trained on a fraction, the first is not much below itself trained on everything."""

    kind: Literal["stability"] = Field(description="stability: a fraction against everything.")
    fraction: OneFraction = Field(description="Part of the training set that is to suffice.")
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="Loss allowed, as a share of the metric's size when trained on everything."
    )


class SmallerLoss(_OfTwo):
    """From its best fraction to the given one, the first loses less than the second."""

    kind: Literal["smaller_loss"] = Field(description="smaller_loss: the first's and the second's.")
    fraction: OneFraction = Field(description="Part of the training set where the loss is taken.")


Check = Comparison | Ratio | Limit | Stability | SmallerLoss

KINDS = ("comparison", "ratio", "limit", "stability", "smaller_loss")


class Claim(StrictModel):
    """One statement, and the checks that all must hold for it to hold."""

    statement: str = Field(description="What is claimed, in one sentence.")
    place: str = Field(description="Where the paper claims it, or that it does not.")
    note: str | None = Field(None, description="How it is read, such as what a threshold means.")
    for_each: dict[Name, OneValue] = Field(
        {},
        description="Values that it is stated for, put into the first and second of every check. "
        "In a file they are lists, and there is one claim for each value.",
    )
    checks: Annotated[
        tuple[
            Annotated[
                Annotated[Comparison, Tag("[comparison]")]
                | Annotated[Ratio, Tag("[ratio]")]
                | Annotated[Limit, Tag("[limit]")]
                | Annotated[Stability, Tag("[stability]")]
                | Annotated[SmallerLoss, Tag("[smaller_loss]")],
                Discriminator(lambda value: f"[{_kind(value)}]"),
                BeforeValidator(lambda value: _of_known_kind(value)),
            ],
            ...,
        ],
        Field(strict=False, min_length=1),
    ] = Field(description="What the metrics must show; the claim holds where all of it does.")


def _kind(value: Any) -> Any:
    return value["kind"] if isinstance(value, Mapping) else value.kind


def _of_known_kind(value: Any) -> Any:
    """The check as it is given, where it says of which kind it is."""
    if isinstance(value, _Check):
        return value
    if not isinstance(value, Mapping):
        expected = "a mapping of keys to values"
        raise Complaint((), f"{value!r} is not allowed", expected).raised_in_validator()
    if "kind" not in value:
        expected = "kind: " + ", ".join(KINDS)
        raise Complaint((), "the key 'kind' is missing", expected).raised_in_validator()
    if value["kind"] not in KINDS:
        raise unknown(("kind",), "kind of check", value["kind"], KINDS).raised_in_validator()
    return value


def _check_bounds(at_least: float | None, at_most: float | None) -> None:
    if at_least is None and at_most is None:
        raise Complaint(
            (), "a check without a bound", expected="at_least, at_most or both"
        ).raised_in_validator()
    if at_least is not None and at_most is not None and at_least > at_most:
        raise Complaint(
            ("at_most",), f"{at_most} is below at_least, {at_least}", expected="the larger bound"
        ).raised_in_validator()
