"""The report: every number in tables, metrics, plots and page, made anew from the evaluations.

The report's manifest vouches for bytes; that these say what the evaluations' records say, cell by
cell and with no cell left out, is found by making them again from the plan of now.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.plan.memberships import membership_text, report_membership
from workflow_src.plan.plan import Plan

NOT_THERE = "the file is missing; expected it in the report"
_SHOWN = 5
_FIGURES = re.compile(
    r'\n *<div class="figures">.*?</div>|\n *<p class="files">Samples and .*?</p>', re.S
)

Cells = Mapping[tuple[str, str], Any]


def check_report(plan: Plan, manifest: Mapping[str, Any], notes: Notes) -> None:
    """Everything that can be made anew, compared with what lies there.

    ``manifest`` is the record of the report, whose bytes have been verified.
    """
    from workflow_src.report.evidence import read_evidence

    with contextlib.chdir(plan.root), tempfile.TemporaryDirectory() as folder:
        membership = Path(folder) / "report.json"
        membership.write_text(membership_text(report_membership(plan)))
        with notes.reading(plan.layout.report_manifest(plan.report)):
            evidence = read_evidence(membership)
            _check_parquet(evidence, manifest, notes)
            chapters = _chapters(evidence)
            _check_texts(evidence, chapters, notes)
            _check_page(evidence, chapters, manifest, notes)


def _chapters(evidence: Any) -> list[Any]:
    """The report's chapters with their tables and without their figures."""
    from workflow_src.report.figures.drawing import Gallery
    from workflow_src.report.page import Chapter
    from workflow_src.report.tables import build_table

    chapters = []
    for study in evidence.studies:
        tables = {
            name: build_table(study, name, groups)
            for name in study.experiments
            if (groups := evidence.experiment_groups(study.name, name))
        }
        chapters.append(Chapter(study, tables, {name: Gallery(()) for name in tables}))
    return chapters


def _check_parquet(evidence: Any, manifest: Mapping[str, Any], notes: Notes) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from workflow_src.report.metrics import metric_rows, run_rows
    from workflow_src.report.schema import METRICS, parquet_bytes, runs_columns

    git = manifest["git"]
    footer = {
        "git_commit": str(git.get("commit") or "none"),
        "git_uncommitted_changes": str(bool(git.get("dirty"))).lower(),
        "report_fingerprint": evidence.fingerprint,
    }
    columns = runs_columns(run.spec for run in evidence.runs)
    files = {
        "metrics.parquet": (metric_rows(evidence), METRICS, _METRIC_KEY),
        "runs.parquet": (run_rows(evidence), columns, ("fingerprint",)),
    }
    for name, (rows, described, key) in files.items():
        place = evidence.results / name
        if not _is_there(place, notes):
            continue
        expected = pq.read_table(io.BytesIO(parquet_bytes(rows, described, footer)))
        try:
            found = pq.read_table(io.BytesIO(place.read_bytes()))
        except (pa.ArrowException, OSError, ValueError) as error:
            notes.find("changed", place, f"it cannot be read ({error}); expected a Parquet file")
            continue
        notes.counted["numbers"] += sum(row.get("value") is not None for row in rows)
        compare_cells(
            place, _parquet_cells(found, key), _parquet_cells(expected, key), "records", notes
        )
        if not found.schema.equals(expected.schema, check_metadata=True):
            notes.find("number", place, "columns or footer; expected those of the report's code")
        elif not found.equals(expected):
            notes.find("number", place, "rows in another order, or twice; expected the plan's")


def _check_texts(evidence: Any, chapters: Sequence[Any], notes: Notes) -> None:
    from workflow_src.report.summaries import metrics_text, test_bounds_text, validation_bounds_text
    from workflow_src.report.table_files import csv_text, markdown_text

    texts: dict[Path, tuple[str, int]] = {}
    for chapter in chapters:
        for name, table in chapter.tables.items():
            stem = evidence.results / "tables" / f"{chapter.study.name}_{name}"
            texts[stem.with_suffix(".csv")] = (csv_text(table), len(table.row_axes))
            texts[stem.with_suffix(".md")] = (markdown_text(table, chapter.study), 0)
            notes.counted["cells of tables"] += len(table.cells)
            notes.counted["tables"] += 1
    tables = [table for chapter in chapters for table in chapter.tables.values()]
    texts[evidence.results / "metrics.json"] = (metrics_text(tables), 0)
    plots = evidence.results / "plots"
    texts[plots / "test_bounds.csv"] = (test_bounds_text(tables), 1)
    texts[plots / "validation_bounds.csv"] = (validation_bounds_text(evidence), 0)
    for place, (expected, keys) in texts.items():
        if _is_there(place, notes):
            _compare_text(place, place.read_bytes(), expected.encode(), keys, notes)


def _check_page(
    evidence: Any, chapters: Sequence[Any], manifest: Mapping[str, Any], notes: Notes
) -> None:
    """The page but for its figures, whose bytes the manifest vouches for."""
    from workflow_src.report.page import render_page

    place = evidence.manifest.parent / "index.html"
    if not _is_there(place, notes):
        return
    made = datetime.fromisoformat(manifest["time"]["started"])
    expected = render_page(evidence, chapters, git=manifest["git"], made=made)
    found = place.read_bytes().decode(errors="replace")
    without = [_FIGURES.sub("", text).encode() for text in (found, expected)]
    _compare_text(place, without[0], without[1], 0, notes)


def _is_there(place: Path, notes: Notes) -> bool:
    if not place.is_file():
        notes.find("missing", place, NOT_THERE)
    return place.is_file()


def _compare_text(place: Path, found: bytes, expected: bytes, keys: int, notes: Notes) -> None:
    if found == expected:
        return
    if keys:
        compare_cells(place, _csv_cells(found, keys), _csv_cells(expected, keys), "records", notes)
    lines = [text.decode(errors="replace").split("\n") for text in (found, expected)]
    for number, (has, wanted) in enumerate(zip(*lines, strict=False), start=1):
        if has != wanted:
            notes.find("number", f"{place}:{number}", f"{_cut(has)}; expected {_cut(wanted)}")
            return
    notes.find("number", place, f"{len(lines[0])} lines; expected {len(lines[1])}")


def compare_cells(place: Path, found: Cells, expected: Cells, source: str, notes: Notes) -> None:
    """Name the cells that are left out, that nobody asked for, and that hold another value."""
    wrong = {
        "left out; expected": [(key, value) for key, value in expected.items() if key not in found],
        "not asked for:": [(key, value) for key, value in found.items() if key not in expected],
    }
    for words, cells in wrong.items():
        _tell(place, [f"{_named(key)} is {words} {value}" for key, value in cells], notes)
    _tell(
        place,
        [
            f"{_named(key)} is {found[key]}; expected {value}, as the {source} have it"
            for key, value in expected.items()
            if key in found and found[key] != value and repr(found[key]) != repr(value)
        ],
        notes,
    )


def _tell(place: Path, texts: Sequence[str], notes: Notes) -> None:
    for text in texts[:_SHOWN]:
        notes.find("number", place, text)
    if len(texts) > _SHOWN:
        notes.find("number", place, f"{len(texts) - _SHOWN} more cells likewise")


_METRIC_KEY = (
    "study",
    "experiment",
    "model",
    "data_set",
    "likelihood",
    "fraction",
    "seed",
    "protocol",
    "stream",
    "metric",
    "importance_samples",
)


def _parquet_cells(table: Any, key: Sequence[str]) -> dict[tuple[str, str], Any]:
    return {
        (" ".join(str(row.get(name)) for name in key), column): value
        for row in table.to_pylist()
        for column, value in row.items()
        if column not in key
    }


def _csv_cells(text: bytes, keys: int) -> dict[tuple[str, str], Any]:
    try:
        header, *rows = list(csv.reader(io.StringIO(text.decode(errors="replace"))))
    except (ValueError, csv.Error):
        return {}
    return {
        (" ".join(row[:keys]), column): value
        for row in rows
        for column, value in zip(header[keys:], row[keys:], strict=False)
    }


def _named(key: tuple[str, str]) -> str:
    return f"{key[1]} of {key[0]}"


def _cut(text: str, length: int = 120) -> str:
    text = text.strip()
    return repr(text if len(text) <= length else f"{text[:length]}...")
