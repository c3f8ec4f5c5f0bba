"""The verdicts on a study's claims: by the paper's numbers, and by ours for each way of training.

Cells of the paper's grids are judged together; data sets that these do not have get a verdict of
their own, which says nothing about the paper's.

A check is asked of those other data sets, too, where a plan has them, but for two kinds. One that
says that it is an *exception* is asked of the data sets that it names alone. One that names data
sets which the paper's grids do not have is asked of these alone, too, and says nothing about the
paper's. What several checks of a claim ask of such a cell the first of them asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from workflow_src.config.claim_checks import claimed_cells, claimed_grid, shown_data_sets
from workflow_src.config.claims import (
    Check,
    Claim,
    Comparison,
    Limit,
    Ratio,
    SmallerLoss,
    Stability,
)
from workflow_src.config.metrics import metric
from workflow_src.config.strict import Scalar
from workflow_src.config.studies import Study
from workflow_src.report.claim_checks import (
    FAILS,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    Direction,
    Judgement,
    Outcome,
    Series,
    comparison,
    limit,
    ratio,
    smaller_loss,
    stability,
    verdict,
)
from workflow_src.report.claim_numbers import Measured, Numbers, Place, Published, Way
from workflow_src.report.cuts import Cut
from workflow_src.report.evidence import Group

Cell = tuple[str, str]
"""Data set and likelihood."""
Scope = Literal["published", "paper", "elsewhere"]

PUBLISHED: Scope = "published"
"""The paper's cells by the numbers that it prints."""
PAPER: Scope = "paper"
"""The paper's cells by our numbers."""
ELSEWHERE: Scope = "elsewhere"
"""Cells on data sets that the paper's grids do not have, by our numbers."""


@dataclass(frozen=True)
class ClaimCell:
    """One check in one cell; ``number`` is the check's place in the claim, from 0."""

    number: int
    check: Check
    data_set: str
    likelihood: str
    judgement: Judgement


@dataclass(frozen=True)
class Verdict:
    """What the cells of one scope, trained in one way, say about a claim."""

    scope: Scope
    way: Way | None
    cells: tuple[ClaimCell, ...]

    @property
    def outcome(self) -> Outcome:
        """Of all cells together."""
        return verdict([cell.judgement.outcome for cell in self.cells])

    @property
    def counts(self) -> dict[Outcome, int]:
        """Number of cells by outcome."""
        outcomes = [cell.judgement.outcome for cell in self.cells]
        return {one: outcomes.count(one) for one in (HOLDS, FAILS, UNDECIDED, NOT_RUN)}

    @property
    def caveats(self) -> tuple[str, ...]:
        """What of the grids the numbers of any cell are without, each once."""
        return tuple(dict.fromkeys(text for one in self.cells for text in one.judgement.caveats))

    @property
    def deciding(self) -> tuple[ClaimCell, ...]:
        """The cells with the outcome of all; where not all are run, those that are."""
        if self.outcome == NOT_RUN:
            return tuple(one for one in self.cells if one.judgement.outcome != NOT_RUN)
        return tuple(one for one in self.cells if one.judgement.outcome == self.outcome)


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its verdicts: published first, then ours by way, then elsewhere."""

    name: str
    claim: Claim
    verdicts: tuple[Verdict, ...]


def judge_claims(
    study: Study, groups: Sequence[Group], cuts: Sequence[Cut] = ()
) -> tuple[JudgedClaim, ...]:
    """Every claim of the study, from the groups that the plan has of it, and what was cut.

    Models that joined the study have no say: no cell that is theirs alone is one of a claim.
    """
    best_over = {name: tuple(one.best_over) for name, one in study.experiments.items()}

    def own(one: Group | Cut) -> bool:
        return str(one.axes["model"]) not in study.joined(one.experiment)

    measured = Measured(tuple(filter(own, groups)), best_over, tuple(filter(own, cuts)))
    return tuple(
        JudgedClaim(name, claim, tuple(_verdicts(study, claim, measured)))
        for name, claim in study.claims.items()
    )


def _verdicts(study: Study, claim: Claim, measured: Measured) -> list[Verdict]:
    experiments = list(dict.fromkeys(check.experiment for check in claim.checks))
    published = Published(study, experiments)

    def named(check: Check) -> tuple[Cell, ...]:
        return claimed_cells(check, study.experiments[check.experiment])

    paper = {name: shown_data_sets(claimed_grid(study.experiments[name])) for name in experiments}

    def of_paper(check: Check) -> tuple[Cell, ...]:
        return tuple(cell for cell in named(check) if cell[0] in paper[check.experiment])

    def asks(check: Check, cell: Cell) -> bool:
        """Whether the check is about a cell on a data set that the paper's grids do not have."""
        if check.exception or named(check) != of_paper(check):
            return cell in named(check)
        return cell[1] in {likelihood for _, likelihood in named(check)}

    def others(check: Check) -> tuple[Cell, ...]:
        # Checks that differ in their data sets alone ask the same of other data sets.
        same = [one for one in claim.checks if _question(one) == _question(check)]
        return tuple(
            cell
            for cell in measured.cells(check.experiment)
            if cell[0] not in paper[check.experiment]
            if next((one for one in same if asks(one, cell)), None) is check
        )

    ways = measured.ways(experiments)
    found = [Verdict(PUBLISHED, None, _cells(claim, published, None, of_paper))]
    found += [Verdict(PAPER, way, _cells(claim, measured, way, of_paper)) for way in ways]
    found += [Verdict(ELSEWHERE, way, _cells(claim, measured, way, others)) for way in ways]
    return [one for one in found if one.cells]


def _question(check: Check) -> dict[str, object]:
    return check.model_dump(exclude={"data_sets", "likelihoods", "exception"})


def _cells(
    claim: Claim, numbers: Numbers, way: Way | None, cells_of: Callable[[Check], Sequence[Cell]]
) -> tuple[ClaimCell, ...]:
    return tuple(
        ClaimCell(
            number,
            check,
            *cell,
            judged(check, numbers, Place(check.experiment, *cell, check.fraction, way)),
        )
        for number, check in enumerate(claim.checks)
        for cell in cells_of(check)
    )


def judged(check: Check, numbers: Numbers, place: Place) -> Judgement:
    """What the numbers of one place say to a check, with what their grids are without."""
    caveats: dict[str, None] = {}

    def series(chosen: Mapping[str, Scalar], fraction: float = place.fraction) -> Series:
        found = numbers.series(check.metric, chosen, replace(place, fraction=fraction))
        caveats.update(dict.fromkeys(found.caveats))
        return found

    found = _judged(check, numbers, place, series)
    return replace(found, caveats=tuple(caveats))


def _judged(
    check: Check, numbers: Numbers, place: Place, series: Callable[..., Series]
) -> Judgement:
    better: Direction = "lower" if metric(check.metric).better == "lower" else "higher"
    match check:
        case Comparison():
            pair = series(check.first), series(check.second)
            return comparison(*pair, check.relation, better)
        case Ratio():
            bounds = check.at_least, check.at_most
            return ratio(series(check.first), series(check.second), *bounds)
        case Limit():
            return limit(series(check.first), check.at_least, check.at_most)
        case Stability():
            whole = series(check.first, 1.0)
            return stability(whole, series(check.first), check.tolerance, better)
        case SmallerLoss():
            # The fraction itself is among them also where the plan lacks it, to tell so.
            first, second = (
                {
                    one: series(chosen, one)
                    for one in (*numbers.fractions(chosen, place), check.fraction)
                }
                for chosen in (check.first, check.second)
            )
            return smaller_loss(first, second, check.fraction, better)
