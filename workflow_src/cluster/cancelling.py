"""What happens when the jobs of a driver are to be cancelled: none is sent any more, none is left.

On Ctrl-C the plugin cancels the jobs that it has at hand. Those are none while it asks how they
are, and it still sends those that it had begun to send. So the driver notes at once that it
cancels, and cancels itself whatever is left.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.queue import own_jobs
from workflow_src.cluster.tools import NoAnswerError, ask
from workflow_src.errors import UserError

SENDING_PATIENCE = 10.0
QUESTION_TIMEOUT = 20.0
_CALL_TIMEOUT = 60.0
_IDS_AT_ONCE = 500


def note_cancelling(words: Sequence[str], driver: Driver) -> None:
    """Note that the driver cancels its jobs; the real scancel then gets the call."""
    if any(word.isdecimal() for word in words):
        _note(driver)


class Cancellation:
    """How a driver, which is this process, cancels its jobs when it is interrupted."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._cancelled: set[str] = set()
        # Also where a full disk keeps no note of it.
        self._is_interrupted = False

    def prepare(self) -> None:
        """From now on Ctrl-C cancels every job, at once and once more at the end of the process."""
        atexit.register(self.end)
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            # Elsewhere signals cannot be handled; in the background of a script they do nothing.
            return

        def interrupted(number: int, frame: FrameType | None) -> None:
            # Between fork and exec, a child may come here too.
            if os.getpid() == self._process and not self._is_interrupted:
                self._is_interrupted = True
                _note(self.driver)
                # The plugin may take minutes to end. Thread.start() takes a lock of threading,
                # which the code that this signal interrupts may hold.
                _thread.start_new_thread(self.cancel_rest, ())
            before(number, frame)

        signal.signal(signal.SIGINT, interrupted)

    def end(self) -> None:
        """The last that a driver does: cancel what is left if it cancels, and say what became."""
        if os.getpid() != self._process:
            return
        if self._is_interrupted or self.driver.is_cancelled:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # A command that was sending a job may have to note its id yet.
            self.driver.waits_for_sending(SENDING_PATIENCE)
            told = self.cancel_rest()
            if told:
                self.driver.say(told)
                print(told, file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            self.driver.part(".ended").touch()

    def cancel_rest(self) -> str | None:
        """Cancel what is left; return what to tell, None where there was nothing to cancel."""
        with self._lock:
            left: list[str] = []
            try:
                known = _unsettled(self.driver)
                left = list(known)
                living = self._living(known)
                left = list(living)
                cancel(living)
            except (NoAnswerError, UserError) as error:
                return (
                    f"error: jobs could not be cancelled ({error}); to end those that are left: "
                    f"scancel {' '.join(left)}"
                )
            self._cancelled |= living.keys()
            number = len(self._cancelled)
        if not number:
            return None
        return f"{_jobs(number)} cancelled; the next start goes on from the saved states"

    def _living(self, known: Mapping[str, Sent]) -> dict[str, str]:
        """The clusters of the jobs that are still there, by their ids."""
        own = set(self.driver.runs())
        names = own | {job.run for job in known.values()}
        clusters = {"", *(job.cluster for job in known.values())}
        if not names:
            return {}
        try:
            listed = own_jobs(timeout=QUESTION_TIMEOUT, runs=names, clusters=clusters)
        except NoAnswerError:
            return {job.id: job.cluster for job in known.values()}
        ours = [job for job in listed if job.id in known or job.run in own]
        # The plugin may have been first.
        self._cancelled |= {job.id for job in ours if job.state == "CANCELLED" and job.id in known}
        return {job.id: job.cluster for job in ours if job.is_alive}


def _unsettled(driver: Driver) -> dict[str, Sent]:
    """The jobs that a driver sent or was to take over, but for those that it saw end."""
    over = driver.settled()
    jobs = [*driver.orphans().values(), *driver.sent()]
    return {job.id: job for job in jobs if job.id not in over}


def cancel(jobs: Mapping[str, str]) -> None:
    """Call the real scancel for ids, each with its cluster.

    Raises
    ------
    NoAnswerError
        If it fails.
    """
    for cluster in sorted(set(jobs.values())):
        ids = [job for job, where in jobs.items() if where == cluster]
        more = [f"--clusters={cluster}"] if cluster else []
        for at in range(0, len(ids), _IDS_AT_ONCE):
            ask("scancel", [*more, *ids[at : at + _IDS_AT_ONCE]], timeout=_CALL_TIMEOUT)


def _note(driver: Driver) -> None:
    with contextlib.suppress(OSError):
        driver.part(".cancelled").touch()


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
