"""Keeps DVC's commands out while files that it versions are being replaced.

DVC takes the lock of its repository for every command, and lets it go while the command of a stage
runs. Whoever holds it meanwhile can write several files that belong together; DVC then reads either
all of the old ones or all of the new ones.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from workflow_src.errors import UserError

LOCK = Path(".dvc", "tmp", "lock")
PATIENCE = 600.0
"""Seconds to wait for a command of DVC to end."""

_PAUSE = 0.2


@contextlib.contextmanager
def without_dvc(place: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of the DVC repository that ``place`` lies in; nothing where there is none.

    Raises
    ------
    UserError
        If DVC is still at work after ``patience`` seconds.
    """
    here = place.resolve()
    root = next((one for one in (here, *here.parents) if (one / ".dvc").is_dir()), None)
    descriptor = None if root is None else _open(root / LOCK)
    if descriptor is None:
        yield
        return
    try:
        _lock(descriptor, place, patience)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int | None:
    # A checkout that this user may not write to is none that DVC could change meanwhile.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return None


def _lock(descriptor: int, place: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                return  # A file system without locks has none that DVC could hold.
        if time.monotonic() >= deadline:
            raise UserError(
                "a command of DVC works on these files",
                place=str(place),
                remedy="wait until it ends and start again; what is finished stays",
            )
        time.sleep(_PAUSE)
