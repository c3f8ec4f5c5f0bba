"""Leases: one job at a time works on a run, and the next one goes on when that job has ended.

A lease is a small file in the folder of the run's state. Its holder renews the file's time; a lease
that is not renewed expires. Ages are differences between times of files in one folder, so that
clocks of nodes do not matter where a server sets these times. Where each node sets them by its own
clock (Lustre, GPFS), they may be wrong by any amount; so whoever takes a lease for expired must
also have seen it unchanged for twice as long as renewals are apart, by the clock of its own
process. Renewing every sixth of the time leaves room for the minute for which a network file system
may show old times. A lease keeps work from being done twice, no more: a holder
that was taken for dead and lives may still write, and every write of ours is whole and harmless.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.jobs.holders import Holder, as_mapping, from_mapping, is_dead, is_succeeded
from workflow_src.jobs.renewing import RENEWALS, RENEWALS_IN_A_LIFE
from workflow_src.storage import explain

log = logging.getLogger(__name__)

LEASE_FILE = "lease.json"

EXPIRES_AFTER = 120.0
"""Seconds without a renewal after which a lease is free."""

_LARGEST = 65_536
_NO_LINKS_HERE = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_TRIES = 20

_SECOND_LOOK = 0.5
"""Seconds in which a contender that had moved a living lease away has put it back."""

_clock = time.monotonic

_WATCHED: dict[tuple[Path, str], tuple[tuple[str, int], float]] = {}
"""By folder and contender: token and time of the lease that it saw there, and since when."""


class Lease:
    """A lease that this process has; `acquire` makes it."""

    def __init__(self, folder: Path, holder: Holder, expires_after: float) -> None:
        self.folder = folder
        self.holder = holder
        self.expires_after = expires_after
        self.is_lost = False
        """Whether a renewal found that another holds it, which costs nothing to ask."""

    def is_held(self) -> bool:
        """Whether the file still says so; looks at it.

        While the file cannot be read at all, it is what it was last seen to be.
        """
        if not self.is_lost:
            with contextlib.suppress(OSError):
                self.is_lost = not self._is_ours(patient=True)
        return not self.is_lost

    def renew(self) -> None:
        """Set the file's time to now.

        Raises
        ------
        OSError
            If it cannot be reached; what holds then is not known.
        """
        if self.is_lost:
            return
        descriptor = self._open()
        if descriptor is None:
            self.is_lost = True
            return
        try:
            if _holder(_content(os.read(descriptor, _LARGEST))) == self.holder:
                # Of the very file that was read, whatever has that name by now.
                os.utime(descriptor)
            else:
                self.is_lost = True
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give it up; what another holds by now stays."""
        RENEWALS.end(self)
        with contextlib.suppress(OSError):
            if self._is_ours():
                (self.folder / LEASE_FILE).unlink(missing_ok=True)
        self.is_lost = True
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _open(self) -> int | None:
        """The open file; None where there is none, and there was none a moment before."""
        path = self.folder / LEASE_FILE
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY)
        self._wait()
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY)
        return None

    def _wait(self) -> None:
        time.sleep(min(_SECOND_LOOK, self.expires_after / RENEWALS_IN_A_LIFE / 2))

    def _is_ours(self, *, patient: bool = False) -> bool:
        seen = _look(self.folder / LEASE_FILE)
        if seen is None and patient:
            self._wait()
            seen = _look(self.folder / LEASE_FILE)
        return seen is not None and seen.token == self.holder.token


def acquire(
    folder: Path,
    holder: Holder,
    *,
    expires_after: float = EXPIRES_AFTER,
    watching: bool = True,
) -> Lease | None:
    """Take the lease in ``folder`` if it is free, and keep it renewed; None if another holds it.

    It is free where there is none, where its holder's process has ended or is an earlier start of
    the same SLURM job, and where it was not renewed for the seconds that its holder wrote down. The
    latter takes more than one call by the same holder: the first begins to watch the lease. Without
    ``watching`` times of files decide alone, for work that may as well be done twice.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    lease = Lease(folder, holder, expires_after)
    try:
        for _ in range(_TRIES):
            with _written(lease) as temporary:
                if temporary is None:
                    continue  # Whoever ended the run has just removed the folder.
                taken = _take(folder / LEASE_FILE, temporary, lease, watching)
            if taken:
                _WATCHED.pop((folder, holder.token), None)
                _keep_renewed(lease)
                return lease
            if taken is False:
                return None
    except OSError as error:
        raise explain(error, folder) from error
    return None


def _keep_renewed(lease: Lease) -> None:
    try:
        RENEWALS.begin(lease)
    except RuntimeError:
        # No thread could be started; unrenewed, it would only keep others waiting.
        lease.release()
        raise


def holder_of(folder: Path) -> Holder | None:
    """Who the lease in ``folder`` names; None where there is none, or where it is damaged."""
    try:
        seen = _look(folder / LEASE_FILE)
    except OSError:
        return None
    return None if seen is None else seen.holder


@dataclass(frozen=True)
class _Seen:
    """A lease's file as it was at one moment; what is damaged has an empty token."""

    token: str
    holder: Holder | None
    expires_after: float | None
    changed: int


@contextlib.contextmanager
def _written(lease: Lease) -> Iterator[Path | None]:
    """The lease under a temporary name beside its own; None if the folder goes away meanwhile."""
    unique = f"{lease.holder.host}-{lease.holder.pid}-{uuid.uuid4().hex[:8]}"
    temporary = lease.folder / f".{LEASE_FILE}.partial-{unique}"
    content = {
        "schema_version": 1,
        "expires_after": lease.expires_after,
        "holder": as_mapping(lease.holder),
    }
    lease.folder.mkdir(parents=True, exist_ok=True)
    try:
        try:
            temporary.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")
        except FileNotFoundError:
            yield None
            return
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _take(path: Path, temporary: Path, lease: Lease, watching: bool) -> bool | None:
    """Whether the lease is ours now; None if the folder went away meanwhile."""
    for _ in range(_TRIES):
        try:
            if _placed(temporary, path):
                return True
            seen = _look(path)
            if seen is None:
                continue
            if seen.token == lease.holder.token:
                # Ours before; or a network file system repeated a request that it had fulfilled.
                return True
            if not _is_free(seen, temporary, lease, watching) or not _put_away(path, seen):
                return False
        except FileNotFoundError:
            return None
    return False


def _placed(temporary: Path, path: Path) -> bool:
    """Give the lease its name if nothing has it; False if something has."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS_HERE:
            raise
        return _created(temporary, path)
    return True


def _created(temporary: Path, path: Path) -> bool:
    """The same where there are no hard links; a reader may see the file before it is whole."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    with open(descriptor, "wb") as stream:
        stream.write(temporary.read_bytes())
    return True


def _is_free(seen: _Seen, probe: Path, lease: Lease, watching: bool) -> bool:
    """Whether the lease that was seen is over; ``probe`` was written just now beside it."""
    if seen.holder is not None and (
        is_dead(seen.holder) or is_succeeded(seen.holder, by=lease.holder)
    ):
        return True
    lasts = seen.expires_after or lease.expires_after
    watched = _watched(seen, lease)
    if watching and watched < 2 * lasts / RENEWALS_IN_A_LIFE:
        return False
    age = (probe.stat().st_mtime_ns - seen.changed) / 1e9
    # Nor is anything renewed in the future: after a clock was set back it would be held for ever.
    return abs(age) > lasts


def _watched(seen: _Seen, lease: Lease) -> float:
    """For how many seconds the contender ``lease`` has seen that lease as it is."""
    key, looks, moment = (lease.folder, lease.holder.token), (seen.token, seen.changed), _clock()
    known = _WATCHED.get(key)
    if known is None or known[0] != looks:
        _WATCHED[key] = (looks, moment)
        return 0.0
    return moment - known[1]


def _put_away(path: Path, seen: _Seen) -> bool:
    """Remove the lease that was seen; False, and nothing is changed, if it is another by now."""
    aside = path.with_name(f".{path.name}.partial-taken-{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True  # Somebody else was quicker; who has it now, the next look tells.
    try:
        if _look(aside) == seen:
            log.debug("%s: the lease of %s is over", path, seen.holder)
            return True
        # Renewed, or taken over, between our look and our hand.
        _placed(aside, path)
        return False
    finally:
        aside.unlink(missing_ok=True)


def _look(path: Path) -> _Seen | None:
    """The lease's file; None where there is none.

    It is opened, since that makes a network file system ask for its newest times.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        changed = os.fstat(descriptor).st_mtime_ns
        content = _content(os.read(descriptor, _LARGEST))
    finally:
        os.close(descriptor)
    holder = _holder(content)
    return _Seen(
        token=holder.token if holder else "",
        holder=holder,
        expires_after=_seconds(content.get("expires_after")),
        changed=changed,
    )


def _holder(content: Mapping[str, Any]) -> Holder | None:
    named = content.get("holder")
    return from_mapping(named) if isinstance(named, dict) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and 0 < value < float("inf"):
        return float(value)
    return None


def _content(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
