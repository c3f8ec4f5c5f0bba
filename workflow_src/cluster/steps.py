"""What a Snakemake that runs one job on a node does before the job starts."""

from __future__ import annotations

import signal

from workflow_src.jobs.slurm import remember_restarts


def prepare_step() -> None:
    """Leave SIGUSR1 to the job, and tell it how often SLURM has started it.

    With ``--signal=USR1@120``, SLURM warns every process of a job before the time is up. The job
    saves its state then; Snakemake and the shell around it would only die.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    remember_restarts()
