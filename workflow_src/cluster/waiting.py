"""What ``sinfo`` does when the plugin asks for the default partition: it waits for SLURM.

The plugin asks before it sends its first job, and gives the job up where it gets no answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from workflow_src.cluster.drivers import Driver
from workflow_src.cluster.tools import NoAnswerError, ask

PATIENCE = 15 * 60.0
_PAUSE = 5.0
_QUESTION = ["-o", "%P"]


def answer_partitions(words: Sequence[str], driver: Driver) -> int | None:
    """Answer the plugin's question for partitions; None where the call is another, or in the end.

    The real tool then tells its error itself.
    """
    end = time.monotonic() + PATIENCE
    while list(words) == _QUESTION and time.monotonic() < end and driver.is_wanting:
        try:
            print(ask("sinfo", words, timeout=60), end="")
            return 0
        except NoAnswerError as error:
            driver.say(f"no answer, asked again soon: {error}")
        time.sleep(_PAUSE)
    return None
