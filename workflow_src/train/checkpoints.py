"""Tensors as files: what was saved is what goes on, or is measured.

Part of the code that results depend on. When and where is written is run_directory.py's and
states.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

_FACTS = "facts"


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None
) -> None:
    """Write tensors, and JSON values beside them where ``facts`` are given."""
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = None if facts is None else {_FACTS: json.dumps(facts)}
    # Written and read by Python, whose errors say what the file system said.
    path.write_bytes(save(contiguous, metadata=metadata))


def tensors_of(data: bytes) -> dict[str, Tensor]:
    """The tensors in a file's bytes, on the CPU."""
    tensors: dict[str, Tensor] = load(data)
    return tensors


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts as `write_tensors` wrote them together.

    Raises
    ------
    SafetensorError, KeyError, TypeError, ValueError
        If the file is damaged, or has no facts.
    OSError
        If the file cannot be read.
    """
    data = path.read_bytes()
    tensors = tensors_of(data)
    return tensors, json.loads(_header(data)["__metadata__"][_FACTS])


def _header(data: bytes) -> dict[str, Any]:
    """The header of a file that was found whole: its length in 8 bytes, then JSON."""
    end = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:end])
    return header
