"""`python -m workflow_src crate`: export the report and all behind it as an RO-Crate."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.exit_codes import ExitCode

GROUP = "share"
EXAMPLES = (
    ("write the report with all behind it to releases/latest/crate.zip", "crate"),
    ("to a directory instead", "crate --output my-crate"),
)

DEFAULT = Path("releases", "latest", "crate.zip")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT,
        metavar="PATH",
        help="a file that ends in .zip, or a new directory (left out: %(default)s)",
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the crate and say what it holds."""
    from workflow_src.plan.plan import build_plan
    from workflow_src.release.crate import kinds_of, refuse_other_report, write_crate

    settings = load_layered(settings_files(arguments))
    refuse_other_report(build_plan(settings))
    contents = write_crate(settings, arguments.output)
    counts = kinds_of(contents.directories)
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(f"{arguments.output}: {said}; {len(contents.winners)} winners with their checkpoints")
    return ExitCode.FINE
