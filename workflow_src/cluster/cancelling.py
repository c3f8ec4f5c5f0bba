"""What ``scancel`` does beside cancelling when the plugin calls it: nothing more is sent.

After Ctrl-C the plugin cancels the jobs that it knows, and then still sends those that it had in
hand; nobody would wait for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from workflow_src.cluster.drivers import Driver


def note_cancelling(words: Sequence[str], driver: Driver) -> None:
    """Note that the driver cancels its jobs; the real scancel then gets the call."""
    if any(word.isdecimal() for word in words):
        with contextlib.suppress(OSError):
            driver.part(".cancelled").touch()
