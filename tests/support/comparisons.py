"""Sides of a comparison out of a few numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_src.compare.reading import rows_frame
from workflow_src.report.schema import METRICS, parquet_bytes

PLACE = {
    "study": "paper",
    "experiment": "table1",
    "model": "vae",
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "protocol": "authors",
    "stream": "full",
    "variant": None,
    "importance_samples": None,
    "unit": "nats",
}

Row = dict[str, Any]


def rows(
    values: Mapping[int, float | None] | Sequence[float],
    metric: str = "test_log_likelihood",
    errors: float | Sequence[float] | None = None,
    **more: Any,
) -> list[Row]:
    """Rows of metrics.parquet: one per seed; None stands for a number that is not finite.

    ``errors`` are the standard errors, one for all or one per seed; ``more`` are columns.
    """
    by_seed = values if isinstance(values, Mapping) else dict(enumerate(values))
    each = errors if isinstance(errors, Sequence) else [errors] * len(by_seed)
    return [
        PLACE
        | {
            "seed": seed,
            "metric": metric,
            "value": value,
            "standard_error": error,
            "state": "measured",
            "reason": "the bound was nan" if value is None else None,
            "evaluation": f"{more.get('model', 'vae')}-{seed}",
            "winner": f"run-{seed}",
            "hyperparameters": "{}",
        }
        | more
        for (seed, value), error in zip(by_seed.items(), each, strict=True)
    ]


def without(state: str, seeds: Sequence[int], metric: str = "test_bound", **more: Any) -> list[Row]:
    """Rows of evaluations without numbers, which tell one metric alone: no_winner or missing."""
    reason = "diverged at step 3" if state == "no_winner" else "not evaluated yet"
    told = {"state": state, "reason": reason, "winner": None, "hyperparameters": None}
    return [row | told | more for row in rows(dict.fromkeys(seeds), metric)]


def side(*parts: list[Row]) -> pd.DataFrame:
    """These rows as a side."""
    return rows_frame([row for part in parts for row in part], "a test")


def write_parquet(path: Path, *parts: list[Row], **footer: str) -> Path:
    """These rows as a metrics.parquet, by the report's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(parquet_bytes([row for part in parts for row in part], METRICS, footer))
    return path
