"""One Snakemake at a time: a lock on the results that ends with the process that holds it.

The kernel keeps the lock and lets it go however its holder dies, so after a kill there is nothing
to unlock. It keeps apart processes that plan and start jobs; jobs themselves write whole files
under fingerprints and need none.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workflow_src.cluster.tools import real_tool
from workflow_src.errors import UserError
from workflow_src.storage import explain

log = logging.getLogger(__name__)

LOCK_FILE = ".lock"

_OTHER_MODES = """
--lint --generate-unit-tests --containerize --export-cwl --print-compilation --list-rules --list -l
--list-target-rules --lt --dag --rulegraph --filegraph --d3dag --summary -S --detailed-summary -D
--archive --cleanup-metadata --cm --cleanup-shadow --unlock --list-changes --lc
--list-input-changes --li --list-params-changes --lp --list-untracked --lu --report --reporter
--conda-create-envs-only --conda-cleanup-envs --list-conda-envs --container-cleanup-images
"""
"""Options with which Snakemake reads the Snakefile and runs no job."""

_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_NO_LOCKS_HERE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)

_held: dict[Path, int] = {}
"""Descriptors of the locks that this process holds; a lock lasts while its descriptor is open."""


def runs_jobs(words: Sequence[str], *, dry_run: bool) -> bool:
    """Whether a Snakemake with these words on its command line is going to run jobs."""
    options = {word.partition("=")[0] for word in words}
    another_mode = options.intersection(_OTHER_MODES.split())
    return not dry_run and (not another_mode or "--report-after-run" in options)


def sends_to_slurm(words: Sequence[str], nodes: int | None) -> bool:
    """Whether a Snakemake with these words on its command line hands its jobs to SLURM.

    ``nodes`` is its limit of jobs, which it has wherever jobs do not run in its own process; which
    executor a profile names is not to be seen, but one on the command line goes before it.
    """
    executor = "slurm"
    for at, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name in ("--executor", "-e"):
            executor = value if sign else "".join(words[at + 1 : at + 2])
    return nodes is not None and executor == "slurm" and real_tool("sbatch") is not None


def refuse_for_slurm(*folders: Path) -> None:
    """Refuse to send jobs from folders in whose names the shell of a job would replace something.

    Raises
    ------
    UserError
        If a path has such a character: the plugin gives commands to ``sbatch --wrap`` in double
        quotes, and every job would fail.
    """
    for folder in folders:
        found = [character for character in "$`" if character in str(folder)]
        if found:
            raise UserError(
                f"jobs of SLURM do not work in a folder with {found[0]} in its path",
                place=str(folder),
                remedy="move it to a path without such a character",
            )


def hold(results: Path) -> None:
    """Take the lock of ``results`` for the rest of this process's life.

    Where the file system has no locks, that is logged as a warning.

    Raises
    ------
    UserError
        If another process holds it, or the lock's file cannot be made.
    """
    path = (results / LOCK_FILE).resolve()
    if path in _held:
        return
    try:
        results.mkdir(parents=True, exist_ok=True)
        # Programs that this process starts do not inherit the descriptor (PEP 446).
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise explain(error, path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _read_holder(descriptor)
        os.close(descriptor)
        _tell(error, results, holder)
    else:
        _held[path] = descriptor
        _write_holder(descriptor)


def _tell(error: OSError, results: Path, holder: str) -> None:
    """Refuse, or warn where there are no locks."""
    if error.errno in _HELD_BY_ANOTHER:
        raise UserError(
            f"another Snakemake works on these results ({holder})",
            place=str(results),
            remedy="wait until it ends, or stop it; a dry run (-n) works meanwhile",
        ) from None
    if error.errno not in _NO_LOCKS_HERE:
        raise explain(error, results / LOCK_FILE) from error
    log.warning(
        "%s: this file system has no locks (%s), so nothing refuses a second Snakemake on these "
        "results; start one at a time",
        results,
        error.strerror,
    )


def _write_holder(descriptor: int) -> None:
    """Say who holds the lock; in place, since a renamed file would not be the locked one."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"host": socket.gethostname(), "pid": os.getpid(), "started": started}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{json.dumps(facts, sort_keys=True)}\n".encode(), 0)


def _read_holder(descriptor: int) -> str:
    try:
        facts = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {facts['pid']} on {facts['host']} since {facts['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said yet which process it is"
