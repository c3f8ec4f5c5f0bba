"""``python -m workflow_src.cluster TOOL WORDS...``: what the scripts in commands/ call."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workflow_src.cluster.cancelling import note_cancelling
from workflow_src.cluster.drivers import Driver
from workflow_src.cluster.reasons import answer_reason
from workflow_src.cluster.status import answer_states
from workflow_src.cluster.submission import submit
from workflow_src.cluster.tools import become_real
from workflow_src.cluster.waiting import answer_partitions
from workflow_src.errors import UserError

_OURS = {
    "sbatch": (submit,),
    "squeue": (answer_states,),
    "sacct": (answer_states, answer_reason),
    "scancel": (note_cancelling,),
    "sinfo": (answer_partitions,),
}


def main(words: Sequence[str]) -> int:
    """Answer the call of a tool, or become that tool where the call is none of ours."""
    tool, *rest = words
    driver = Driver.current()
    if driver is not None:
        for handle in _OURS[tool]:
            code = handle(rest, driver)
            if code is not None:
                return code
    become_real(tool, rest)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
