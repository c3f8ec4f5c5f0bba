"""Opens a job's device: where jobs share several GPUs, one that no other job uses."""

from __future__ import annotations

from collections.abc import Callable

import torch

from workflow_src.compute import open_device
from workflow_src.errors import UserError
from workflow_src.jobs.failures import MachineError
from workflow_src.jobs.gpus import claim_gpu, visible_gpus
from workflow_src.jobs.heartbeat import current


def open_job_device(
    name: str, threads: int, *, while_waiting: Callable[[], None] = lambda: None
) -> torch.device:
    """As `compute.open_device`; ``cuda`` among several GPUs is one for this process alone.

    While other jobs have all of them, ``while_waiting`` is called now and then; it may raise.

    Raises
    ------
    MachineError
        If there is no such device here: on another node there may be.
    """
    try:
        device = open_device(_chosen(name, while_waiting), threads)
    except UserError as error:
        if name.partition(":")[0] != "cuda":
            raise
        raise MachineError(
            error.problem, place=error.place, expected=error.expected, remedy=error.remedy
        ) from error
    current().progress(device=str(device))
    return device


def _chosen(name: str, while_waiting: Callable[[], None]) -> str:
    gpus = visible_gpus() if name == "cuda" else ()
    if len(gpus) < 2:
        return name
    return f"cuda:{claim_gpu(gpus, while_waiting=while_waiting)}"
