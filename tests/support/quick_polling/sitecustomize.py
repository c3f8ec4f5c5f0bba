"""For tests alone: Snakemake asks for the states of jobs every two seconds, not every 40 to 180.

Python imports this by its name where its folder is on PYTHONPATH, which is so for the Snakemake
that a test starts and, as the Snakefile sets that variable anew, for nothing that this one starts.
"""

from __future__ import annotations

import asyncio
from typing import Any

from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = 2


async def _sleep(self: Any) -> None:
    wanted = self.next_seconds_between_status_checks
    await asyncio.sleep(min(SECONDS, wanted))


RemoteExecutor.sleep = _sleep  # type: ignore[method-assign]
