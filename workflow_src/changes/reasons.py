"""The words for why something would run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_src.plan.costs import Cost
from workflow_src.plan.plan import Plan
from workflow_src.plan.specs import RunSpec

KINDS = {
    "interrupted": "training began and did not end",
    "lost": "it was there, and its files are gone",
    "code": "the code that it depends on was changed",
    "data": "the data that it is made from are others",
    "setting": "a setting was changed",
    "new": "never made before",
    "candidates": "the runs that it chooses among are others",
    "judges": "those that judge what is drawn are others",
    "measures": "other things are to be measured",
    "shown": "what it shows is other",
    "evaluations": "evaluations that it shows are to be made",
}
"""Every kind of reason with what it means, in the order in which they are told."""


@dataclass(frozen=True)
class Reason:
    """One reason: its kind, and line by line what exactly."""

    kind: str
    lines: tuple[str, ...]


Reasons = tuple[Reason, ...]


@dataclass(frozen=True)
class Explanation:
    """Why whatever is missing from a plan would be made, by fingerprint.

    Attributes
    ----------
    evaluations:
        One that waits for runs has the reasons of its runs.
    prepared:
        Data that are missing and that something missing needs.
    report:
        None where it exists.
    costs:
        Of the missing runs.
    notes:
        What was not looked at.
    """

    plan: Plan
    runs: Mapping[str, Reasons]
    evaluations: Mapping[str, Reasons]
    prepared: Mapping[str, Reasons]
    report: Reasons | None
    costs: Mapping[RunSpec, Cost]
    notes: tuple[str, ...] = field(default=())

    @property
    def nothing(self) -> bool:
        """Whether nothing would run."""
        return not (self.runs or self.evaluations or self.prepared) and self.report is None

    def seconds(self, run: str) -> float:
        """The expected device seconds of a missing run."""
        return self.costs[self.plan.runs[run].spec].seconds
