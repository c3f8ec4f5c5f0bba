"""The machine that a result was made on, and the settings that decide whether its bits repeat.

Looks at torch only where it is loaded already: a step without tensors imports none.
"""

from __future__ import annotations

import functools
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
)


def describe_machine() -> dict[str, Any]:
    """Host, processor, cores, and the GPU where this process has used one."""
    return {
        "host": socket.gethostname(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": _usable_cores(),
        "gpu": _gpu(),
    }


def describe_determinism() -> dict[str, Any]:
    """torch's switches and the environment variables that can change a result's last bits."""
    facts: dict[str, Any] = {
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        facts["torch"] = {
            "deterministic_algorithms": bool(torch.are_deterministic_algorithms_enabled()),
            "threads": int(torch.get_num_threads()),
            "float32_matmul_precision": str(torch.get_float32_matmul_precision()),
            "default_dtype": str(torch.get_default_dtype()),
            "cudnn_deterministic": bool(torch.backends.cudnn.deterministic),
            "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        }
    return facts


@functools.cache
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _usable_cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _gpu() -> dict[str, Any] | None:
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    facts = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "name": str(facts.name),
        "identity": str(getattr(facts, "uuid", "")),
        "memory_bytes": int(facts.total_memory),
        "capability": f"{facts.major}.{facts.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver(),
    }


@functools.cache
def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.split()
    return lines[0] if lines else None
