"""`python -m workflow_src compare`: what changed between two sets of results, beyond noise or not.

BEFORE and AFTER are each the name of a release, a git revision, or a path: a metrics.parquet, or
the folder of results that holds one. A text that could be two of these is refused; `release:NAME`,
`commit:REV` and `path:PATH` say which is meant. Without AFTER it is the results as they are now.
Of a revision the evaluations that its own plan names are read, as far as they are here.
"""

from __future__ import annotations

import argparse
import json

from workflow_src.command_line.consoles import OutputConsole
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.exit_codes import ExitCode

GROUP = "results"
EXAMPLES = (
    ("the results as they are now against a release", "compare v1"),
    ("against those of an earlier commit, as far as they are here", "compare HEAD~1"),
    ("two releases, as a page and a CSV file", "compare v1 v2 --write"),
    ("another folder of results, every row", "compare path:../other/results --all"),
)
CODES = {1: "something changed beyond noise, or lacks a number for another reason than before"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument("before", metavar="BEFORE", help="a release, a git revision or a path")
    parser.add_argument(
        "after",
        metavar="AFTER",
        nargs="?",
        help="the same; without it, the results as they are now",
    )
    parser.add_argument("--all", action="store_true", help="every row, also what is the same")
    parser.add_argument(
        "--level",
        type=_share,
        default=0.05,
        metavar="SHARE",
        help="share of the rows called beyond noise that may be so by chance (default 0.05)",
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs, as JSON")
    parser.add_argument(
        "--write",
        action="store_true",
        help="also write a page that opens from disk, and every row as CSV, below "
        "results/comparisons/; without it nothing is written",
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; 1 where something is beyond noise or has another reason."""
    from workflow_src.compare.comparison import compare
    from workflow_src.compare.telling import described, tell
    from workflow_src.config.loading import load_layered

    files = settings_files(arguments)
    comparison = compare(arguments.before, arguments.after, files, level=arguments.level)
    console = OutputConsole()
    if arguments.json:
        print(json.dumps(described(comparison), sort_keys=True))
    else:
        tell(comparison, console, every=arguments.all)
    if arguments.write:
        from workflow_src.compare.files import write_comparison

        folder = write_comparison(comparison, load_layered(files).directories.results)
        if not arguments.json:
            print(f"page: {folder / 'index.html'}")
    return ExitCode.FINDINGS if comparison.has_findings else ExitCode.FINE


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1")
    return share
