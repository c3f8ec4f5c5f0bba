"""Where an interrupted run goes on from: one file per run, replaced whole.

Tensors and facts share one safetensors file, so that they can never be of different moments.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from workflow_src.plan.layout import STATE_FILE
from workflow_src.storage import replacing_file
from workflow_src.train.checkpoints import read_tensors, write_tensors

log = logging.getLogger(__name__)

State = tuple[dict[str, Tensor], dict[str, Any]]

_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


def save_state(directory: Path, state: State) -> None:
    """Replace the state in ``directory``."""
    tensors, facts = state
    with replacing_file(directory / STATE_FILE) as temporary, as_system_errors():
        write_tensors(temporary, tensors, facts)


def load_state(directory: Path) -> State | None:
    """The state in ``directory``; None where there is none, or where it is damaged (logged)."""
    path = directory / STATE_FILE
    if not path.exists():
        return None
    try:
        return read_tensors(path)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        log.warning("%s is damaged (%s); the run starts from its beginning", path, error)
        return None


@contextlib.contextmanager
def as_system_errors() -> Iterator[None]:
    """Have a full disk that safetensors meets raise the OSError that Python's writing would."""
    try:
        yield
    except SafetensorError as error:
        number = _SYSTEM_ERROR.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def discard_state(directory: Path) -> None:
    """Remove the state of a run that has ended, with whatever a killed writer left beside it."""
    shutil.rmtree(directory, ignore_errors=True)
