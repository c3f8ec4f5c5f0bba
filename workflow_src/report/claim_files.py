"""A study's claims as files: CSV for programs, and Markdown for people and for the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from workflow_src.config.studies import Study
from workflow_src.report.claim_checks import NOT_RUN, Outcome
from workflow_src.report.claim_wording import (
    cell_title,
    claim_title,
    counts_text,
    described_checks,
    outcome_text,
    value_text,
    way_text,
)
from workflow_src.report.claims import ELSEWHERE, PUBLISHED, JudgedClaim, Verdict
from workflow_src.report.table_files import grid_text
from workflow_src.report.wording import CLAIMS_DETAILS, NOTHING

KEYS = ("claim", "scope", "protocol", "stream")

_COUNTED: tuple[Outcome, ...] = ("holds", "fails", "undecided", "not_run")
_MOST = 6


def claims_csv_text(claims: Sequence[JudgedClaim]) -> str:
    """One line per claim and verdict: how many cells say what, and the numbers that decide."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*KEYS, "verdict", "cells", *_COUNTED, "deciding", "statement", "place"])
    for one in claims:
        for verdict in one.verdicts:
            protocol, name = verdict.way or ("", "")
            writer.writerow(
                [
                    *(one.name, verdict.scope, protocol, name),
                    *(verdict.outcome, len(verdict.cells)),
                    *(verdict.counts[outcome] for outcome in _COUNTED),
                    *(_deciding(verdict), one.claim.statement, one.claim.place),
                ]
            )
    return stream.getvalue()


def claims_markdown_text(claims: Sequence[JudgedClaim], study: Study) -> str:
    """All verdicts in one table, then every claim with what its verdicts rest on."""
    parts = ["# Claims", f"{study.title} ({study.reference})", *_overview(claims), LEGEND]
    for one in claims:
        parts += [
            f"{CLAIMS_DETAILS}{claim_title(one.name, one.claim.for_each)}",
            f"{one.claim.statement} ({one.claim.place})",
            *([one.claim.note] if one.claim.note else []),
            "\n".join(f"- {line}" for line in described_checks(one.claim.checks)),
            grid_text(
                ["Numbers", "Verdict", "Cells", "Deciding"],
                [
                    [way_text(v), outcome_text(v), counts_text(v), _deciding(v) or NOTHING]
                    for v in one.verdicts
                ],
                4,
            ),
        ]
    return "\n\n".join(parts) + "\n"


LEGEND = (
    "A claim holds where all of its checks hold in all of its cells (data set and likelihood), and "
    "fails where one fails. Numbers are paired by seed; brackets hold the 95 % confidence interval "
    "over seeds (Student's t), of a single seed that of the estimate, over the images that "
    "it is made of and, where judges give it, over the judges as well; the standard error of a log "
    "partition function is added in quadrature and does not become less with the number of seeds, "
    "because estimators share their bias. Undecided: "
    "the interval holds values of either kind. A model without any finite number counts as worse "
    "than one that has some; where some of its seeds diverged, a cell is undecided, unless the "
    "others already show it to be the worse. A cell is not run while a seed is missing. "
    "Counts of parameters and times per step are judged by their means, without an interval; what "
    "is to stay below a bound in every run by the largest of all, which a run without a finite "
    "number has not. "
    "Published: the paper's own printed numbers, which "
    "have no interval. Other data sets are ones that the claim does not name."
)


def _overview(claims: Sequence[JudgedClaim]) -> list[str]:
    """Claims down, whose numbers across."""
    ways = overview_ways(claims)
    body = [
        [claim_title(one.name, one.claim.for_each), *(said.get(way, NOTHING) for way in ways)]
        for one in claims
        for said in [{way_text(v): outcome_text(v) for v in one.verdicts}]
    ]
    return [grid_text(["Claim", *ways], body, 1 + len(ways))]


def overview_ways(claims: Sequence[JudgedClaim]) -> list[str]:
    """Whose numbers there are, published first and those of other data sets last."""
    verdicts = [verdict for one in claims for verdict in one.verdicts]
    verdicts.sort(key=lambda one: (one.scope != PUBLISHED, one.scope == ELSEWHERE))
    return list(dict.fromkeys(map(way_text, verdicts)))


def _deciding(verdict: Verdict) -> str:
    """The cells behind a verdict with their numbers, the first few, and what grids are without."""
    several = len({cell.number for cell in verdict.cells}) > 1
    texts = []
    for cell in verdict.deciding[:_MOST]:
        check = f" ({cell.number + 1})" if several else ""
        value = value_text(cell) if cell.judgement.value is not None else None
        said = ", ".join(one for one in (value, cell.judgement.reason) if one)
        texts.append(f"{cell_title(cell)}{check}: {said}")
    rest = len(verdict.deciding) - _MOST
    texts += [f"{rest} more"] if rest > 0 else []
    if verdict.scope != PUBLISHED and verdict.outcome == NOT_RUN:
        texts += [f"not run: {reason}" for reason in _reasons_not_run(verdict)]
    return "; ".join([*texts, *verdict.caveats])


def _reasons_not_run(verdict: Verdict) -> list[str]:
    judgements = [cell.judgement for cell in verdict.cells]
    return list(dict.fromkeys(j.reason for j in judgements if j.outcome == NOT_RUN and j.reason))
