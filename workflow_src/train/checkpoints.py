"""Tensors as files: what was saved is what goes on, or is measured.

Part of the code that results depend on. When and where is written is run_directory.py's and
states.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load, save_file
from torch import Tensor

_FACTS = "facts"


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None
) -> None:
    """Write tensors, and JSON values beside them where ``facts`` are given."""
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(contiguous, path, metadata=None if facts is None else {_FACTS: json.dumps(facts)})


def tensors_of(data: bytes) -> dict[str, Tensor]:
    """The tensors in a file's bytes, on the CPU."""
    tensors: dict[str, Tensor] = load(data)
    return tensors


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts as `write_tensors` wrote them together.

    Raises
    ------
    SafetensorError, KeyError, TypeError, ValueError, OSError
        If the file is damaged, or has no facts.
    """
    with safe_open(path, framework="pt") as stream:
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        return tensors, json.loads(stream.metadata()[_FACTS])
