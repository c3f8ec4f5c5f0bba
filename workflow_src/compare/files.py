"""A comparison as a folder: a page that opens from disk and every row as CSV."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

from workflow_src.compare.comparison import Comparison
from workflow_src.compare.page import page_text
from workflow_src.compare.telling import records
from workflow_src.report.page.assets import asset_files
from workflow_src.storage import write_bytes

FOLDER = "comparisons"
PAGE = "index.html"
TABLE = "differences.csv"


def write_comparison(comparison: Comparison, results: Path) -> Path:
    """Write ``comparisons/<before>..<after>`` below ``results``; where it is.

    A comparison of the same names that is there is written over, file by file.
    """
    folder = results / FOLDER / f"{_part(comparison.before.stem)}..{_part(comparison.after.stem)}"
    page = page_text(comparison, made=datetime.now(UTC))
    files = {**asset_files(), TABLE: csv_text(comparison).encode(), PAGE: page.encode()}
    for name, data in files.items():
        write_bytes(folder / name, data)
    return folder


def csv_text(comparison: Comparison) -> str:
    """Every row with all digits; empty where there is no number."""
    rows = records(comparison)
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()


def _part(stem: str) -> str:
    """A stem without what a file's name had better not have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:80] or "results"
