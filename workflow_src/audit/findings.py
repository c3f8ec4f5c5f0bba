"""What an audit says: findings, which spoil its verdict, and remarks, which are worth knowing."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

from workflow_src.errors import UserError

Kind = Literal[
    "changed",  # bytes that are not those that were written
    "missing",  # a file that a record vouches for
    "lacking",  # a file or an array that the checks read and a record of this code would have
    "extra",  # a file that nothing vouches for
    "unmade",  # what the settings ask for and nobody has made yet
    "identity",  # a name that is not made from spec, data and code
    "chain",  # a parent that is not the one that was read
    "number",  # a value that does not follow from what it claims
    "selection",  # a winner that validation did not choose, or a split that overlaps
    "mixture",  # one table from several codes or environments
    "code",  # code that is kept nowhere
]


@dataclass(frozen=True)
class Finding:
    """Something that should not be: ``place`` names the file, ``text`` what was expected of it."""

    kind: Kind
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Remark:
    """Something to know that takes nothing away from the numbers."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Report:
    """What an audit found, and how much it looked at (by noun, in the plural)."""

    findings: tuple[Finding, ...]
    remarks: tuple[Remark, ...]
    counted: dict[str, int]

    @property
    def passes(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """Whether all that the settings ask for has been made."""
        return not any(finding.kind == "unmade" for finding in self.findings)


@dataclass(frozen=True)
class Repetition:
    """The audit's report with what repeating found, and a line on every repetition."""

    report: Report
    lines: tuple[str, ...]


@dataclass
class Notes:
    """Findings and remarks as they are gathered; fit to be sent between processes."""

    findings: list[Finding] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    def find(self, kind: Kind, place: object, text: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(kind, str(place), text))

    def remark(self, place: object, text: str) -> None:
        """Note a remark."""
        self.remarks.append(Remark(str(place), text))

    def forgive(self, kind: Kind, places: Collection[str]) -> list[Finding]:
        """Take back the findings of a kind at these places; give them."""
        forgiven = [one for one in self.findings if one.kind == kind and one.place in places]
        self.findings = [
            one for one in self.findings if one.kind != kind or one.place not in places
        ]
        return forgiven

    def take(self, other: Notes) -> None:
        """Add what others noted."""
        self.findings += other.findings
        self.remarks += other.remarks
        self.counted += other.counted

    @contextlib.contextmanager
    def reading(self, place: object) -> Iterator[None]:
        """Turn what goes wrong while a damaged value is read into a finding."""
        try:
            yield
        except UserError as error:
            self.findings.append(Finding("changed", str(error.place or place), _without(error)))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            what = f"{type(error).__name__}: {error}"
            self.find("changed", place, f"it does not say what it should ({what})")

    def report(self) -> Report:
        """Everything noted, each once, findings by their place."""
        findings = sorted(dict.fromkeys(self.findings), key=lambda one: one.place)
        return Report(tuple(findings), tuple(dict.fromkeys(self.remarks)), dict(self.counted))


def _without(error: UserError) -> str:
    """The error's words but for the place."""
    return str(UserError(error.problem, expected=error.expected, remedy=error.remedy))
