"""`python -m workflow_src accept`: declare, after trying it, that a change changes no result."""

from __future__ import annotations

import argparse

from workflow_src.changes.acceptance import Request, accept, not_covered
from workflow_src.changes.explaining import explain
from workflow_src.changes.telling import say, tell
from workflow_src.command_line.consoles import OutputConsole
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.exit_codes import ExitCode

GROUP = "change"
EXAMPLES = (
    (
        "declare that the last commit changes no number, after one trial of each kind",
        'accept --since HEAD~1 --why "a clearer name"',
    ),
    (
        "try three results of each kind, on the CPU alone",
        'accept --since HEAD~1 --why "a clearer name" --sample 3 --device cpu',
    ),
)
CODES = {
    1: "the change changes results and nothing was written, or the acceptance does not have its "
    "whole effect"
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "--since", required=True, metavar="REV", help="the git revision before the change"
    )
    parser.add_argument(
        "--why", required=True, metavar="TEXT", help="why the change changes no result"
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=1,
        metavar="N",
        help="results of each step, data set and likelihood that are made again and compared bit "
        "for bit, of different shapes first; 0 for none, which the acceptance will say",
    )
    parser.add_argument(
        "--untried",
        action="store_true",
        help="accept as well for results of which none can be made again here, which the "
        "acceptance will say",
    )
    parser.add_argument("--by", metavar="NAME", help="who says so (the author that git knows)")
    parser.add_argument(
        "--device",
        metavar="cpu|cuda[:N]",
        help="try only results made on that kind of device (each as it was made)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="try only results made with N CPU threads"
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Try, write the acceptance, and say what is still to be made."""
    console = OutputConsole()
    files = settings_files(arguments)
    answer = accept(
        Request(
            since=arguments.since,
            why=arguments.why,
            files=files,
            sample=arguments.sample,
            by=arguments.by,
            device=arguments.device,
            threads=arguments.threads,
            untried=arguments.untried,
        ),
        tell=lambda line: say(console, line),
    )
    for trial in answer.trials:
        say(console, trial.line())
        for line in trial.differences:
            say(console, f"  {line}")
    if answer.acceptance is None:
        say(console, "refused: the change changes results; nothing was written")
        return ExitCode.FINDINGS
    say(
        console,
        f"accepted as {answer.acceptance.identifier}, in workflow_src/plan/acceptances.yaml",
    )
    for line in not_covered(answer.comparison):
        say(console, f"not covered: {line}")
    tell(explain(answer.plan), console)
    if not answer.remains:
        return ExitCode.FINE
    say(console, "the acceptance does not have its whole effect")
    for line in answer.remains:
        say(console, f"  {line}")
    return ExitCode.FINDINGS
