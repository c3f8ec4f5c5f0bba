"""The report's page: one HTML file that opens from disk, with everything it shows inside.

Here the values are laid out for the templates; how they look is the templates'. Every number leads
to the row that says which run and which record it came from.
"""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from workflow_src.config.studies import Study
from workflow_src.plan.layout import MEASUREMENT_RECORD, RUN_RECORD
from workflow_src.report.cells import Cell, Source, title
from workflow_src.report.claim_page import claims_values
from workflow_src.report.claims import JudgedClaim
from workflow_src.report.evaluations import MEASURED
from workflow_src.report.evidence import Evidence
from workflow_src.report.figures.drawing import Gallery
from workflow_src.report.figures.style import Figure
from workflow_src.report.schema import METRICS, Column
from workflow_src.report.table_files import (
    difference_text,
    interval_text,
    legend,
    letter,
    published_text,
)
from workflow_src.report.tables import Key, Table
from workflow_src.report.wording import (
    CLAIMS_STEM,
    axis_title,
    axis_value,
    counted,
    described,
    duration,
    heading_text,
    listed,
    number,
    typeset,
)

TEMPLATES = Path(__file__).parent / "templates"
EMBEDDED_BYTES = 2_400_000
"""Figures beyond this total are shown from their files instead."""

_SHORT = 8
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Chapter:
    """One study with its tables and figures by experiment, and its claims."""

    study: Study
    tables: Mapping[str, Table]
    galleries: Mapping[str, Gallery]
    claims: Sequence[JudgedClaim] = ()


@dataclass
class Links:
    """Addresses relative to the page, and the budget of what the page holds itself."""

    folder: Path
    results: Path
    embedded: int = 0
    names: set[str] = field(default_factory=set)

    def to(self, path: Path | str) -> str:
        """The address of a file."""
        return quote(Path(os.path.relpath(path, self.folder)).as_posix())

    def image(self, figure: Figure) -> str:
        """A figure as a data address, or as its file's once the page is full."""
        suffix = ".svg" if ".svg" in figure.images else ".png"
        data = base64.b64encode(figure.images[suffix]).decode()
        if self.embedded + len(data) > EMBEDDED_BYTES:
            return self.to(self.results / "figures" / f"{figure.name}{suffix}")
        self.embedded += len(data)
        return f"data:{_TYPES[suffix]};base64,{data}"


def render_page(
    evidence: Evidence,
    chapters: Sequence[Chapter],
    *,
    git: Mapping[str, Any],
    made: datetime,
) -> str:
    """The page as text.

    ``git`` is the state of the source tree, as `workflow_src.provenance.repository` describes it.
    """
    links = Links(evidence.manifest.parent, evidence.results)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    studies = [_study(chapter, links) for chapter in chapters]
    return environment.get_template("index.html").render(
        fingerprint=evidence.fingerprint,
        made=made.strftime("%Y-%m-%d %H:%M UTC"),
        commit=_commit(git),
        overview=_overview(evidence),
        studies=studies,
        missing=[cell for study in studies for cell in study["missing"]],
        columns=_documented(METRICS),
        files={name: links.to(evidence.results / name) for name in _parquet_names()},
    )


def _parquet_names() -> tuple[str, str]:
    return "metrics.parquet", "runs.parquet"


def _documented(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [
        {"name": c.name, "type": c.type, "unit": c.unit or "", "meaning": c.meaning}
        for c in columns
    ]


def _commit(git: Mapping[str, Any]) -> str:
    if not git.get("commit"):
        return "no commit"
    return f"commit {git['commit'][:12]}" + (" with uncommitted changes" if git["dirty"] else "")


def _overview(evidence: Evidence) -> dict[str, Any]:
    evaluations, runs = evidence.evaluations, evidence.runs
    measured = sum(one.state == MEASURED for one in evaluations)
    states = {state: sum(run.state == state for run in runs) for state in {r.state for r in runs}}
    cut = sum(run.ended_by_maximum_steps for run in runs)
    times = sorted(one.ended for one in evaluations if one.ended)
    seconds = sum(run.device_seconds or 0.0 for run in runs)
    seeds = sorted({group.axes["seed"] for group in evidence.groups})
    ended = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    return {
        "tiles": [
            {
                "value": f"{measured:,} of {len(evaluations):,}",
                "label": "winners measured",
                "detail": "all there" if measured == len(evaluations) else "see what is missing",
            },
            {"value": f"{len(runs):,}", "label": "runs", "detail": ended or "none"},
            {
                "value": f"{cut:,}",
                "label": "runs ended by maximum_steps",
                "detail": "before their stopping rule",
            },
            {
                "value": duration(seconds),
                "label": "device time of training",
                "detail": counted(len(seeds), "seed") + f" ({', '.join(map(str, seeds))})",
            },
        ],
        "scope": [
            {"term": axis_title(axis), "values": listed(_values(evidence, axis))}
            for axis in ("model", "data_set", "likelihood", "fraction", "protocol", "stream")
        ],
        "evaluated": _span(times),
    }


def _values(evidence: Evidence, axis: str) -> list[str]:
    values = dict.fromkeys(group.axes[axis] for group in evidence.groups)
    return [axis_value(axis, value) for value in values]


def _span(times: Sequence[str]) -> str:
    if not times:
        return "not yet"
    first, last = times[0][:16].replace("T", " "), times[-1][:16].replace("T", " ")
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _study(chapter: Chapter, links: Links) -> dict[str, Any]:
    study = chapter.study
    experiments = [_experiment(chapter, name, links) for name in chapter.tables]
    return {
        "name": study.name,
        "title": study.title,
        "reference": study.reference,
        "experiments": experiments,
        "claims": _claims(chapter, links) if chapter.claims else None,
        "missing": [cell for one in experiments for cell in one["missing"]],
    }


def _claims(chapter: Chapter, links: Links) -> dict[str, Any]:
    return claims_values(chapter.study, chapter.claims) | {
        "files": _table_files(f"{chapter.study.name}_{CLAIMS_STEM}", links)
    }


def _table_files(prefix: str, links: Links) -> dict[str, str]:
    return {
        suffix: links.to(links.results / "tables" / f"{prefix}.{suffix}")
        for suffix in ("csv", "md")
    }


def _experiment(chapter: Chapter, name: str, links: Links) -> dict[str, Any]:
    study, table = chapter.study, chapter.tables[name]
    experiment, gallery = study.experiments[name], chapter.galleries[name]
    elsewhere = gallery.shown_under
    places = list(itertools.product(table.rows, table.columns))
    return {
        "id": f"{study.name}-{name}",
        "title": experiment.title,
        "description": experiment.description,
        "legend": legend(table, study),
        "heads": _heads(table),
        "rows": [_row(table, row) for row in table.rows],
        "row_titles": [axis_title(axis) for axis in table.row_axes],
        "notes": [{"mark": letter(i), "text": text} for i, text in enumerate(table.notes)],
        "sources": [line for place in places for line in _source_lines(table, place, links)],
        "source_titles": [axis_title(axis) for axis in (*table.row_axes, *table.column_axes)],
        "unit": table.metric.unit,
        "missing": [_missing(chapter, table, place) for place in _incomplete(table)],
        "files": _table_files(f"{study.name}_{name}", links),
        "figures": [
            {
                "title": figure.title,
                "caption": figure.caption,
                "image": links.image(figure),
                "files": {
                    suffix[1:]: links.to(links.results / "figures" / f"{figure.name}{suffix}")
                    for suffix in figure.images
                },
            }
            for figure in gallery.figures
        ],
        "elsewhere": elsewhere
        and {"id": f"{study.name}-{elsewhere}", "title": study.experiments[elsewhere].title},
    }


def _heads(table: Table) -> list[list[dict[str, Any]]]:
    """Header rows: one per column axis with merged neighbours, then ours, published, difference."""
    rows = []
    for depth, axis in enumerate(table.column_axes):
        merged = itertools.groupby(table.columns, key=lambda column: column[: depth + 1])
        rows.append(
            [
                {
                    "text": heading_text(axis, prefix[-1]),
                    "span": sum(_width(table) for _ in columns),
                }
                for prefix, columns in merged
            ]
        )
    last = [
        {"text": text, "span": 1}
        for _ in table.columns
        for text in ("ours", "published", "difference")[: _width(table)]
    ]
    return [*rows, last]


def _width(table: Table) -> int:
    return 3 if table.compared else 1


def _row(table: Table, row: Key) -> dict[str, Any]:
    return {
        "titles": [axis_value(a, value) for a, value in zip(table.row_axes, row, strict=True)],
        "cells": [_cell(table, (row, column)) for column in table.columns],
    }


def _cell(table: Table, place: tuple[Key, Key]) -> dict[str, Any]:
    cell, unit = table.cells[place], table.metric.unit
    one = cell.source_of_published
    return {
        "anchor": _anchor(table, place),
        "value": None if cell.ours is None else number(cell.ours, unit),
        "spread": "" if cell.spread is None else number(cell.spread, unit),
        "interval": interval_text(cell.interval, unit) if cell.interval else "",
        "seeds": counted(cell.seeds, "seed"),
        "reason": cell.reason,
        "planned": any(not source.never for source in cell.sources),
        "best": cell.best,
        "marks": [letter(note) for note in cell.notes],
        "tooltip": "\n".join(_tooltip(source, unit) for source in cell.sources),
        "compared": table.compared,
        "published": published_text(cell, unit),
        "printed": f"{one.place}, in {one.unit}" if one else "",
        "difference": difference_text(cell, unit),
    }


def _tooltip(source: Source, unit: str) -> str:
    winner = source.evaluation.winner
    value = source.reason if source.value is None else f"{number(source.value, unit)} {unit}"
    run = f"run {winner.fingerprint}, " if winner else ""
    return f"seed {source.told}: {value}; {run}record {source.evaluation.path.as_posix()}"


def _anchor(table: Table, place: tuple[Key, Key]) -> str:
    row, column = table.rows.index(place[0]), table.columns.index(place[1])
    return f"{table.study}-{table.experiment}-{row + 1}-{column + 1}"


def _source_lines(table: Table, place: tuple[Key, Key], links: Links) -> list[dict[str, Any]]:
    """One line per seed: which run, chosen how, recorded where."""
    cell, unit = table.cells[place], table.metric.unit
    axes = [*zip(table.row_axes, place[0], strict=True)]
    axes += zip(table.column_axes, place[1], strict=True)
    return [
        {
            "id": _anchor(table, place) if first else "",
            "titles": [_source_title(source, axis, value) for axis, value in axes],
            "seed": source.seed,
            "value": _measured(source, unit),
            "reason": source.reason,
            **_links(source, links),
        }
        for first, source in zip(
            itertools.chain([True], itertools.repeat(False)), cell.sources, strict=False
        )
    ]


def _source_title(source: Source, axis: str, value: Any) -> str:
    """A collection is told by the data set that a number is of."""
    is_member = axis == "data_set" and source.member is not None
    return title(str(source.member)) if is_member else axis_value(axis, value)


def _measured(source: Source, unit: str) -> str | None:
    if source.value is None:
        return None
    error = source.standard_error
    return number(source.value, unit) + ("" if error is None else f" ± {number(error, unit)}")


def _links(source: Source, links: Links) -> dict[str, Any]:
    evaluation, winner = source.evaluation, source.evaluation.winner
    records = {f"evaluation {evaluation.fingerprint[:_SHORT]}": evaluation.path}
    if winner:
        records[f"run {winner.fingerprint[:_SHORT]}"] = Path(winner.directory) / RUN_RECORD
    if evaluation.measurement:
        records["measurement"] = evaluation.measurement / MEASUREMENT_RECORD
    return {
        "chosen": described(winner.hyperparameters or {}) if winner else "",
        "candidates": len(evaluation.runs),
        "records": [
            {"text": text, "path": path.as_posix(), "address": links.to(path)}
            for text, path in records.items()
        ],
    }


def _incomplete(table: Table) -> list[tuple[Key, Key]]:
    """Places of the planned cells that lack a number for any seed."""
    return [place for place, cell in table.cells.items() if cell.is_incomplete]


def _missing(chapter: Chapter, table: Table, place: tuple[Key, Key]) -> dict[str, Any]:
    cell: Cell = table.cells[place]
    axes = table.axes_of(*place)
    lacking = [one for one in cell.sources if one.value is None and not one.never]
    reasons = {source.reason for source in lacking if source.reason} or {cell.reason or ""}
    seeds = [source.told for source in lacking]
    return {
        "experiment": chapter.study.experiments[table.experiment].title,
        "id": f"{table.study}-{table.experiment}",
        "cell": ", ".join(heading_text(axis, value) for axis, value in axes.items()),
        "seeds": ", ".join(seeds),
        "reason": "; ".join(sorted(reasons)),
    }
