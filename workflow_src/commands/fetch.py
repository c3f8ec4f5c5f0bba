"""`python -m workflow_src fetch`: bring a data set's published files to data/raw/."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import MIRROR_VARIABLE
from workflow_src.plan.layout import Layout

GROUP = "steps"
EXAMPLES = (
    ("download MNIST to data/raw/", "fetch --data-set mnist"),
    (
        "copy it from a folder with downloaded files, where they are there",
        "fetch --data-set mnist --mirror /srv/data",
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument("--data-set", required=True, help="a name from the registry, such as mnist")
    parser.add_argument(
        "--data-directory",
        type=Path,
        default=Path("data"),
        metavar="DIRECTORY",
        help="where data lie (left out: %(default)s)",
    )
    parser.add_argument(
        "--mirror",
        type=Path,
        metavar="DIRECTORY",
        help="folder with copies of the files, looked at before the internet "
        f"(the environment variable {MIRROR_VARIABLE} comes first)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Fetch what is missing and say where each file came from."""
    from workflow_src.data.fetching import mirror_directory
    from workflow_src.data.job import fetch_data_set

    # Files that two data sets share are fetched once, by the one that publishes them.
    wanted = data_set(data_set(arguments.data_set).raw_name)
    directory = Layout(data=arguments.data_directory, results=Path()).raw(wanted.name)
    files = fetch_data_set(wanted, directory, mirror_directory(arguments.mirror))
    for file in files:
        print(f"{wanted.name}: {file.name} ({file.origin})", file=sys.stderr)
    if not files:
        origin = "is drawn here" if wanted.is_drawn else "comes with a dependency"
        print(f"{wanted.name}: {origin}; nothing to fetch", file=sys.stderr)
    return 0
