"""`python -m workflow_src status`: what is done, running or failed, and what time is left."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from workflow_src.command_line.consoles import OutputConsole
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.exit_codes import ExitCode
from workflow_src.status.scanning import Scanner
from workflow_src.status.status import described, look
from workflow_src.status.telling import page, show
from workflow_src.status.watching import LOOKS_AT_STANDSTILL, watch

GROUP = "plan"
EXAMPLES = (
    ("how far the work is", "status"),
    ("look again every ten seconds until all is done", "status --watch"),
    ("of results that lie elsewhere, every minute", "status --results /srv/results --watch 60"),
)
CODES = {1: "a job failed whose result is missing"}

SECONDS = 10.0
"""Between two looks of ``--watch``."""

_DAY = 86_400.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="look at this folder of results; without it, at that of config.yaml",
    )
    add_configfile(parser)
    manner = parser.add_mutually_exclusive_group()
    manner.add_argument(
        "--watch",
        type=_seconds,
        nargs="?",
        const=SECONDS,
        metavar="SECONDS",
        help=f"look again every so many seconds (without a number {SECONDS:.0f}) until all is done "
        "(exit code 0), or until something failed and no job is at work or in a queue at "
        f"{LOOKS_AT_STANDSTILL} looks in a row (exit code 1)",
    )
    manner.add_argument("--json", action="store_true", help="everything, for programs, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the status; 1 where a job failed whose result is missing. No result is written."""
    scanner, console = Scanner(_results(arguments)), OutputConsole()
    if arguments.watch is not None:
        status = watch(scanner, arguments.watch, console)
    else:
        status = look(scanner)
        if arguments.json:
            print(json.dumps(described(status), sort_keys=True))
        else:
            show(page(status), console)
    return ExitCode.FINDINGS if status.progress.has_failures else ExitCode.FINE


def _results(arguments: argparse.Namespace) -> Path:
    if arguments.results is not None:
        return Path(arguments.results)
    # Half of this command's time goes into loading what reads settings.
    from workflow_src.config.loading import load_layered

    return load_layered(settings_files(arguments)).directories.results


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if 0 < seconds <= _DAY:
            return seconds
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a number of seconds above 0, and {_DAY:.0f} at most"
    )
