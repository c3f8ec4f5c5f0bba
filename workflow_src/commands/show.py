"""`python -m workflow_src show`: print tables and verdicts, and where everything else lies."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.report.wording import CLAIMS_DETAILS, CLAIMS_STEM
from workflow_src.storage import explain

GROUP = "results"
EXAMPLES = (
    ("all tables and verdicts", "show"),
    ("one table", "show table1"),
    ("a study's tables, cut to 120 columns", "show spvae --width 120"),
    ("what became of a study's claims, each with its reasons", "show spvae --claims"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every table and the verdicts on claims, then the paths of report and figures."""
    results = load_layered(settings_files(arguments)).directories.results
    paths = sorted((results / "tables").glob("*.md"))
    claims = [path for path in paths if path.stem.endswith(f"_{CLAIMS_STEM}")]
    tables = [path for path in paths if path not in claims]
    if not tables:
        raise UserError(
            "there are no tables yet",
            place=str(results / "tables"),
            remedy="run `snakemake --profile local` first",
        )
    console = Console()
    for path in tables:
        _print(_text(path), console)
    for path in claims:
        # In short: what every verdict rests on is told further down in the file.
        short, _, rest = _text(path).partition(f"\n{CLAIMS_DETAILS}")
        told = f"What every verdict rests on: {path}\n" if rest else ""
        _print(f"{short}\n{told}", console)
    for title, path in _places(results):
        console.print(f"{title:<9}{path}", highlight=False, soft_wrap=True)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise explain(error, path) from error


def _print(text: str, console: Console) -> None:
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
