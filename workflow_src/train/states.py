"""Where an interrupted run goes on from: one file per run, replaced whole.

Tensors and facts share one safetensors file, so that they can never be of different moments.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from workflow_src.plan.layout import STATE_FILE
from workflow_src.storage import explain, replacing_file
from workflow_src.train.checkpoints import read_tensors, write_tensors

log = logging.getLogger(__name__)

State = tuple[dict[str, Tensor], dict[str, Any]]


def save_state(directory: Path, state: State) -> None:
    """Replace the state in ``directory``."""
    tensors, facts = state
    with replacing_file(directory / STATE_FILE) as temporary:
        write_tensors(temporary, tensors, facts)


def load_state(directory: Path) -> State | None:
    """The state in ``directory``; None where there is none, or where it is damaged (logged).

    Raises
    ------
    UserError
        If the file system does not let it be read: then it may be whole.
    """
    path = directory / STATE_FILE
    try:
        return read_tensors(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain(error, path) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        log.warning("%s is damaged (%s); the run starts from its beginning", path, error)
        return None


def discard_state(directory: Path) -> None:
    """Remove the state of a run that has ended, with whatever a killed writer left beside it."""
    shutil.rmtree(directory, ignore_errors=True)
