"""From a cell of a table, or the name of a run, to the line of everything that it was made from."""

from __future__ import annotations

import csv
import difflib
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workflow_src.archive.results import RECORDS
from workflow_src.errors import UserError
from workflow_src.lineage.records import (
    ABSENT,
    DIFFERS,
    MISSHAPEN,
    OK,
    Entry,
    Ground,
    Seen,
    parents_of,
)
from workflow_src.report.wording import CLAIMS_STEM, counted
from workflow_src.trace.lineage import Lineage
from workflow_src.trace.links import Link, followed, sha256_or_none

_SHARED = ("metric", "unit", "importance_samples")
_MOST = 8
"""Names that are listed where more are known."""

_TABLES = "`show` lists the tables"
_FIELDS = frozenset({"published", "difference", "spread_kind", "reason", "notes", "evaluations"})


@dataclass(frozen=True)
class Cell:
    """One cell of a table's CSV file: ``fields`` are ours, spread, seeds, published ..."""

    table: Path
    row: str
    column: str
    metric: Mapping[str, str]
    fields: Mapping[str, str]

    @property
    def evaluations(self) -> tuple[str, ...]:
        """The fingerprints of the evaluations behind it, one per seed."""
        return tuple(self.fields["evaluations"].split())


def find_cell(results: Path, table: str, row: str, column: str) -> Cell:
    """The cell that three names mean; each may be shortened where that is unambiguous.

    Raises
    ------
    UserError
        A name that means nothing, or more than one thing; it lists what there is.
    """
    paths = sorted((results / "tables").glob("*.csv"))
    tables = {path.stem: path for path in paths if not path.stem.endswith(f"_{CLAIMS_STEM}")}
    if not tables:
        raise UserError(
            "there are no tables yet",
            place=str(results / "tables"),
            remedy="run `snakemake --profile local` first, or trace a run with --run",
        )
    path = tables[_chosen("table", table.replace("/", "_"), tables, _after_study, _TABLES)]
    header, lines = _read(path)
    first = header.index(_SHARED[0])
    rows = {".".join(line[:first]): line for line in lines}
    names = {n.rpartition(".")[0]: None for n in header if n.endswith(".ours")}
    line = rows[_chosen(f"row of {path.stem}", row, rows)]
    chosen = _chosen(f"column of {path.stem}", column, names)
    values = dict(zip(header, line, strict=True))
    prefix = f"{chosen}."
    fields = {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}
    if not _is_whole(fields):
        raise _unreadable(path, f"not what a table says under {chosen}")
    return Cell(
        table=path,
        row=".".join(line[:first]),
        column=chosen,
        metric={name: values[name] for name in _SHARED},
        fields=fields,
    )


def trace_cell(ground: Ground, cell: Cell) -> Link:
    """The whole line below one cell."""
    manifest = _manifest(ground)
    remembered = _remembered(manifest)
    lineage = Lineage(ground)
    below = (
        _table_link(ground, cell, manifest),
        followed("report manifest", manifest.place, lambda: _manifest_link(lineage, manifest)),
        _metrics_link(ground, cell, manifest),
        *(_evaluation_link(lineage, one, remembered) for one in cell.evaluations),
    )
    return Link(_title(cell), tuple(_facts(cell)), None, below)


def _remembered(manifest: Seen) -> dict[str, Entry] | None:
    """What the report's manifest remembers of its evaluations; None where there is none."""
    try:
        entries = parents_of(manifest.record, "evaluation")
        return {one["fingerprint"]: one for one in entries} if manifest.record else None
    except MISSHAPEN:
        return None


def _evaluation_link(
    lineage: Lineage, fingerprint: str, remembered: Mapping[str, Entry] | None
) -> Link:
    link = lineage.evaluation(fingerprint, (remembered or {}).get(fingerprint))
    if remembered is None or fingerprint in remembered:
        return link
    said = "the report's manifest does not name it"
    return replace(link, facts=(*link.facts, said), verdict=DIFFERS)


def find_run(ground: Ground, name: str) -> str:
    """The fingerprint of a run given by it, by its beginning, or by its directory.

    Raises
    ------
    UserError
        A name that no run has, or several.
    """
    directories = ground.results.directories("runs")
    runs = {directory.rpartition("-")[2]: directory for directory in directories}
    path = name.rstrip("/").removesuffix(f"/{RECORDS['runs']}")
    for fingerprint, directory in runs.items():
        if path == directory or path.endswith(f"/{directory}"):
            return fingerprint
    root = ground.shown_results.as_posix()
    if not runs:
        raise UserError("there are no runs yet", place=f"{root}/runs")
    try:
        return _chosen("run", Path(path).name.rpartition("-")[2] or name, runs)
    except UserError as error:
        raise UserError(
            error.problem,
            place=error.place,
            expected=f"one of the {counted(len(runs), 'run')} in {root}/runs",
            remedy=error.remedy
            or f"list them by `ls -d {root}/runs/*/*/*`, where packs hold none of them",
        ) from error


def trace_run(ground: Ground, fingerprint: str) -> Link:
    """The whole line below one run."""
    return Lineage(ground).run(fingerprint)


def _chosen(
    what: str,
    name: str,
    known: Iterable[str],
    shorten: Any = lambda name: name,
    remedy: str | None = None,
) -> str:
    """The one of ``known`` that is meant: exactly, by its first part, or by its beginning.

    ``remedy`` is told where there is none.
    """
    names = list(known)
    stages = (
        [one for one in names if name in (one, shorten(one))],
        [one for one in names if one.startswith(f"{name}.") or shorten(one).startswith(f"{name}.")],
        [one for one in names if one.startswith(name) or shorten(one).startswith(name)],
    )
    for found in stages:
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"{what} {name!r} may be {_listed(found)}", remedy="give more of it")
    near = difflib.get_close_matches(name, [*names, *map(shorten, names)], n=3)
    guess = f"; did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
    raise UserError(
        f"there is no {what} {name!r}{guess}",
        expected="" if near and len(names) > _MOST else _listed(names) or "none",
        remedy=remedy,
    )


def _after_study(name: str) -> str:
    return name.partition("_")[2] or name


def _listed(names: Sequence[str], most: int = _MOST) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        if lines and set(_SHARED) <= set(lines[0]) and all(len(x) == len(lines[0]) for x in lines):
            return lines[0], lines[1:]
        reason = "not the lines of a table"
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = str(error)
    raise _unreadable(path, reason)


def _is_whole(fields: Mapping[str, str]) -> bool:
    try:
        for name in ("ours", "spread", "seeds"):
            (int if name == "seeds" else float)(fields[name] or 0)
    except (KeyError, ValueError):
        return False
    return fields.keys() >= _FIELDS


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        f"the table cannot be read ({reason})",
        place=str(path),
        remedy="remove it and start snakemake again; it is made anew",
    )


def _title(cell: Cell) -> str:
    where = f"{cell.table.stem}, row {cell.row}, column {cell.column}"
    if not cell.fields["ours"]:
        return f"{where}: no number ({cell.fields['reason']})"
    unit = cell.metric["unit"]
    spread = f" ± {float(cell.fields['spread']):.4g}" if cell.fields["spread"] else ""
    return f"{where}: {float(cell.fields['ours']):.7g}{spread} {unit}"


def _facts(cell: Cell) -> list[str]:
    fields, metric = cell.fields, cell.metric
    samples = f", {metric['importance_samples']} importance samples"
    facts = [f"{metric['metric']}{samples if metric['importance_samples'] else ''}"]
    if fields["ours"]:
        facts.append(f"mean over {counted(int(fields['seeds']), 'seed')}, exactly {fields['ours']}")
    if fields["spread"]:
        facts.append(f"± is the {fields['spread_kind']}, exactly {fields['spread']}")
    if fields["published"]:
        difference = f", ours minus published {fields['difference']}"
        facts.append(f"published {fields['published']}{difference if fields['difference'] else ''}")
    else:
        facts.append("no published number")
    if fields["notes"]:
        facts.append(fields["notes"])
    return facts


def _manifest(ground: Ground) -> Seen:
    folder = ground.results.root / "report"
    paths = sorted(folder.glob("manifest-*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not paths:
        return Seen(f"{ground.shown_results.as_posix()}/report", {}, None, ABSENT)
    shown = f"{ground.shown_results.as_posix()}/report/{paths[-1].name}"
    return ground.file_record(shown, paths[-1].stem.removeprefix("manifest-"))


def _manifest_link(lineage: Lineage, manifest: Seen) -> Link:
    title = f"report manifest {manifest.place}"
    if not manifest.record:
        return Link(title, manifest.remarks, manifest.verdict)
    outputs = manifest.record.get("outputs", {})
    facts = (f"sha256 {manifest.sha256}, {len(outputs)} files", *manifest.remarks)
    below = tuple(lineage.circumstances(manifest.record, "report"))
    return Link(title, facts, manifest.verdict, below)


def _table_link(ground: Ground, cell: Cell, manifest: Seen) -> Link:
    shown = f"{ground.shown_results.as_posix()}/tables/{cell.table.name}"
    return _written_by_report(f"table {shown}", cell.table, manifest)


def _written_by_report(title: str, path: Path, manifest: Seen, *facts: str) -> Link:
    """A file of the report, against what the manifest vouches for."""
    name = f"../{path.parent.name}/{path.name}"
    expected = _vouched(manifest, name) or _vouched(manifest, f"../{path.name}")
    found = sha256_or_none(path)
    said = (f"sha256 {found}", *facts)
    if found is None:
        return Link(title, (), ABSENT)
    if expected is None:
        return Link(title, (*said, "no manifest vouches for it"), ABSENT)
    if found != expected:
        return Link(title, (*said, f"the manifest says sha256 {expected}"), DIFFERS)
    return Link(title, said, OK)


def _vouched(manifest: Seen, name: str) -> str | None:
    try:
        return str(manifest.record["outputs"][name]["sha256"])
    except MISSHAPEN:
        return None


def _metrics_link(ground: Ground, cell: Cell, manifest: Seen) -> Link:
    """The rows of metrics.parquet behind the cell: their mean over seeds has to be its number."""
    path = ground.results.root / "metrics.parquet"
    title = f"rows of {ground.shown_results.as_posix()}/metrics.parquet"
    if not path.is_file():
        return Link(title, (), ABSENT)
    rows = _metric_rows(path, cell)
    lines = [
        f"seed {row['seed']}: {row['value']} ± {row['standard_error']} {row['unit']}"
        if row["value"] is not None
        else f"seed {row['seed']}: no number ({row['reason']})"
        for row in rows
    ]
    link = _written_by_report(title, path, manifest, *lines)
    # Of a collection a seed has several numbers, which count as one.
    seeds: dict[int, list[float]] = {}
    for row in rows:
        if row["value"] is not None:
            seeds.setdefault(row["seed"], []).append(row["value"])
    values = [statistics.fmean(each) for each in seeds.values()]
    ours = cell.fields["ours"]
    agrees = (
        bool(ours) and math.isclose(statistics.fmean(values), float(ours), rel_tol=1e-12)
        if values
        else not ours
    )
    if agrees:
        return link
    return Link(link.title, (*link.facts, "their mean is not the table's number"), DIFFERS)


def _metric_rows(path: Path, cell: Cell) -> list[dict[str, Any]]:
    """Of the cell's evaluations, the rows of its metric at the most importance samples."""
    import pyarrow.lib
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise UserError(
            f"the file is damaged ({str(error).splitlines()[0]})",
            place=str(path),
            remedy="remove it and start snakemake again; the report is made anew",
        ) from None
    chosen: dict[str, dict[str, Any]] = {}
    for row in table.to_pylist():
        same = f"{row['study']}_{row['experiment']}" == cell.table.stem
        if not same or row["evaluation"] not in cell.evaluations:
            continue
        if row["metric"] != cell.metric["metric"]:
            continue
        known = chosen.get(row["evaluation"])
        if known is None or (row["importance_samples"] or 0) > (known["importance_samples"] or 0):
            chosen[row["evaluation"]] = row
    return list(chosen.values())
