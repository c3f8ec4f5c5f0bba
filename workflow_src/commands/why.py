"""`python -m workflow_src why`: what would run and for which reason, or what a change costs."""

from __future__ import annotations

import argparse

from workflow_src.changes.details import tell_place
from workflow_src.changes.explaining import explain
from workflow_src.changes.orphans import results_of
from workflow_src.changes.places import find
from workflow_src.changes.telling import tell
from workflow_src.command_line.consoles import OutputConsole
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.plan.plan import build_plan

GROUP = "change"
EXAMPLES = (
    ("what would run, by reason", "why"),
    ("one experiment", "why table1"),
    ("what the changes since a commit cost", "why --since HEAD~1"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "what",
        nargs="?",
        metavar="RUN|EXPERIMENT",
        help="only this: a fingerprint, the beginning of one, a run's directory, an experiment",
    )
    parser.add_argument(
        "--since",
        metavar="REV",
        help="what the change since this git revision costs, and which code and settings it is",
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the reasons; nothing is written."""
    console = OutputConsole()
    files = settings_files(arguments)
    if arguments.since is not None:
        if arguments.what is not None:
            raise UserError(
                "--since compares whole plans", remedy="leave out either it or RUN|EXPERIMENT"
            )
        from workflow_src.changes.comparison import compare_since
        from workflow_src.changes.telling_comparison import tell_comparison

        tell_comparison(compare_since(arguments.since, files), console)
        return 0
    plan = build_plan(load_layered(files))
    if arguments.what is None:
        tell(explain(plan), console)
        return 0
    results = results_of(plan)
    place = find(plan, results, arguments.what)
    tell_place(explain(plan), results, place, console)
    return 0
