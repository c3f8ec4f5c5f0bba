"""The report: every number in tables, metrics, plots and pages, made anew from the evaluations.

The report's manifest vouches for bytes; that these say what the evaluations' records say, cell by
cell and with no cell left out, is found by making them again from the plan of now.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.galleries import (
    figure_files,
    illustrated,
    same_picture,
    without_damage,
)
from workflow_src.audit.made_again import as_remembered, records_made_since
from workflow_src.audit.origins import Published, disagreement, origins_in
from workflow_src.audit.report_evidence import as_here, as_then, membership_of
from workflow_src.lineage.records import Ground
from workflow_src.plan.plan import Plan

NOT_THERE = "the file is missing; expected it in the report"
_SHOWN = 5

Cells = Mapping[tuple[str, str], Any]


def check_report(plan: Plan, manifest: Mapping[str, Any], notes: Notes) -> None:
    """Everything that can be made anew, compared with what lies there.

    ``manifest`` is the record of the report, whose bytes have been verified.
    """
    from workflow_src.report.evidence import read_evidence
    from workflow_src.report.page.assets import unpacked

    place = plan.layout.report_manifest(plan.report)
    with membership_of(plan) as membership, notes.reading(place):
        evidence = read_evidence(membership)
        then = as_then(evidence, manifest)
        files = _check_parquet(evidence.results, then, manifest, notes)
        chapters = _chapters(then)
        files |= _check_texts(evidence.results, then, chapters, notes)
        report = evidence.manifest.parent
        with notes.reading(report):
            chapters = illustrated(as_here(evidence), chapters)
            files |= figure_files(evidence.results, chapters)
            pages = _pages(then, chapters, manifest, notes)
            files |= {report / name for name in pages}
            _check_names(evidence, files, manifest, notes)
            published = {one.fingerprint: one.recipe["files"] for one in plan.prepared}
            since = records_made_since(Ground(evidence.results), manifest)
            for name, expected in pages.items():
                if _is_there(report / name, notes):
                    found = unpacked((report / name).read_bytes())
                    wanted = unpacked(expected)
                    _compare_page(report / name, found, wanted, published, since, notes)


def _check_names(
    evidence: Any, expected: Collection[Path], manifest: Mapping[str, Any], notes: Notes
) -> None:
    """That the manifest vouches for the files that a report of the plan has, and for no others."""
    folder = evidence.manifest.parent
    vouched = {Path(os.path.normpath(folder / name)) for name in manifest["outputs"]}
    for path in sorted(set(expected) - vouched):
        notes.find("missing", path, "the report's manifest does not vouch for it; expected it to")
    for path in sorted(vouched - set(expected)):
        notes.find("extra", path, "the manifest vouches for it; the plan's report has no such file")


def _chapters(evidence: Any) -> list[Any]:
    """The report's chapters with their tables and without their figures."""
    from workflow_src.report.page.chapters import undrawn_chapter

    return [undrawn_chapter(evidence, study) for study in evidence.studies]


def _check_parquet(
    results: Path, evidence: Any, manifest: Mapping[str, Any], notes: Notes
) -> set[Path]:
    """The Parquet files below ``results``; their paths."""
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
        place = results / name
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
    return {results / name for name in files}


def _check_texts(results: Path, evidence: Any, chapters: Sequence[Any], notes: Notes) -> set[Path]:
    """Tables, metrics and plots below ``results``; their paths."""
    from workflow_src.report.claim_files import (
        KEYS,
        claims_csv_text,
        claims_markdown_text,
    )
    from workflow_src.report.plain_tables import plain_tables
    from workflow_src.report.summaries import metrics_text, test_bounds_text, validation_bounds_text
    from workflow_src.report.table_files import csv_text, markdown_text
    from workflow_src.report.wording import CLAIMS_STEM

    texts: dict[Path, tuple[str, int]] = {}
    for chapter in chapters:
        for name, table in chapter.tables.items():
            stem = results / "tables" / f"{chapter.study.name}_{name}"
            texts[stem.with_suffix(".csv")] = (csv_text(table), len(table.row_axes))
            texts[stem.with_suffix(".md")] = (markdown_text(table, chapter.study), 0)
            notes.counted["cells of tables"] += len(table.cells)
            notes.counted["tables"] += 1
        if chapter.claims:
            stem = results / "tables" / f"{chapter.study.name}_{CLAIMS_STEM}"
            texts[stem.with_suffix(".csv")] = (claims_csv_text(chapter.claims), len(KEYS))
            words = claims_markdown_text(chapter.claims, chapter.study)
            texts[stem.with_suffix(".md")] = (words, 0)
            notes.counted["verdicts on claims"] += sum(len(c.verdicts) for c in chapter.claims)
        for place, page in plain_tables(results / "tables" / evidence.fingerprint, chapter).items():
            texts[place] = (page.decode(), 0)
    tables = [table for chapter in chapters for table in chapter.tables.values()]
    texts[results / "metrics.json"] = (metrics_text(tables), 0)
    plots = results / "plots"
    texts[plots / "test_bounds.csv"] = (test_bounds_text(tables), 1)
    texts[plots / "validation_bounds.csv"] = (validation_bounds_text(evidence), 0)
    for place, (expected, keys) in texts.items():
        if _is_there(place, notes):
            _compare_text(place, place.read_bytes(), expected.encode(), keys, notes)
    return set(texts)


def _pages(
    then: Any, chapters: Sequence[Any], manifest: Mapping[str, Any], notes: Notes
) -> dict[str, bytes]:
    """Every file of the report's folder; the pixels in it are those of the figures' files."""
    from workflow_src.report.page.rendering import render_pages

    told: dict[str, Any] = {
        "git": manifest["git"],
        "made": datetime.fromisoformat(manifest["time"]["started"]),
    }
    try:
        return render_pages(then, chapters, **told)
    except Exception:
        # Images that are none raise anything; what has another cause is raised again.
        return render_pages(then, without_damage(then.results, chapters, notes), **told)


def _is_there(place: Path, notes: Notes) -> bool:
    if not place.is_file():
        notes.find("missing", place, NOT_THERE)
    return place.is_file()


def _compare_page(
    place: Path,
    found: bytes,
    expected: bytes,
    published: Published,
    since: frozenset[str],
    notes: Notes,
) -> None:
    """Compare one file of the report; ``since`` names results whose records were made again."""
    origins, wanted = origins_in(found), origins_in(expected)
    if place.suffix == ".png":
        if not same_picture(found, expected):
            notes.find("number", place, "another picture than the figure's file gives")
    elif origins is None or wanted is None:
        _compare_text(place, found, expected, 0, notes)
    else:
        remembered = as_remembered(origins, wanted, since)
        if (told := disagreement(origins, remembered, published)) is not None:
            notes.find("number", place, told)


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
    "variant",
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
