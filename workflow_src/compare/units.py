"""Both sides' numbers in one unit; where units do not convert, there is nothing to compare."""

from __future__ import annotations

import pandas as pd

from workflow_src.report.wording import converted

_SIDES = ("before", "after")


def in_one_unit(lines: pd.DataFrame, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The lines with values and standard errors in their row's unit, and the units by row.

    Parameters
    ----------
    lines:
        One per row and seed: ``row``, and with the suffixes ``_before`` and ``_after`` ``unit``
        (empty where a file tells none, which is taken for the other side's), ``value`` and
        ``standard_error``.
    rows:
        How many there are; they are numbered from 0.

    Returns
    -------
    By row ``unit``, that of after where before converts to it, and ``units``: empty, or both where
    neither converts to the other. The lines of such rows are as they were.
    """
    units = pd.DataFrame({"unit": "", "units": ""}, index=range(rows))
    named = pd.concat(
        [
            pd.DataFrame({"row": lines["row"], "unit": lines[f"unit_{side}"]})
            for side in reversed(_SIDES)
        ]
    )
    named = named[named["unit"] != ""].drop_duplicates()
    units["unit"] = named.groupby("row")["unit"].first().reindex(range(rows)).fillna("")
    several = named[named["row"].duplicated(keep=False)]
    if several.empty:
        return lines, units
    lines = lines.copy()
    for row, found in several.groupby("row")["unit"]:
        names = [str(one) for one in found]
        target = next((to for to in names if _all_convert(names, to)), None)
        if target is None:
            units.loc[row] = ["", " and ".join(reversed(names))]
            continue
        units.loc[row, "unit"] = target
        _convert(lines, lines["row"] == row, target)
    return lines, units


def _all_convert(names: list[str], target: str) -> bool:
    return all(converted(1.0, name, target) is not None for name in names)


def _convert(lines: pd.DataFrame, chosen: pd.Series, target: str) -> None:
    for side in _SIDES:
        factors = lines.loc[chosen, f"unit_{side}"].map(
            lambda unit: converted(1.0, unit, target) if unit else 1.0
        )
        for name in ("value", "standard_error"):
            lines.loc[chosen, f"{name}_{side}"] *= factors
