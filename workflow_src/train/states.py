"""Where an interrupted run goes on from: one file per run, replaced whole.

Tensors and facts share one safetensors file, so that they can never be of different moments.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from workflow_src.storage import replacing_file

log = logging.getLogger(__name__)

STATE_FILE = "state.safetensors"
_FACTS = "facts"

State = tuple[dict[str, Tensor], dict[str, Any]]


def save_state(directory: Path, state: State) -> None:
    """Replace the state in ``directory``."""
    tensors, facts = state
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing_file(directory / STATE_FILE) as temporary:
        save_file(contiguous, temporary, metadata={_FACTS: json.dumps(facts)})


def load_state(directory: Path) -> State | None:
    """The state in ``directory``; None where there is none, or where it is damaged (logged)."""
    path = directory / STATE_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            return tensors, json.loads(stream.metadata()[_FACTS])
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError, OSError) as error:
        log.warning("%s is damaged (%s); the run starts from its beginning", path, error)
        return None


def discard_state(directory: Path) -> None:
    """Remove the state of a run that has ended, with whatever a killed writer left beside it."""
    shutil.rmtree(directory, ignore_errors=True)
