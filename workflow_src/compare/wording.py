"""How a row of a comparison reads, in a terminal, a file and on a page the same."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from workflow_src.compare.reading import CELL, NO_SAMPLES
from workflow_src.report.wording import NOTHING, number, signed

_APART = ("study", "experiment", "model")
"""Axes that have a place of their own."""
_ALWAYS = ("data_set", "likelihood")


def varying(rows: pd.DataFrame) -> tuple[str, ...]:
    """The axes to show of every row: those that say what it is, and others that differ."""
    return tuple(
        name
        for name in CELL
        if name not in _APART and (name in _ALWAYS or rows[name].nunique() > 1)
    )


def shared(rows: pd.DataFrame, shown: Collection[str]) -> list[str]:
    """The axes that are not shown with each row, as all have the same value: ``stream full``."""
    if rows.empty:
        return []
    told = {name: axis(name, rows[name].iloc[0]) for name in CELL if name not in shown}
    return [f"{name.replace('_', ' ')} {text}" for name, text in told.items() if text]


def what(row: Mapping[str, Any], axes: Collection[str]) -> str:
    """Which cell of its model a row is of: ``spvae table1: digits gaussian``."""
    texts = [axis(name, row[name]) for name in axes]
    others = int(row.get("others", 0))
    more = f" and {others} more" if others else ""
    return f"{place(row)}{more}: {' '.join(text for text in texts if text)}"


def place(row: Mapping[str, Any]) -> str:
    """The experiment with its study: ``spvae table1``."""
    return f"{row['study']} {row['experiment']}"


def metric(row: Mapping[str, Any]) -> str:
    """The metric's name, its importance samples where it takes some, and its unit."""
    samples = row["importance_samples"]
    name = str(row["metric"]) if samples == NO_SAMPLES else f"{row['metric']} ({samples})"
    return f"{name} [{row['unit']}]" if row["unit"] else name


def value(row: Mapping[str, Any], side: str) -> str:
    """The mean of a side, or a dash."""
    mean = row[side]
    return NOTHING if math.isnan(mean) else number(mean, row["unit"])


def difference(row: Mapping[str, Any]) -> str:
    """The difference with half of its 95 % interval: ``+1.20 ± 0.31``."""
    change = row["difference"]
    if math.isnan(change):
        return NOTHING
    half = row["high"] - change
    told = _signed(change, row["unit"])
    return told if math.isnan(half) else f"{told} ± {_exact(half, row['unit'])}"


def relative(row: Mapping[str, Any]) -> str:
    """The difference by the size of before, in percent."""
    percent = 100 * row["relative"]
    if math.isnan(percent):
        return NOTHING
    return f"{percent:+,.0f} %" if abs(percent) >= 10 else f"{percent:+.2g} %"


def p_value(row: Mapping[str, Any]) -> str:
    """The adjusted p value."""
    p = row["p_adjusted"]
    if math.isnan(p):
        return NOTHING
    return f"{p:.2g}" if p >= 1e-4 else "<0.0001"


def seeds(row: Mapping[str, Any]) -> str:
    """The number of seeds: those in common, or of both sides where they are not the same."""
    before, after, common = (int(row[f"seeds_{name}"]) for name in ("before", "after", "common"))
    return str(common) if before == after == common else f"{before}/{after} ({common} common)"


def made(row: Mapping[str, Any]) -> str:
    """What became of the winners in the common seeds: the same, trained anew, others chosen."""
    common = int(row["seeds_common"])
    if not common:
        return ""
    if row["same_evaluations"] == common:
        return "the same evaluations"
    if row["same_runs"] == common:
        return "the same runs, measured anew"
    anew = common - int(row["same_runs"])
    told = "trained anew" if anew == common else f"{anew} of {common} trained anew"
    others = common - int(row["same_choices"])
    if not others:
        return told
    where = "" if others == common else f" in {others} of {common}"
    return f"{told}, other hyperparameters won{where}"


def told_of(row: Mapping[str, Any]) -> str:
    """What else there is to say: how it was tested, what was made, why numbers lack."""
    texts = (row["method"], row["note"], made(row), row["reasons"])
    return "; ".join(text for text in texts if text)


def axis(name: str, given: Any) -> str:
    """The value of one axis as it is asked for in settings."""
    if name == "fraction":
        return f"{given * 100:.10g} %"
    if name == "variant":
        return _variant(str(given))
    return str(given)


def _variant(text: str) -> str:
    try:
        values = json.loads(text) if text else {}
    except ValueError:
        return text
    if not isinstance(values, dict):
        return text
    return ", ".join(f"{name} {one}" for name, one in values.items())


def _signed(change: float, unit: str) -> str:
    text = signed(change, unit)
    return f"{change:+.2g}" if change and float(text.replace(",", "")) == 0 else text


def _exact(half: float, unit: str) -> str:
    text = number(half, unit)
    return f"{half:.2g}" if half and float(text.replace(",", "")) == 0 else text
