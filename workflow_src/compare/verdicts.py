"""What is said of every row: the same, within noise or beyond it, or why that cannot be asked.

Rows of several experiments that rest on the same evaluations are one test, not several.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np
import pandas as pd

from workflow_src.compare.noise import ONE_SEED, ROUNDING, WELCH, adjusted, differences
from workflow_src.compare.pairing import ABSENT, NONE, NOT_HERE, NUMBER, SIDES, paired
from workflow_src.compare.units import in_one_unit
from workflow_src.config.metrics import METRICS

LEVEL = 0.05
"""False discovery rate among the rows that are called beyond noise."""

EXACT = "exact"
"""The method of metrics that are counted, not estimated."""

COUNTED = ("parameter_count", "centroid_count", "judge_count")
_MEASURES = ("error", "degrees", "low", "high", "p")
_NUMBERS_IN_TEXT = r"[-+]?(?:\d[\d.,]*(?:e[-+]?\d+)?|\bnan\b|\binf\b)"

SECONDS = "s"
"""Unit of what depends on the machine and its load, and is told without a verdict."""


class Verdict(enum.StrEnum):
    """The verdicts, in the order in which their counts are told.

    Rows stand in the same order, but that those beyond noise are one group.
    """

    WORSE = "worse beyond noise"
    BETTER = "better beyond noise"
    CHANGED = "changed beyond noise"
    REASON = "reason changed"
    GONE = "gone"
    APPEARED = "appeared"
    LARGER = "one seed, larger than its error"
    NOT_HERE = "not here"
    UNTOLD = "cannot be told"
    TIMING = "time (not judged)"
    WITHIN = "within noise"
    INSIDE = "one seed, within its error"
    SAME = "same"


BEYOND = (Verdict.WORSE, Verdict.BETTER, Verdict.CHANGED)
FINDINGS = (*BEYOND, Verdict.REASON)
"""Verdicts that make `compare` end with exit code 1."""


def judged(before: pd.DataFrame, after: pd.DataFrame, *, level: float = LEVEL) -> pd.DataFrame:
    """One line per row of either side, with its numbers and its verdict.

    Parameters
    ----------
    before, after:
        As `workflow_src.compare.reading` gives them.
    level:
        The false discovery rate among rows that are called beyond noise, in (0, 1).

    Returns
    -------
    `workflow_src.compare.reading.ROW`, the columns of `workflow_src.compare.noise.differences`, and
    ``unit``, ``better`` (1 higher, -1 lower, 0 neither), ``relative`` (difference by the size of
    before), ``p_adjusted``, ``verdict``, ``reasons``, ``note``, and in how many common seeds
    something stayed the same: ``same_evaluations``, ``same_runs``, ``same_choices`` (of
    hyperparameters).
    """
    rows, lines = paired(before, after)
    lines, units = in_one_unit(lines, len(rows))
    lines = lines.assign(
        same_run=_same(lines, "winner"), equal=_equal(lines, rows["metric"].isin(COUNTED))
    )
    found = rows.join(differences(lines, len(rows))).join(_states(lines, len(rows))).join(units)
    found["better"] = found["metric"].map(_direction).astype(int)
    found["timing"] = found["unit"] == SECONDS
    found["counted"] = found["metric"].isin(COUNTED)
    _take_back(found, found["units"] != "", (*_MEASURES, "difference"))
    found["verdict"] = _without_test(found)
    exact = found["counted"] & (found["verdict"] == "")
    found.loc[exact, "method"] = EXACT
    _take_back(found, exact, _MEASURES)
    open_ = (found["verdict"] == "") & ~exact
    found["p_adjusted"] = _together(found, open_)
    # Nothing was asked of rows without a test; equal numbers have no noise either.
    found["p"] = found["p"].where(open_)
    equal = found["verdict"] == Verdict.SAME
    _take_back(found, equal, _MEASURES)
    found["method"] = found["method"].mask(equal, "")
    found["verdict"] = found["verdict"].mask(found["verdict"] == "", _tested(found, exact, level))
    # Beside a change beyond noise the reason stands as well; it hides none.
    quiet = ~found["verdict"].isin([one.value for one in BEYOND])
    found.loc[quiet & (found["reason_changed"] > 0), "verdict"] = Verdict.REASON.value
    with np.errstate(divide="ignore", invalid="ignore"):
        size = found["before"].abs()
        found["relative"] = (found["difference"] / size).where(size > 0)
    found["reasons"] = _reasons(lines, len(rows))
    found["note"] = _notes(found)
    return found.drop(columns=["timing", "counted", "units", "no_spread"])


def _take_back(found: pd.DataFrame, rows: pd.Series, names: Sequence[str]) -> None:
    found.loc[rows, list(names)] = np.nan


def _tested(
    found: pd.DataFrame, exact: pd.Series, level: float
) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """The verdicts that a test, or the size of an error, decides."""
    one_seed = ~exact & (found["method"] == ONE_SEED)
    larger = (found["low"] > 0) | (found["high"] < 0)
    choices = [
        one_seed & larger,
        one_seed,
        ~exact & found["p_adjusted"].isna(),
        ~exact & (found["p_adjusted"] > level),
    ]
    names = [Verdict.LARGER, Verdict.INSIDE, Verdict.UNTOLD, Verdict.WITHIN]
    return np.where(
        np.any(choices, axis=0),
        np.select(choices, [one.value for one in names], ""),
        _beyond(found),
    )


def _equal(lines: pd.DataFrame, counted: pd.Series) -> pd.Series:
    """Whether both sides have one number, but for rounding; counts have none."""
    sizes = [f"{name}_{side}" for name in ("value", "standard_error") for side in SIDES]
    scale = lines[sizes].abs().max(axis=1).mask(lines["row"].map(counted).astype(bool), 0.0)
    return (lines["value_after"] - lines["value_before"]).abs() <= ROUNDING * scale


def _notes(found: pd.DataFrame) -> pd.Series:
    """What is to be said of how the numbers were compared."""
    same = found["verdict"] == Verdict.SAME
    still = found["no_spread"] & ~same & (found["method"] != EXACT)
    told = found["method"] != ""
    notes = found["units"].where(found["units"] == "", "units do not convert: " + found["units"])
    texts = {
        "equal to rounding": same & (found["equal_bits"] < found["equal_numbers"]),
        "seeds do not vary: the errors of the estimates instead": still & told,
        "seeds do not vary, and their estimates have no standard error": still & ~told,
    }
    for text, chosen in texts.items():
        notes = notes.mask((notes == "") & chosen, text)
    return notes


def _direction(metric: str) -> int:
    known = METRICS.get(metric)
    return 0 if known is None else {"higher": 1, "lower": -1, "neither": 0}[known.better]


def _states(lines: pd.DataFrame, rows: int) -> pd.DataFrame:
    """By row: what its seeds have on both sides, and in how many what made them is the same."""
    before, after = (lines[f"status_{side}"] for side in SIDES)
    both = (before == NUMBER) & (after == NUMBER)
    without = (before == NONE) & (after == NONE)
    equal = both & lines["equal"]
    same_reason = without & (_kind_of(lines["reason_before"]) == _kind_of(lines["reason_after"]))
    known = before.isin([NUMBER, NONE]) & after.isin([NUMBER, NONE])
    counted = pd.DataFrame(
        {
            "row": lines["row"],
            "lines": 1,
            "equal_lines": equal | same_reason,
            "equal_numbers": equal,
            "equal_bits": both & (lines["value_before"] == lines["value_after"]),
            "reason_changed": known & ~both & ~same_reason,
            **{f"not_here_{s}": lines[f"status_{s}"] == NOT_HERE for s in SIDES},
            **{f"numbers_{s}": lines[f"status_{s}"] == NUMBER for s in SIDES},
            **{f"absent_{s}": lines[f"status_{s}"] == ABSENT for s in SIDES},
            "same_evaluations": both & _same(lines, "evaluation"),
            "same_runs": both & _same(lines, "winner"),
            "same_choices": both & _same(lines, "hyperparameters"),
            "key": _key(lines),
        }
    )
    groups = counted.groupby("row")
    numbers = groups[[name for name in counted if name not in ("row", "key")]].sum()
    # What rows of several experiments have in common: their evaluations, seed by seed.
    keys = groups["key"].agg("\n".join)
    return numbers.assign(key=keys).reindex(range(rows))


def _kind_of(reasons: pd.Series) -> pd.Series:
    """Reasons without their numbers: the step at which something diverged is no other reason."""
    return reasons.str.replace(_NUMBERS_IN_TEXT, "#", regex=True)


def _same(lines: pd.DataFrame, name: str) -> pd.Series:
    before = lines[f"{name}_before"]
    return (before == lines[f"{name}_after"]) & (before != "")


def _key(lines: pd.DataFrame) -> pd.Series:
    ends = [lines[f"evaluation_{side}"] for side in SIDES]
    return ends[0] + ">" + ends[1]


def _without_test(found: pd.DataFrame) -> pd.Series:
    """The verdicts that need no test; empty where one has to decide."""
    none_before, none_after = (found[f"numbers_{side}"] == 0 for side in SIDES)
    equal = (found["seeds_common"] > 0) & (found["equal_numbers"] == found["seeds_common"])
    # The means of that test are over all seeds, and say something else than the common ones.
    equal &= found["method"] != WELCH
    alike = found["counted"] & (found["difference"] == 0)
    choices = [
        found["units"] != "",
        (found["equal_lines"] == found["lines"]),
        none_before & none_after & (found["absent_before"] == found["lines"]),
        none_before & none_after & (found["absent_after"] == found["lines"]),
        none_before & (found["not_here_before"] > 0),
        none_after & (found["not_here_after"] > 0),
        # Both sides lack numbers, of different seeds.
        none_before & none_after,
        none_before,
        none_after,
        equal | alike,
        found["timing"],
    ]
    names = [
        Verdict.UNTOLD,
        Verdict.SAME,
        Verdict.APPEARED,
        Verdict.GONE,
        Verdict.NOT_HERE,
        Verdict.NOT_HERE,
        Verdict.UNTOLD,
        Verdict.APPEARED,
        Verdict.GONE,
        Verdict.SAME,
        Verdict.TIMING,
    ]
    return pd.Series(np.select(choices, [one.value for one in names], ""), found.index)


def _beyond(found: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    way = np.sign(found["difference"]) * found["better"]
    choices = [way > 0, way < 0]
    return np.select(choices, [Verdict.BETTER.value, Verdict.WORSE.value], Verdict.CHANGED.value)


def _together(found: pd.DataFrame, open_: pd.Series) -> pd.Series:
    """The adjusted p values, of what rests on the same evaluations counted once."""
    asked = found.loc[open_, ["key", "metric", "importance_samples", "difference", "p"]]
    tests = asked.groupby(list(asked.columns), sort=False, dropna=False).ngroup()
    first = ~tests.duplicated()
    values = np.full(int(first.sum()), np.nan)
    values[tests[first].to_numpy()] = adjusted(asked.loc[first, "p"].to_numpy(dtype=float))
    result = pd.Series(np.nan, found.index)
    result[asked.index] = values[tests.to_numpy()]
    return result


def _reasons(lines: pd.DataFrame, rows: int) -> pd.Series:
    """Why seeds lack numbers, for rows in which some do: ``seed 1: a number -> diverged``."""
    before, after = (_told(lines, side) for side in SIDES)
    differ = (before != after) & (
        lines["status_before"].ne(ABSENT) | lines["status_after"].ne(ABSENT)
    )
    lacking = lines["status_before"].isin([NONE, NOT_HERE]) | lines["status_after"].isin(
        [NONE, NOT_HERE]
    )
    shown = differ & lacking
    texts = "seed " + lines["seed"].astype(str) + ": " + before + " -> " + after
    found = texts[shown].groupby(lines.loc[shown, "row"]).agg("; ".join)
    return found.reindex(range(rows)).fillna("")


def _told(lines: pd.DataFrame, side: str) -> pd.Series:
    names = {NUMBER: "a number", NOT_HERE: "not here", ABSENT: "not planned"}
    status = lines[f"status_{side}"]
    return lines[f"reason_{side}"].where(status == NONE, status.map(names))
