"""Who this process is to SLURM, from its environment."""

from __future__ import annotations

import os

_RESTARTS = "SLURM_RESTART_COUNT"

REMEMBERED = "DENSITY_BENCH_SLURM_RESTARTS"
"""``<job>:<restarts>`` as the batch script saw it: srun does not tell the steps of a job."""


def job() -> str | None:
    """The id of the SLURM job that this process belongs to."""
    return os.environ.get("SLURM_JOB_ID") or None


def restarts() -> int:
    """How often SLURM has started that job again."""
    told = os.environ.get(_RESTARTS)
    if told is None:
        of_job, _, told = os.environ.get(REMEMBERED, "").partition(":")
        if not of_job or of_job != job():
            return 0
    return int(told) if told.isdecimal() else 0


def remember_restarts() -> None:
    """Keep the number for the processes that this one starts through srun."""
    if job() is not None and _RESTARTS in os.environ:
        os.environ[REMEMBERED] = f"{job()}:{restarts()}"


def nodes() -> str | None:
    """The nodes of that job, as SLURM writes them."""
    return os.environ.get("SLURM_JOB_NODELIST") or None
