"""What ``sacct`` says when the plugin asks why a job failed: the job's own last words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workflow_src.cluster.drivers import Driver
from workflow_src.jobs.journal import entry_path, read_entry

_STEP = re.compile(r"(\d+)\.(\d+)")


def answer_reason(words: Sequence[str], driver: Driver) -> int | None:
    """Answer the plugin's question for the reason of one job step; None where the call is another.

    It asks for ten steps in turn, and where there is no accounting warns of each failure.
    """
    if list(words[2:]) != ["--format=Reason", "--noheader"] or words[0] != "-j":
        return None
    found = _STEP.fullmatch(words[1])
    job = next((one for one in driver.sent() if found and one.id == found[1]), None)
    if found is None or job is None:
        return None
    entry = read_entry(entry_path(driver.results, *job.key))
    if found[2] == "0" and entry is not None and entry.slurm_job == job.id and entry.reason:
        print(entry.reason)
    return 0
