"""The columns of the Parquet files as docs/querying.md lists them, from their declaration.

``python tests/support/columns.py`` writes them into the page; tests/test_querying.py holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workflow_src.report.schema import METRICS, RUNS, Column

PAGE = Path(__file__).parents[2] / "docs" / "querying.md"
BEGIN = "<!-- From here to the end mark made by `python tests/support/columns.py`. -->"
END = "<!-- End of what `python tests/support/columns.py` makes. -->"


def page(text: str) -> str:
    """The text of docs/querying.md with its tables of columns as the code declares them."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = [
        *_table("results/metrics.parquet", METRICS),
        *_table("results/runs.parquet", RUNS),
        "Before `directory` stand the hyperparameters of all runs, one column each: those of",
        "models that lack one are null.",
    ]
    return "\n".join([f"{before}{BEGIN}", "", *made, "", f"{END}{after}"])


def _table(name: str, columns: Sequence[Column]) -> list[str]:
    head = [f"### {name}", "", "| Column | Type | Unit | Meaning |", "| --- | --- | --- | --- |"]
    return [*head, *map(_row, columns), ""]


def _row(column: Column) -> str:
    return f"| `{column.name}` | {column.type} | {column.unit or '-'} | {column.meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
