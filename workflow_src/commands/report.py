"""`python -m workflow_src report`: metrics, tables, figures and the page, from all evaluations."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "steps"
EXAMPLES = (
    (
        "write metrics, tables, figures and the page of one plan",
        "report --report results/plan/reports/0123456789abcdef.json",
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "--report", type=Path, required=True, metavar="FILE", help="what to show (from the plan)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the report that the membership file names."""
    from workflow_src.report.report import write_report

    write_report(arguments.report)
    return 0
