"""`python -m workflow_src train`: train the runs of one shard, going on where they stopped."""

from __future__ import annotations

import argparse
import logging
import signal
from pathlib import Path
from types import FrameType

from workflow_src.exit_codes import ExitCode
from workflow_src.jobs.heartbeat import current
from workflow_src.jobs.journal import State

GROUP = "steps"
EXAMPLES = (
    (
        "train the runs of one shard of the plan, with bars",
        "train --shard results/plan/shards/0123456789abcdef.json "
        "--manifest results/shards/0123456789abcdef.json",
    ),
    (
        "on the second GPU",
        "train --shard results/plan/shards/0123456789abcdef.json "
        "--manifest results/shards/0123456789abcdef.json --device cuda:1",
    ),
)
CODES = {
    75: "stopped by a signal; finished runs stay, the others go on from their saved states at the "
    "next start"
}

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "--shard", type=Path, required=True, metavar="FILE", help="which runs (from the plan)"
    )
    parser.add_argument(
        "--manifest", type=Path, required=True, metavar="FILE", help="written when all are there"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads")
    parser.add_argument(
        "--save-every",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how often states are saved, which an interrupted shard goes on from",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing; on a signal, leave all saved states and `ExitCode.INTERRUPTED`."""
    # Before torch, whose import takes seconds in which a signal may come.
    stop = StopSignal()
    from workflow_src.train.shard import ShardOptions, train_shard
    from workflow_src.train.training import InterruptedTrainingError

    options = ShardOptions(
        device=arguments.device,
        threads=arguments.threads,
        seconds_between_saves=arguments.save_every,
        stop_is_wanted=stop.is_wanted,
    )
    try:
        train_shard(arguments.shard, arguments.manifest, options)
    except InterruptedTrainingError as error:
        cause = str(error) or stop.name
        log.warning(
            "stopped by %s; finished runs stay, and the others go on from the states that they "
            "saved last: start snakemake again as before",
            cause,
        )
        current().end(State.INTERRUPTED, f"stopped by {cause}", worth_repeating=True)
        # All is said and saved; one more Ctrl-C need not wait until libraries have closed.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return ExitCode.INTERRUPTED
    return 0


class StopSignal:
    """Remembers that SIGTERM, SIGUSR1 or SIGINT came; the same signal again ends at once."""

    def __init__(self) -> None:
        self.name = ""
        self._is_told = False
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            signal.signal(number, self._remember)

    def is_wanted(self) -> bool:
        """Whether training is to stop at the next step; says so the first time."""
        if self.name and not self._is_told:
            self._is_told = True
            log.warning("%s: stopping", self.name)
        return bool(self.name)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        # Says nothing: it may have come into the middle of a message, which no other may enter.
        self.name = signal.Signals(number).name
        as_usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, as_usual)
