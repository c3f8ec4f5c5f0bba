"""How large a difference is against its noise: tests over seeds, or of estimates, row by row.

Two or more common seeds: a paired t test (Student 1908). Seeds that differ, two or more on each
side: Welch's t test (1947). Several seeds on one side and one on the other: whether the one is to
be expected of the spread of the others (a prediction interval). One run that both sides measured:
the errors of the estimates, normal. One seed on each side, of different runs: the same errors, but
no test, since they do not tell how trainings vary. Many tests are judged together by the false
discovery rate (Benjamini and Hochberg 1995).

Nothing is without noise. Seeds that do not vary leave the errors of the estimates, with the seeds'
degrees of freedom; a standard error of zero counts as not known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from workflow_src.report.intervals import CONFIDENCE

PAIRED = "paired seeds"
WELCH = "unpaired seeds"
PREDICTION = "spread of one side"
ERRORS = "standard errors"
ONE_SEED = "one seed"

FEWEST_PAIRED = 2
ROUNDING = 1e-9
"""Relative size up to which numbers differ by rounding: sums in another order, other machines."""

Numbers = NDArray[np.float64]


def differences(lines: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The difference of every row, with its error, interval and p value.

    Parameters
    ----------
    lines:
        One per row and seed: ``row``, ``value_before``, ``value_after``, ``standard_error_before``,
        ``standard_error_after`` (a value that is not there is NaN), ``same_run`` (whether both
        sides measured one run) and ``equal`` (whether both have one number).
    rows:
        How many there are; they are numbered from 0.

    Returns
    -------
    By row: ``seeds_before``, ``seeds_after``, ``seeds_common``, ``before``, ``after`` (means over
    the seeds that the method takes), ``difference``, ``error`` (its standard error), ``degrees`` of
    freedom (inf: normal), ``low``, ``high`` (the 95 % interval), ``p``, ``method`` and
    ``no_spread`` (whether its seeds do not vary); NaN and an empty method where nothing can be
    told, and no p where the method is no test.
    """
    errors = [f"standard_error_{side}" for side in ("before", "after")]
    lines = lines.assign(**{name: lines[name].where(lines[name] > 0) for name in errors})
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
    method = _methods(found, paired)
    take_common = (found["seeds_common"] > 0) & ~np.isin(method, (WELCH, PREDICTION))
    for side in ("before", "after"):
        found[side] = paired[side].where(take_common, sides[side]["mean"])
    found["difference"] = paired["difference"].where(take_common, found["after"] - found["before"])
    variance, degrees, no_spread = _variances(method, paired, sides, _scale(lines, rows))
    error = np.sqrt(np.where(variance > 0, variance, np.nan))
    found["error"], found["degrees"], found["no_spread"] = error, degrees, no_spread
    found["method"] = np.where(np.isfinite(error), method, "")
    found["p"] = _p_values(found["difference"].to_numpy(), error, degrees)
    found["p"] = found["p"].where(found["method"] != ONE_SEED)
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
    for name in ("same_run", "equal"):
        found[name] = lines[name].groupby(lines["row"]).sum()
    found = found.reindex(range(rows))
    whole_numbers = ("count", "same_run", "equal")
    return found.assign(**{name: found[name].fillna(0).astype(int) for name in whole_numbers})


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


def _scale(lines: pd.DataFrame, rows: int) -> pd.Series:
    """The size of a row's numbers, which rounding is relative to."""
    sizes = lines[["value_before", "value_after"]].abs().max(axis=1)
    return sizes.groupby(lines["row"]).max().reindex(range(rows))


def _methods(found: pd.DataFrame, paired: pd.DataFrame) -> NDArray[np.str_]:
    common = found["seeds_common"]
    sides = found[["seeds_before", "seeds_after"]]
    fewest, most = sides.min(axis=1), sides.max(axis=1)
    # One common seed says more than the spread of others where its run or its number is the same.
    same_run, equal = ((common == 1) & (paired[name] == 1) for name in ("same_run", "equal"))
    choices = [
        fewest == 0,
        common >= FEWEST_PAIRED,
        fewest >= 2,
        same_run,
        (most >= 2) & ~equal,
    ]
    return np.select(choices, ["", PAIRED, WELCH, ERRORS, PREDICTION], ONE_SEED)


def _variances(
    method: NDArray[np.str_],
    paired: pd.DataFrame,
    sides: dict[str, pd.DataFrame],
    scale: pd.Series,
) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Variance and degrees of freedom of the difference by each row's method; what has no spread.

    NaN for what is not known.
    """
    before, after = sides["before"], sides["after"]
    still = {name: _is_still(one, scale) for name, one in {"paired": paired, **sides}.items()}
    one, other = (_of_mean(sides[name], still[name]) for name in ("before", "after"))
    parts = one**2 / (before["count"] - 1) + other**2 / (after["count"] - 1)
    is_before = before["count"] > after["count"]
    many = before["count"].where(is_before, after["count"])
    # Of a further value about the mean of several: s^2 (1 + 1/n), where s^2/n is that mean's own.
    further = one.where(is_before, other) * (many + 1)
    alone = (paired["estimate"] ** 2).where(
        paired["count"] > 0, before["estimate"] ** 2 + after["estimate"] ** 2
    )
    known = pd.Series(np.inf, paired.index)
    nowhere = pd.Series(False, paired.index)
    by_method = {
        PAIRED: (_of_mean(paired, still["paired"]), paired["count"] - 1, still["paired"]),
        WELCH: (one + other, (one + other) ** 2 / parts, still["before"] | still["after"]),
        PREDICTION: (further, many - 1, still["before"].where(is_before, still["after"])),
        ERRORS: (alone, known, nowhere),
        ONE_SEED: (alone, known, nowhere),
    }
    chosen = [method == name for name in by_method]
    variance, degrees, no_spread = (
        np.select(chosen, [told[place].to_numpy(dtype=float) for told in by_method.values()], empty)
        for place, empty in enumerate((np.nan, np.nan, 0.0))
    )
    return variance, degrees, no_spread.astype(bool)


def _is_still(moments: pd.DataFrame, scale: pd.Series) -> pd.Series:
    """Whether several seeds do not vary, but for rounding."""
    return moments["spread"] <= ROUNDING * scale


def _of_mean(moments: pd.DataFrame, still: pd.Series) -> pd.Series:
    """The variance of a mean over seeds; that of its estimates where seeds do not vary."""
    spread = moments["spread"] ** 2 / moments["count"]
    return spread.where(~still, moments["estimate"] ** 2)


def _p_values(difference: Numbers, error: Numbers, degrees: Numbers) -> Numbers:
    """Of two sides; NaN where the error is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(difference) / error
    return np.asarray(2 * stats.t.sf(statistic, degrees))
