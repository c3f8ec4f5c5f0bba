"""How large a difference is against its noise: tests over seeds, or of estimates, row by row.

Three or more common seeds: a paired t test (Student 1908). Seeds that differ, two or more on each
side: Welch's t test (1947). Two common seeds: their spread and the errors of the estimates
together, with the degrees of freedom of Welch and Satterthwaite. Else: the errors of the estimates
alone, which do not tell how trainings vary. Many tests are judged together by the false discovery
rate (Benjamini and Hochberg 1995).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from workflow_src.report.intervals import CONFIDENCE

PAIRED = "paired seeds"
TWO_SEEDS = "two seeds"
WELCH = "unpaired seeds"
ERRORS = "standard errors"

FEWEST_PAIRED = 3

Numbers = NDArray[np.float64]


def differences(lines: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The difference of every row, with its error, interval and p value.

    Parameters
    ----------
    lines:
        One per row and seed: ``row``, ``value_before``, ``value_after``, ``standard_error_before``,
        ``standard_error_after``; a value that is not there is NaN.
    rows:
        How many there are; they are numbered from 0.

    Returns
    -------
    By row: ``seeds_before``, ``seeds_after``, ``seeds_common``, ``before``, ``after`` (means over
    the seeds that the method takes), ``difference``, ``error`` (its standard error), ``degrees`` of
    freedom (inf: normal), ``low``, ``high`` (the 95 % interval), ``p`` and ``method``; NaN and an
    empty method where nothing can be told.
    """
    common = lines["value_before"].notna() & lines["value_after"].notna()
    paired = _moments(lines[common], rows)
    sides = {side: _side_moments(lines, side, rows) for side in ("before", "after")}
    found = pd.DataFrame(
        {
            "seeds_before": sides["before"]["count"],
            "seeds_after": sides["after"]["count"],
            "seeds_common": paired["count"],
        }
    )
    take_common = _takes_common(found)
    for side in ("before", "after"):
        found[side] = paired[side].where(take_common, sides[side]["mean"])
    found["difference"] = paired["difference"].where(take_common, found["after"] - found["before"])
    method = _methods(found, take_common)
    error, degrees = _errors(method, paired, sides)
    found["error"], found["degrees"] = error, degrees
    found["method"] = np.where(np.isfinite(error), method, "")
    found["p"] = _p_values(found["difference"].to_numpy(), error, degrees)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, degrees) * error
    found["low"], found["high"] = found["difference"] - half, found["difference"] + half
    return found


def adjusted(p: Numbers) -> Numbers:
    """p values adjusted so that those up to a level have a false discovery rate of that level.

    NaN stays NaN and counts for nothing.
    """
    known = ~np.isnan(p)
    result = np.full_like(p, np.nan)
    if known.any():
        result[known] = stats.false_discovery_control(p[known], method="bh")
    return result


def _moments(lines: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Of the common seeds: count, means, the spread of differences, the error of the estimates."""
    difference = lines["value_after"] - lines["value_before"]
    squares = lines["standard_error_before"] ** 2 + lines["standard_error_after"] ** 2
    told = lines[["row", "value_before", "value_after"]].assign(
        difference=difference, squares=squares
    )
    groups = told.groupby("row")
    means = groups[["value_before", "value_after", "difference"]].mean()
    count = groups.size()
    whole = groups["squares"].count() == count
    found = means.rename(columns={"value_before": "before", "value_after": "after"}).assign(
        count=count,
        spread=groups["difference"].std(ddof=1),
        # Of the mean; NaN where an estimate has no error.
        estimate=(groups["squares"].sum() ** 0.5 / count).where(whole),
    )
    found = found.reindex(range(rows))
    return found.assign(count=found["count"].fillna(0).astype(int))


def _side_moments(lines: pd.DataFrame, side: str, rows: int) -> pd.DataFrame:
    there = lines[lines[f"value_{side}"].notna()]
    told = pd.DataFrame(
        {
            "row": there["row"],
            "value": there[f"value_{side}"],
            "squares": there[f"standard_error_{side}"] ** 2,
        }
    )
    groups = told.groupby("row")
    count = groups.size()
    whole = groups["squares"].count() == count
    found = pd.DataFrame(
        {
            "count": count,
            "mean": groups["value"].mean(),
            "spread": groups["value"].std(ddof=1),
            "estimate": (groups["squares"].sum() ** 0.5 / count).where(whole),
        }
    ).reindex(range(rows))
    return found.assign(count=found["count"].fillna(0).astype(int))


def _takes_common(found: pd.DataFrame) -> pd.Series:
    """Whether a row's means are over common seeds: Welch's are over all, as are those without."""
    common = found["seeds_common"]
    return (common > 0) & ~_is_welch(found)


def _is_welch(found: pd.DataFrame) -> pd.Series:
    common, before, after = (found[f"seeds_{name}"] for name in ("common", "before", "after"))
    several = (before >= 2) & (after >= 2)
    return several & (common < FEWEST_PAIRED) & ((common < before) | (common < after))


def _methods(found: pd.DataFrame, take_common: pd.Series) -> NDArray[np.str_]:
    common = found["seeds_common"]
    there = (found["seeds_before"] > 0) & (found["seeds_after"] > 0)
    choices = [~there, _is_welch(found), common >= FEWEST_PAIRED, common == 2, take_common]
    return np.select(choices, ["", WELCH, PAIRED, TWO_SEEDS, ERRORS], ERRORS)


def _errors(
    method: NDArray[np.str_], paired: pd.DataFrame, sides: dict[str, pd.DataFrame]
) -> tuple[Numbers, Numbers]:
    """Standard error and degrees of freedom of the difference, by the method of each row."""
    before, after = sides["before"], sides["after"]
    one, other = (side["spread"] ** 2 / side["count"] for side in (before, after))
    seeds = paired["spread"] ** 2 / paired["count"]
    estimates = paired["estimate"].fillna(0.0) ** 2
    of_means = before["estimate"] ** 2 + after["estimate"] ** 2
    alone = (paired["estimate"] ** 2).where(paired["count"] > 0, of_means)
    variances = {
        PAIRED: (seeds, paired["count"] - 1),
        TWO_SEEDS: (seeds + estimates, _satterthwaite(seeds + estimates, seeds**2)),
        WELCH: (
            one + other,
            _satterthwaite(
                one + other, one**2 / (before["count"] - 1) + other**2 / (after["count"] - 1)
            ),
        ),
        ERRORS: (alone, pd.Series(np.inf, paired.index)),
    }
    names = list(variances)
    chosen = [method == name for name in names]
    variance = np.select(chosen, [variances[name][0].to_numpy() for name in names], np.nan)
    degrees = np.select(
        chosen, [variances[name][1].to_numpy(dtype=float) for name in names], np.nan
    )
    return np.sqrt(variance), degrees


def _satterthwaite(variance: pd.Series, parts: pd.Series) -> pd.Series:
    """Degrees of freedom of a sum of variances; ``parts`` is the sum of each squared by its own."""
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = variance**2 / parts
    # No spread at all: what is left of the error is known as it is.
    return degrees.where(parts > 0, np.inf)


def _p_values(difference: Numbers, error: Numbers, degrees: Numbers) -> Numbers:
    """Of two sides; a difference without any error is certain, and none at all is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(difference) / error
    p = 2 * stats.t.sf(statistic, degrees)
    return np.where(np.isfinite(error) & (difference == 0), 1.0, p)
