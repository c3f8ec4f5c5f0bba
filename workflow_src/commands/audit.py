"""`python -m workflow_src audit`: verify every number in every table, down to code and data."""

from __future__ import annotations

import argparse

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.exit_codes import ExitCode
from workflow_src.plan.plan import build_plan

GROUP = "doubt"
EXAMPLES = (
    ("verify every number that the tables show, and every byte behind them", "audit"),
    (
        "measure two winners again from their checkpoints as well, and draw the figures again",
        "audit --recompute 2",
    ),
    ("of other settings, with four processes", "audit --configfile paper.yaml --jobs 4"),
)
CODES = {1: "something was found, which the lines before the verdict tell"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--recompute",
        type=int,
        default=0,
        metavar="N",
        help="also measure N randomly chosen winners again from their checkpoints, draw all "
        "figures again, and compare",
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="choose the same ones again (left out: others)"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes that read (left out: the usable cores)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print findings and remarks, and last the verdict; nothing is written."""
    from workflow_src.audit.audit import audit
    from workflow_src.audit.telling import lines

    plan = build_plan(load_layered(settings_files(arguments)))
    audited = audit(plan, jobs=arguments.jobs)
    report = audited.report
    if arguments.recompute > 0:
        from workflow_src.audit.recompute import recompute
        from workflow_src.audit.redrawing import redraw

        repeated = recompute(plan, audited, arguments.recompute, arguments.seed)
        redrawn = redraw(plan, repeated.report)
        report = redrawn.report
        print("\n".join(repeated.lines + redrawn.lines))
    for line in lines(report):
        print(line)
    return ExitCode.FINE if report.passes else ExitCode.FINDINGS
