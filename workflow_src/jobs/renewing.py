"""One thread that renews all leases of this process while it works on something else."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

log = logging.getLogger(__name__)

RENEWALS_IN_A_LIFE = 6


class Renewable(Protocol):
    """What is renewed: it expires after so many seconds, and may turn out to be lost."""

    expires_after: float
    is_lost: bool

    def renew(self) -> None:
        """Renew it, or find it lost; an OSError leaves that open."""


class Renewals:
    """The leases to renew, and the thread that does, as long as there are some."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Renewable, float] = {}
        self._thread: threading.Thread | None = None

    def begin(self, lease: Renewable) -> None:
        """Renew a lease from now on, until it is ended or lost.

        Raises
        ------
        RuntimeError
            If the system has no thread left for it.
        """
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="leases", daemon=True)
                # It waits for the lock that is held here.
                thread.start()
                self._thread = thread
            self._due[lease] = _next_time(lease)
            self._changed.notify()

    def end(self, lease: Renewable) -> None:
        """Renew it no more."""
        with self._changed:
            self._due.pop(lease, None)
            self._changed.notify()

    def _run(self) -> None:
        while (lease := self._next()) is not None:
            try:
                lease.renew()
            except OSError as error:
                # The file system may come back; then the file says whose it is.
                log.debug("a lease could not be renewed: %s", error)
            with self._changed:
                if lease.is_lost:
                    self._due.pop(lease, None)
                elif lease in self._due:
                    self._due[lease] = _next_time(lease)

    def _next(self) -> Renewable | None:
        """The next lease to renew, when it is time; None, and the thread ends, without any."""
        with self._changed:
            while self._due:
                lease, moment = min(self._due.items(), key=lambda item: item[1])
                rest = moment - time.monotonic()
                if rest <= 0:
                    return lease
                self._changed.wait(rest)
            self._thread = None
            return None


def _next_time(lease: Renewable) -> float:
    return time.monotonic() + lease.expires_after / RENEWALS_IN_A_LIFE


RENEWALS = Renewals()
"""Those of this process."""
