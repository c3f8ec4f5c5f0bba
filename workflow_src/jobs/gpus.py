"""The GPUs that this process may use, and one of them for itself where there are several.

Jobs that share a node and were given no GPU of their own choose by locks of the kernel, which last
as long as the process: nothing is left to clean up after a kill. No torch is needed to look.
"""

from __future__ import annotations

import fcntl
import getpass
import logging
import os
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_LISTED = re.compile(r"^GPU (\d+): ", re.MULTILINE)
_SECONDS_TO_ANSWER = 20
_SECONDS_BETWEEN_LOOKS = 1.0

_claimed: dict[str, int] = {}
"""Descriptors of the locks that this process holds until its end."""


def visible_gpus() -> tuple[str, ...]:
    """Names of the GPUs that CUDA shows this process, in its order: indices or UUIDs.

    From CUDA_VISIBLE_DEVICES where it is set; else what ``nvidia-smi`` lists, and none without it.
    """
    told = os.environ.get(_VISIBLE)
    return _listed() if told is None else _parsed(told)


def claim_gpu(
    names: Sequence[str],
    *,
    while_waiting: Callable[[], None] = lambda: None,
    seconds: float = _SECONDS_BETWEEN_LOOKS,
) -> int:
    """The position in ``names`` of a GPU that no other process of this user claims from now on.

    Waits while all are taken; ``while_waiting`` is called before each further look, and may raise.
    A process that asks again gets the same one. Where there are no locks, the first is used.
    """
    for position, name in enumerate(names):
        if name in _claimed:
            return position
    folder = _lock_folder()
    if folder is None:
        return 0
    has_told = False
    while True:
        try:
            for position, name in enumerate(names):
                if _lock(folder, name):
                    return position
        except OSError as error:
            log.warning("%s: no locks (%s); using the first GPU", folder, error.strerror)
            return 0
        if not has_told:
            log.info("all %d GPUs are at work for other jobs; waiting for one", len(names))
        has_told = True
        while_waiting()
        time.sleep(seconds)


def _parsed(told: str) -> tuple[str, ...]:
    """As CUDA reads it: what follows an entry that names no device does not count."""
    names: list[str] = []
    for entry in told.split(","):
        name = entry.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", name) or name in names:
            break
        names.append(name)
    return tuple(names)


def _listed() -> tuple[str, ...]:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_ANSWER,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_LISTED.findall(done.stdout))


def _lock_folder() -> Path | None:
    """A folder for the locks that is this user's own; None, and that is told, if there is none."""
    folder = Path(tempfile.gettempdir()) / f"density-bench-gpu-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        log.warning("%s cannot be used (%s); using the first GPU", folder, error.strerror)
        return None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        log.warning("%s is not a folder of %s; using the first GPU", folder, getpass.getuser())
        return None
    return folder


def _lock(folder: Path, name: str) -> bool:
    """Lock one GPU until the end of this process; False if another process has it."""
    path = folder / f"{name.replace('/', '_')}.lock"
    # Programs that this process starts do not inherit the descriptor (PEP 446).
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _claimed[name] = descriptor
    return True
