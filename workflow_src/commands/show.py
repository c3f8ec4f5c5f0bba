"""`python -m workflow_src show`: print the comparison tables, and where everything else lies."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.storage import explain


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every table of the results, then the paths of report, figures and metrics."""
    results = load_layered(settings_files(arguments)).directories.results
    tables = sorted((results / "tables").glob("*.md"))
    if not tables:
        raise UserError(
            "there are no tables yet",
            place=str(results / "tables"),
            remedy="run `snakemake --profile local` first",
        )
    console = Console()
    for table in tables:
        _print_table(table, console)
    for title, path in _places(results):
        console.print(f"{title:<9}{path}", highlight=False, soft_wrap=True)
    return 0


def _print_table(path: Path, console: Console) -> None:
    try:
        text = path.read_text()
    except OSError as error:
        raise explain(error, path) from error
    if console.is_terminal:
        console.print(Markdown(text))
        console.print()
    else:
        print(text)


def _places(results: Path) -> list[tuple[str, Path]]:
    places = {
        "report": results / "report" / "index.html",
        "figures": results / "figures",
        "metrics": results / "metrics.parquet",
        "tables": results / "tables",
    }
    return [(title, path) for title, path in places.items() if path.exists()]
