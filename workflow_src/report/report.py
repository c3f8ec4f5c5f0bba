"""The report job: Parquet files, tables, figures, pages, and last the manifest of them all.

Everything is made in memory first, so that a problem leaves the earlier report as it was. Then the
old manifests go, the files are written one by one whole, and the new manifest says that they are.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from workflow_src.archive.dvc_lock import without_dvc
from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Closures
from workflow_src.provenance.record import CODE_ROOT, build_record, parent
from workflow_src.provenance.repository import describe_repository
from workflow_src.report.claim_files import claims_csv_text, claims_markdown_text
from workflow_src.report.evaluations import MISSING
from workflow_src.report.evidence import Evidence, read_evidence
from workflow_src.report.manifests import (
    discard_stale,
    discard_unvouched,
    older_manifests,
    retire,
)
from workflow_src.report.metrics import metric_rows, run_rows
from workflow_src.report.page.addresses import OVERVIEW
from workflow_src.report.page.chapters import Chapter, drawn_chapter, undrawn_chapter
from workflow_src.report.page.rendering import render_pages
from workflow_src.report.plain_tables import plain_tables
from workflow_src.report.schema import METRICS, parquet_bytes, runs_columns
from workflow_src.report.summaries import metrics_text, test_bounds_text, validation_bounds_text
from workflow_src.report.table_files import csv_text, markdown_text
from workflow_src.report.wording import CLAIMS_STEM
from workflow_src.storage import replacing_file, write_json

log = logging.getLogger(__name__)

PACKAGE_ROOT = Path(__file__).resolve().parents[1]

Files = dict[Path, bytes]


def write_report(membership: Path) -> None:
    """Make the report that the membership file describes, from the working directory.

    Raises
    ------
    UserError
        If the code is no longer the one that was planned, or a record is damaged. An evaluation
        that does not exist is no error: its cells say so.
    """
    started = datetime.now(UTC)
    evidence = read_evidence(membership)
    _check_code(evidence)
    _bring_from_packs(evidence)
    git = describe_repository(CODE_ROOT)
    chapters = _chapters(evidence)
    files = _parquet_files(evidence, git)
    files |= _summary_files(evidence, chapters)
    for chapter in chapters:
        files |= _chapter_files(evidence.results, chapter)
        files |= plain_tables(evidence.results / "tables" / evidence.fingerprint, chapter)
    pages = render_pages(evidence, chapters, git=git, made=started)
    files |= {evidence.manifest.parent / name: data for name, data in pages.items()}
    absent = sum(one.state == MISSING for one in evidence.evaluations)
    # DVC versions these files together, so it waits until all of them are written.
    with without_dvc(evidence.results):
        earlier = older_manifests(evidence.manifest)
        retire(evidence.manifest, earlier)
        for path, data in files.items():
            with replacing_file(path) as temporary:
                temporary.write_bytes(data)
        discard_stale(evidence.manifest, earlier, keep=files)
        if not absent:
            discard_unvouched(evidence.manifest, earlier, evidence.fingerprint)
            _write_manifest(evidence, files, started)
    if absent:
        # Without a manifest it does not pass for the report, which is made when all is there.
        log.warning("%d evaluations are missing: this is an interim report", absent)
    log.info("report: %s", evidence.manifest.parent / OVERVIEW)


def _check_code(evidence: Evidence) -> None:
    found = Closures(PACKAGE_ROOT).of_report().digest
    if found != evidence.code["digest"]:
        raise UserError(
            "the code of the report was edited after this job was planned",
            place=str(PACKAGE_ROOT),
            expected=f"code {evidence.code['digest'][:12]}, found {found[:12]}",
            remedy="start snakemake again; it plans from the code as it is now",
        )


def _bring_from_packs(evidence: Evidence) -> None:
    """Put the evaluations and measurements that are only packed where pages say they lie."""
    archive = Results(evidence.results)
    for one in evidence.evaluations:
        for directory in filter(None, (one.path.parent, one.measurement)):
            archive.bring(directory.relative_to(archive.root).as_posix())


def _chapters(evidence: Evidence) -> list[Chapter]:
    undrawn = (undrawn_chapter(evidence, study) for study in evidence.studies)
    return [drawn_chapter(evidence, chapter) for chapter in undrawn]


def _parquet_files(evidence: Evidence, git: Mapping[str, object]) -> Files:
    footer = {
        "git_commit": str(git.get("commit") or "none"),
        "git_uncommitted_changes": str(bool(git.get("dirty"))).lower(),
        "report_fingerprint": evidence.fingerprint,
    }
    columns = runs_columns(run.spec for run in evidence.runs)
    return {
        evidence.results / "metrics.parquet": parquet_bytes(metric_rows(evidence), METRICS, footer),
        evidence.results / "runs.parquet": parquet_bytes(run_rows(evidence), columns, footer),
    }


def _summary_files(evidence: Evidence, chapters: Sequence[Chapter]) -> Files:
    tables = [table for chapter in chapters for table in chapter.tables.values()]
    texts = {
        "metrics.json": metrics_text(tables),
        "plots/test_bounds.csv": test_bounds_text(tables),
        "plots/validation_bounds.csv": validation_bounds_text(evidence),
    }
    return {evidence.results / name: text.encode() for name, text in texts.items()}


def _chapter_files(results: Path, chapter: Chapter) -> Files:
    files = {}
    for name, table in chapter.tables.items():
        stem = results / "tables" / f"{chapter.study.name}_{name}"
        files[stem.with_suffix(".csv")] = csv_text(table).encode()
        files[stem.with_suffix(".md")] = markdown_text(table, chapter.study).encode()
    if chapter.claims:
        stem = results / "tables" / f"{chapter.study.name}_{CLAIMS_STEM}"
        files[stem.with_suffix(".csv")] = claims_csv_text(chapter.claims).encode()
        text = claims_markdown_text(chapter.claims, chapter.study)
        files[stem.with_suffix(".md")] = text.encode()
    for figure in chapter.figures:
        for suffix, data in figure.images.items():
            files[results / "figures" / f"{figure.name}{suffix}"] = data
    return files


def _write_manifest(evidence: Evidence, files: Files, started: datetime) -> None:
    folder = evidence.manifest.parent
    states = [one.state for one in evidence.evaluations]
    record = build_record(
        "report",
        fingerprint=evidence.fingerprint,
        content={
            "code": evidence.code,
            "studies": [study.name for study in evidence.studies],
            "groups": len(evidence.groups),
            "evaluations": {state: states.count(state) for state in sorted(set(states))},
            "settings": dict(evidence.settings),
        },
        parents=[parent("evaluation", one.fingerprint, one.path) for one in evidence.evaluations],
        outputs={Path(os.path.relpath(path, folder)).as_posix(): path for path in files},
        started=started,
        sources=evidence.sources,
    )
    write_json(evidence.manifest, record)
