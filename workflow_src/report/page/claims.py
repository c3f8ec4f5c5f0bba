"""A study's claims laid out for its page and the overview: every verdict, counted and in full."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

from workflow_src.config.studies import Study
from workflow_src.report.claim_checks import FAILS, HOLDS, NOT_RUN, UNDECIDED
from workflow_src.report.claim_files import LEGEND, overview_ways
from workflow_src.report.claim_wording import (
    OUTCOMES,
    claim_title,
    counts_text,
    described_checks,
    number_text,
    outcome_text,
    value_text,
    way_text,
)
from workflow_src.report.claims import ClaimCell, JudgedClaim, Verdict
from workflow_src.report.page.addresses import claim_anchor, experiment_anchor
from workflow_src.report.wording import axis_value

_OF = ": "
"""Stands between what a check says and the metric, and the places, that it says it of."""
_OUTCOMES = (HOLDS, FAILS, UNDECIDED, NOT_RUN)


def claims_values(
    study: Study, claims: Sequence[JudgedClaim], shown: Collection[str]
) -> dict[str, Any]:
    """What the templates of claims show; ``shown`` are the experiments that have a table."""
    ways = overview_ways(claims)
    return {
        "legend": LEGEND,
        "ways": ways,
        "counts": [_counts(way, claims) for way in ways],
        "claims": [_claim(study, one, ways, shown) for one in claims],
    }


def _claim(
    study: Study, one: JudgedClaim, ways: Sequence[str], shown: Collection[str]
) -> dict[str, Any]:
    said = {way_text(verdict): verdict for verdict in one.verdicts}
    experiments = dict.fromkeys(check.experiment for check in one.claim.checks)
    return {
        "id": claim_anchor(study.name, one.name),
        "title": claim_title(one.name, one.claim.for_each),
        "statement": one.claim.statement,
        "place": one.claim.place,
        "note": one.claim.note,
        **_checks(described_checks(one.claim.checks)),
        "tables": [
            {
                "id": experiment_anchor(study.name, name) if name in shown else None,
                "title": study.experiments[name].title,
            }
            for name in experiments
        ],
        "badges": [_badge(said.get(way)) for way in ways],
        "verdicts": [_verdict(verdict) for verdict in one.verdicts],
        # No number of ours, and none of the paper's: there is nothing to list.
        "told": any(cell.judgement.value is not None for v in one.verdicts for cell in v.cells),
    }


def _checks(texts: Sequence[str]) -> dict[str, Any]:
    """The checks in words; what all of them are of, which ends each, is told once where it can."""
    shared = {text.rpartition(_OF)[2] for text in texts}
    if len(texts) == 1 or len(shared) > 1:
        return {"checks": texts, "checked": ""}
    return {"checks": [text.rpartition(_OF)[0] for text in texts], "checked": shared.pop()}


def _counts(way: str, claims: Sequence[JudgedClaim]) -> dict[str, Any]:
    """How many claims have which verdict from one kind of numbers, for a bar and its text."""
    verdicts = [v for one in claims for v in one.verdicts if way_text(v) == way]
    by_outcome = {kind: [v for v in verdicts if v.outcome == kind] for kind in _OUTCOMES}
    return {
        "way": way,
        "parts": [
            {"kind": kind, "text": outcome_text(found[0]), "count": len(found)}
            for kind, found in by_outcome.items()
            if found
        ],
    }


def _badge(verdict: Verdict | None) -> dict[str, str]:
    if verdict is None:
        return {"kind": "none", "text": "-", "title": ""}
    title = counts_text(verdict)
    return {"kind": verdict.outcome, "text": outcome_text(verdict), "title": title}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    run = any(cell.judgement.value is not None for cell in verdict.cells)
    return {
        "way": way_text(verdict),
        "badge": _badge(verdict),
        "counts": counts_text(verdict),
        # Of numbers that are not there at all, one line says why.
        "cells": _cells(verdict.cells) if run else [],
        "reason": "; ".join([*([] if run else _reasons(verdict)), *verdict.caveats]),
    }


def _cells(cells: Sequence[ClaimCell]) -> list[dict[str, Any]]:
    """A row per cell; one for neighbours that differ in the check alone, as absent ones do."""
    rows = []
    for words, alike in itertools.groupby(cells, _cell):
        checks = [cell.number + 1 for cell in alike]
        rows.append({"checks": _ranges(checks), **words})
    return rows


def _ranges(numbers: Sequence[int]) -> str:
    """Rising numbers as people list them: "1, 3 to 6"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _cell(cell: ClaimCell) -> dict[str, Any]:
    one = cell.judgement
    return {
        "data_set": axis_value("data_set", cell.data_set),
        "likelihood": axis_value("likelihood", cell.likelihood),
        "first": number_text(one.first, cell),
        "second": number_text(one.second, cell),
        "value": value_text(cell),
        "seeds": one.seeds,
        "kind": one.outcome,
        "outcome": OUTCOMES[one.outcome],
        "reason": one.remarks,
    }


def _reasons(verdict: Verdict) -> list[str]:
    return list(dict.fromkeys(c.judgement.reason for c in verdict.cells if c.judgement.reason))
