"""Which file holds what a job said, as the rules name their logs."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path

FOLDER = "logs"


def log_of(results: Path, rule: str, name: str, evaluations: Mapping[str, str]) -> Path | None:
    """The latest log of a job; None where there is none.

    ``name`` is that of its journal entry; ``evaluations`` are directories relative to the results
    by fingerprint, as their logs are named alike. A log that Snakemake removed to repeat the job
    has a second name, with the time behind the first.
    """
    pattern = _pattern(rule, glob.escape(name), evaluations.get(name))
    if pattern is None:
        return None
    folder = results / FOLDER
    dated = []
    for path in [*folder.glob(f"{pattern}.log"), *folder.glob(f"{pattern}.*.log")]:
        try:
            dated.append((path.stat().st_mtime_ns, -len(path.name), path))
        except OSError:
            continue
    return max(dated)[-1] if dated else None


def _pattern(rule: str, name: str, evaluation: str | None) -> str | None:
    if rule == "evaluate_group":
        group = None if evaluation is None else evaluation.partition("/")[2]
        return None if group is None else f"evaluate/{glob.escape(group)}"
    patterns = {
        "fetch": f"fetch/{name}",
        "prepare": f"prepare/*-{name}",
        "train_shard": f"train/{name}",
        "report": f"report/{name}",
    }
    return patterns.get(rule)
