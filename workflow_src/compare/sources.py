"""Where the numbers of one side come from: a release, a commit, a file, or the results as they are.

Each gives the same: rows as in metrics.parquet, what is known of how they were made, and a way to
look into the records of single evaluations.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_src.archive.results import RECORDS, Results
from workflow_src.compare.names import Kind
from workflow_src.compare.reading import read_metrics
from workflow_src.errors import UserError
from workflow_src.release.releases import CRATE, RELEASE, read_release
from workflow_src.storage import digest, explain, read_json_object

METRICS_FILE = "metrics.parquet"
NOW = Kind.NOW.value

Records = Callable[[str], Mapping[str, Any] | None]
"""The record in a result directory (``evaluations/...``, ``runs/...``); None where it is not here.
"""

_DEPTH = 4
"""Parts of a result directory's name."""


@dataclass(frozen=True)
class Source:
    """One side of a comparison.

    Attributes
    ----------
    name:
        What people call it.
    stem:
        The same as part of a file's name.
    kind:
        One of `workflow_src.compare.names.Kind`.
    place:
        The file or commit that it was read from.
    rows:
        As `workflow_src.compare.reading` gives them.
    commit, uncommitted:
        The commit of the code that made the report, and whether there were changes beside it; None
        where that is not known.
    settings:
        What was asked for; empty where that is not known.
    records:
        Looks into the records of single results.
    code:
        The modules of every step's code with their digests, where a plan tells them.
    remedy:
        How to get what is not here.
    """

    name: str
    stem: str
    kind: str
    place: str
    rows: pd.DataFrame
    commit: str | None
    uncommitted: bool | None
    settings: Mapping[str, Any]
    records: Records
    code: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    remedy: str = "start Snakemake again, which makes what is missing"


def source_of_path(path: Path, name: str | None = None) -> Source:
    """A metrics.parquet, a folder of results that holds one, or the folder of a release.

    Raises
    ------
    UserError
        Where there is none, or it is damaged.
    """
    if path.is_dir() and (path / RELEASE).is_file():
        return source_of_release(path)
    file = path / METRICS_FILE if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            f"there is no {METRICS_FILE}",
            place=str(path),
            expected=f"a folder of results with a report, or a {METRICS_FILE}",
            remedy="run `snakemake --profile local` to its end first, or give a commit "
            "(`commit:REV`), whose evaluations are then read themselves",
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise explain(error, file) from error
    rows, footer = read_metrics(data, str(file))
    manifest = _manifest(file.parent, footer.get("report_fingerprint"))
    return Source(
        name=str(path) if name is None else name,
        stem=_stem(path) if name is None else name,
        kind=(Kind.PATH if name is None else Kind.NOW).value,
        place=str(file),
        rows=rows,
        settings=manifest.get("content", {}).get("settings", {}),
        records=results_records(Results(file.parent)),
        **_made_by(footer),
    )


def source_of_release(folder: Path) -> Source:
    """The metrics that a release froze, read from its crate and checked against its digests.

    Raises
    ------
    UserError
        Where the crate is not here, or is not what the release says.
    """
    place = folder / RELEASE
    release = read_release(place)
    content = {key: value for key, value in release.items() if key != "release_digest"}
    if release.get("release_digest") != digest(content):
        raise _changed(place)
    crate = folder / CRATE
    if not crate.is_file():
        raise UserError(
            "the crate of the release is not here",
            place=str(crate),
            remedy="git does not hold it: fetch it from where it is published",
        )
    try:
        files: Mapping[str, Any] = release["crate"]["files"]
        name, commit, settings = release["name"], release["commit"], release["settings"]
        expected = files[f"results/{METRICS_FILE}"]["sha256"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the release lists no results/{METRICS_FILE} ({type(error).__name__}: {error})",
            place=str(place),
            expected="a release that `python -m workflow_src release` made",
        ) from None
    data = _member(crate, f"results/{METRICS_FILE}")
    if data is None or hashlib.sha256(data).hexdigest() != expected:
        raise _changed(crate)
    rows, footer = read_metrics(data, f"{crate}/results/{METRICS_FILE}")
    return Source(
        name=f"release {name}",
        stem=str(name),
        kind=Kind.RELEASE.value,
        place=str(crate),
        rows=rows,
        settings=settings,
        records=_records_in(crate),
        **_made_by(footer) | {"commit": commit},
    )


def results_records(results: Results) -> Records:
    """Looks into the records of a folder of results, loose or packed."""

    def record(directory: str) -> Mapping[str, Any] | None:
        if directory.partition("/")[0] not in RECORDS:
            return None
        try:
            if not results.is_loose(directory) and not results.is_packed(directory):
                return None
            return results.record(directory)
        except UserError:
            # Only an explanation is lost; the audit is where damage is told.
            return None

    return record


def directory_of(record: str) -> str:
    """The result directory of a record's path, wherever its results lay when it was written."""
    return "/".join(Path(record).parts[-_DEPTH - 1 : -1])


def _manifest(results: Path, report: str | None) -> Mapping[str, Any]:
    """The record of the report that the file belongs to; empty where it is not beside it."""
    try:
        return read_json_object(results / "report" / f"manifest-{report}.json")
    except UserError:
        return {}


def _made_by(footer: Mapping[str, str]) -> dict[str, Any]:
    commit = footer.get("git_commit")
    known = {"true": True, "false": False}
    return {
        "commit": None if commit in (None, "none") else commit,
        "uncommitted": known.get(footer.get("git_uncommitted_changes", "")),
    }


def _records_in(crate: Path) -> Records:
    def record(directory: str) -> Mapping[str, Any] | None:
        name = RECORDS.get(directory.partition("/")[0])
        try:
            data = None if name is None else _member(crate, f"results/{directory}/{name}")
            value = None if data is None else json.loads(data)
        except (UserError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    return record


def _member(crate: Path, name: str) -> bytes | None:
    """A file of the crate; None where it has none of that name."""
    try:
        with zipfile.ZipFile(crate) as archive:
            return archive.read(name)
    except KeyError:
        return None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"the crate cannot be read ({error})",
            place=str(crate),
            remedy="fetch it again from where it is published",
        ) from None


def _changed(path: Path) -> UserError:
    return UserError(
        "it was changed after it was written",
        place=str(path),
        remedy="fetch it again from where it is published; "
        "`python -m workflow_src release --verify NAME` says more",
    )


def _stem(path: Path) -> str:
    whole = path.resolve()
    parts = whole.parts[-2:] if whole.name in ("results", METRICS_FILE) else whole.parts[-1:]
    return "-".join(part.removesuffix(".parquet") for part in parts if part != "/") or "root"
