"""Both sides' numbers side by side: one line per metric of a cell and seed.

An evaluation without numbers has one row in metrics.parquet, under a metric that stands for all.
Here it gets a line for each metric that the cell has anywhere, so that a number that became none is
seen to have done so.
"""

from __future__ import annotations

import pandas as pd

from workflow_src.compare.reading import CELL, NO_SAMPLES, ROW
from workflow_src.report.evaluations import MEASURED, MISSING

NUMBER, NONE, NOT_HERE, ABSENT = "number", "none", "not here", "absent"
"""What a side has for a line: a number; a reason why there is none; an evaluation that is planned
and not here; nothing planned."""

SIDES = ("before", "after")

_FACTS = (
    "status",
    "value",
    "standard_error",
    "reason",
    "unit",
    "evaluation",
    "winner",
    "hyperparameters",
    "record",
)


def paired(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that either side has, and the lines of all seeds.

    Parameters
    ----------
    before, after:
        As `workflow_src.compare.reading` gives them.

    Returns
    -------
    The rows (`ROW`, in the order of their first appearance; the index is the row's number), and one
    line per row and seed: ``row``, ``seed`` and each of status, value, standard_error and so on
    with the suffixes ``_before`` and ``_after``.
    """
    shapes = _shapes(before, after)
    sides = [_with_status(side, shapes) for side in (after, before)]
    together = pd.concat(sides, ignore_index=True)
    numbers = together.groupby(list(ROW), sort=False, dropna=False).ngroup()
    rows = together.loc[~numbers.duplicated(), list(ROW)].reset_index(drop=True)
    lines = together[["seed", *_FACTS]].assign(row=numbers)
    count = len(sides[0])
    merged = lines.iloc[count:].merge(
        lines.iloc[:count],
        on=["row", "seed"],
        how="outer",
        suffixes=("_before", "_after"),
        validate="one_to_one",
    )
    for name in _FACTS:
        if name in ("value", "standard_error"):
            continue
        for side in SIDES:
            empty = ABSENT if name == "status" else ""
            merged[f"{name}_{side}"] = merged[f"{name}_{side}"].fillna(empty)
    return rows, merged


def _shapes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Every metric, with its importance samples, that a cell has a number of on either side."""
    measured = [side.loc[side["state"] == MEASURED, list(ROW)] for side in (before, after)]
    return pd.concat(measured, ignore_index=True).drop_duplicates()


def _with_status(side: pd.DataFrame, shapes: pd.DataFrame) -> pd.DataFrame:
    measured = side[side["state"] == MEASURED]
    others = side[side["state"] != MEASURED]
    if len(others):
        known = others.drop(columns="importance_samples").merge(
            shapes, on=list(CELL), how="left", suffixes=("_shown", "")
        )
        known["metric"] = known["metric"].fillna(known["metric_shown"])
        samples = known["importance_samples"].fillna(NO_SAMPLES)
        known["importance_samples"] = samples.astype("int64")
        measured = pd.concat([measured, known[side.columns]], ignore_index=True)
    status = measured["value"].notna().map({True: NUMBER, False: NONE})
    status = status.mask(measured["state"] == MISSING, NOT_HERE)
    return measured.assign(status=status)
