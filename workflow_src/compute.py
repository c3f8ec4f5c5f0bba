"""Makes this process ready to compute: device, threads, allocator, numerical settings.

Said once for training and evaluation, and recorded by both.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Any

import torch

from workflow_src.errors import UserError

# glibc's mallopt parameters, see mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER = -1
_LARGEST = (1 << 31) - 1


def open_device(name: str, threads: int) -> torch.device:
    """Set the process up for ``name`` (``cpu``, ``cuda``, ``cuda:N``) with CPU ``threads``.

    Raises
    ------
    UserError
        If there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device {name!r}", place="device", expected="cpu, cuda or cuda:N")
    if device.type == "cuda":
        _check_cuda(name, device)
        # Records name the current card; and cuBLAS is reproducible only with a fixed workspace.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.cuda.set_device(device)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # It would write all new memory twice, against reads of what was never written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # Adam's second moments decay into denormal numbers, which a CPU handles a hundred times slower.
    torch.set_flush_denormal(True)
    _keep_large_blocks()
    return device


def settings() -> dict[str, Any]:
    """What `open_device` decided, for the record."""
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "only_warns_where_none_exists": torch.is_deterministic_algorithms_warn_only_enabled(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "flush_denormal": True,
    }


def _check_cuda(name: str, device: torch.device) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise UserError(
            f"device {name!r} is not here",
            place="device",
            expected=f"one of {count} CUDA devices" if count else "a machine with a CUDA device",
            remedy="set device: cpu in config.yaml, or run where the GPU is",
        )


def _keep_large_blocks() -> None:
    """Have glibc keep freed blocks, however many: mapping them anew can cost most of a step."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
