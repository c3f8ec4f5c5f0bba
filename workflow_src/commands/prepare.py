"""`python -m workflow_src prepare`: make the arrays of one data set for one likelihood."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from workflow_src.config.data_sets import data_set
from workflow_src.config.strict import Likelihood
from workflow_src.plan.layout import Layout

GROUP = "steps"
EXAMPLES = (
    ("make the arrays of MNIST for counts", "prepare --data-set mnist --likelihood binomial"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument("--data-set", required=True, help="a name from the registry, such as mnist")
    parser.add_argument(
        "--likelihood", required=True, choices=get_args(Likelihood), help="how pixels are read"
    )
    parser.add_argument(
        "--fingerprint",
        help="what the plan calls the result; refused if code or registry have changed since "
        "(left out: as they are now)",
    )
    parser.add_argument(
        "--data-directory",
        type=Path,
        default=Path("data"),
        metavar="DIRECTORY",
        help="where data lie (left out: %(default)s)",
    )
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="DIRECTORY",
        help="keep the copy of uncommitted changes here (left out: in the record)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prepare what `fetch` has brought, unless it is prepared already."""
    from workflow_src.data.job import current_fingerprint, prepare_data_set

    wanted = data_set(arguments.data_set)
    likelihood = arguments.likelihood
    fingerprint = arguments.fingerprint or current_fingerprint(wanted, likelihood)
    layout = Layout(data=arguments.data_directory, results=Path())
    output = layout.prepared(wanted.name, likelihood, fingerprint)
    raw = layout.raw(wanted.raw_name)
    made = prepare_data_set(wanted, likelihood, fingerprint, raw, output, sources=arguments.sources)
    print(f"{output}: {'prepared' if made else 'already there'}", file=sys.stderr)
    return 0
