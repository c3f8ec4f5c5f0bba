"""Export of a finished report with all behind it as a Workflow Run RO-Crate.

The crate is laid out as the repository is: unpacked, its results can be shown and traced. Winners
lie loose, the other candidates packed without checkpoints. Its bytes follow from its content. What
the metadata say is `workflow_src.release.crate_metadata`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import FOLDER, SOURCES_PACK, Packs
from workflow_src.archive.references import References, follow
from workflow_src.archive.results import KINDS, NOT_KEPT, RECORDS, SOURCES, Results
from workflow_src.archive.writing import write_packs
from workflow_src.audit.shapes import misshapen
from workflow_src.config.settings import Settings
from workflow_src.config.studies import load_study
from workflow_src.errors import UserError
from workflow_src.plan.memberships import asked
from workflow_src.plan.plan import Plan
from workflow_src.provenance.record import record_is_whole, verify_outputs
from workflow_src.release.crate_entities import Described
from workflow_src.release.crate_metadata import metadata
from workflow_src.storage import (
    explain,
    new_directory,
    read_json_object,
    replacing_file,
    write_json,
)

METADATA = "ro-crate-metadata.json"
SETTINGS = "settings.json"
CODE = (
    "LICENSE",
    "Makefile",
    "README.md",
    "Snakefile",
    "config.yaml",
    "dvc.yaml",
    "environment.yaml",
    "profiles",
    "pyproject.toml",
    "requirements.lock",
    "rules",
    "schemas",
    "workflow_src",
)

_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16
_FOLDER_MODE = (0o40755 << 16) | 0x10
_COMPRESSED = (".npz", ".png", ".parquet", ".safetensors", ".zip")
"""Holds compressed data or noise, which does not get smaller."""


@dataclass(frozen=True)
class Contents:
    """What a crate holds: directories by kind, relative to the results, and the report's record."""

    manifest: str
    report: Mapping[str, Any]
    evaluations: tuple[str, ...]
    winners: tuple[str, ...]
    measurements: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def directories(self) -> tuple[str, ...]:
        """All result directories."""
        return tuple(sorted({*self.loose, *self.others}))

    @property
    def loose(self) -> tuple[str, ...]:
        """Those that lie in the crate as they are."""
        return (*self.evaluations, *self.measurements, *self.winners)


def write_crate(settings: Settings, output: Path, *, root: Path | None = None) -> Contents:
    """Write the crate as a zip file, or as a directory where ``output`` is not named ``.zip``.

    Raises
    ------
    UserError
        If there is no finished report, something behind it is missing or changed, or ``output``
        is a directory with something in it.
    """
    where = Path() if root is None else root
    if output.suffix == ".zip":
        with staged_crate(settings, output.parent, root=where) as (folder, contents):
            write_zip(output, folder)
        return contents
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(
            "there is something already",
            place=str(output),
            remedy="remove it, or choose another place",
        )
    with new_directory(output) as folder:
        return stage(settings, folder, root=where)


@contextlib.contextmanager
def staged_crate(
    settings: Settings, beside: Path, *, root: Path
) -> Iterator[tuple[Path, Contents]]:
    """The crate as a temporary directory."""
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".crate.partial-", dir=beside) as name:
            yield Path(name), stage(settings, Path(name), root=root)
    except OSError as error:
        raise explain(error, beside) from error


def stage(settings: Settings, folder: Path, *, root: Path) -> Contents:
    """Put everything into ``folder``, the metadata last."""
    results = Results(root / settings.directories.results)
    contents = contents_of(results)
    _copy_report(results.root, folder / "results", contents)
    for directory in contents.loose:
        _copy_directory(results, folder / "results", directory)
    _pack_others(results, folder / "results", contents)
    _copy_code(settings, root, folder)
    _copy_data_records(root / settings.directories.data, folder / "data")
    write_json(folder / SETTINGS, asked(settings))
    described = Described(
        folder=folder,
        settings=settings,
        report=contents.report,
        manifest=f"results/{contents.manifest}",
        evaluations=contents.evaluations,
        measurements=contents.measurements,
        winners=contents.winners,
        root=root,
    )
    write_json(folder / METADATA, metadata(described))
    return contents


def refuse_other_report(plan: Plan) -> None:
    """Refuse a report that was made of other settings or by other code than would go with it.

    Raises
    ------
    UserError
        If the report of this plan is not there.
    """
    manifest = plan.layout.report_manifest(plan.report)
    if not (plan.root / manifest).is_file():
        raise UserError(
            "there is no finished report of these settings and this code",
            place=str(manifest.parent),
            expected=manifest.name,
            remedy="run `snakemake --profile local` to its end first, or go back to the settings "
            "and the commit of the report that is there",
        )


def contents_of(results: Results) -> Contents:
    """What belongs to the report that is there."""
    paths = sorted((results.root / "report").glob("manifest-*.json"))
    if len(paths) != 1:
        raise UserError(
            "there is no finished report" if not paths else "there are several reports",
            place=str(results.root / "report"),
            expected="one manifest-*.json",
            remedy="run `snakemake --profile local` to its end first",
        )
    report = read_json_object(paths[0])
    if not record_is_whole(report):
        raise UserError(
            "the record was changed after it was written",
            place=str(paths[0]),
            remedy="remove it and start snakemake again; the report is made anew",
        )
    shown = {one["fingerprint"] for one in report["parents"] if one["kind"] == "evaluation"}
    found = {name.rpartition("-")[2]: name for name in results.directories("evaluations")}
    if missing := sorted(shown - found.keys()):
        raise UserError(
            f"{len(missing)} evaluations of the report are not here, such as {missing[0]}",
            place=str(results.root / "evaluations"),
            remedy="fetch them (`dvc pull`), or start snakemake again",
        )
    evaluations = sorted(found[one] for one in shown)
    wanted = follow(results, evaluations)
    winners = wanted.needs_checkpoint
    measurements = {name for name in wanted.directories if name.startswith("measurements/")}
    others = wanted.directories - winners - measurements - set(evaluations)
    return Contents(
        manifest=f"report/{paths[0].name}",
        report=report,
        evaluations=tuple(evaluations),
        winners=tuple(sorted(winners)),
        measurements=tuple(sorted(measurements)),
        others=tuple(sorted(others)),
    )


def write_zip(output: Path, folder: Path) -> None:
    """A zip file of all below ``folder``; equal content gives equal bytes."""
    with (
        replacing_file(output) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                # Validators look for a data set that is a folder by its own entry.
                archive.writestr(_entry(path, folder), b"")
                continue
            with path.open("rb") as source, archive.open(_entry(path, folder), "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def files_of(folder: Path) -> list[Path]:
    """Every file below ``folder``, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _entry(path: Path, folder: Path) -> zipfile.ZipInfo:
    """The same for every writer: no times, users and systems."""
    name = path.relative_to(folder).as_posix()
    entry = zipfile.ZipInfo(f"{name}/" if path.is_dir() else name, _DATE)
    entry.create_system = 3
    entry.external_attr = _FOLDER_MODE if path.is_dir() else _MODE
    stored = path.is_dir() or name.endswith(_COMPRESSED)
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    entry.file_size = 0 if path.is_dir() else path.stat().st_size
    return entry


def _copy_report(results: Path, target: Path, contents: Contents) -> None:
    manifest = results / contents.manifest
    _copy(manifest, target / contents.manifest)
    for name, facts in contents.report["outputs"].items():
        source = Path(os.path.normpath(manifest.parent / name))
        data = _read(source)
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise _changed(source)
        _write(target / source.relative_to(results), data)


def _copy_directory(results: Results, target: Path, directory: str) -> None:
    record = results.record(directory)
    if not record_is_whole(record):
        raise _changed(results.root / directory / RECORDS[directory.partition("/")[0]])
    left_out = results.not_kept(directory)
    for name in [RECORDS[directory.partition("/")[0]], *record["outputs"]]:
        if name in left_out:
            continue
        data = results.read(directory, name)
        expected = record["outputs"].get(name)
        if expected and hashlib.sha256(data).hexdigest() != expected["sha256"]:
            raise _changed(results.root / directory / name)
        _write(target / directory / name, data)
    if left_out:
        values = {n: {"sha256": one.sha256, "bytes": one.bytes} for n, one in left_out.items()}
        write_json(target / directory / NOT_KEPT, values)


def _pack_others(results: Results, target: Path, contents: Contents) -> None:
    """Packs of the candidates that did not win, and of all texts of code, in ``target``."""
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=target) as name:
        packing = Path(name)
        for directory in contents.others:
            if results.is_loose(directory):
                _link(results.root / directory, packing / directory)
        for path in sorted((results.root / FOLDER).glob("*")):
            _link(path, packing / FOLDER / path.name)
        if (results.root / SOURCES).is_dir():
            _link(results.root / SOURCES, packing / SOURCES)
        wanted = References(frozenset(contents.others), frozenset())
        write_packs(packing, wanted, verify_outputs, other_sources=_all_sources(results))
        for path in sorted((packing / FOLDER).iterdir()):
            _copy(path, target / FOLDER / path.name)


def _all_sources(results: Results) -> list[str]:
    loose = [path.name for path in (results.root / SOURCES).glob("*") if path.name[0] != "."]
    return sorted({*loose, *Packs(results.root / FOLDER).names(SOURCES_PACK)})


def _copy_code(settings: Settings, root: Path, folder: Path) -> None:
    for name in CODE:
        for path in _text_files(root / name):
            _copy(path, folder / path.relative_to(root))
    for study in settings.studies:
        path = load_study(study).path.resolve()
        if path.is_relative_to(root.resolve()):
            _copy(path, folder / path.relative_to(root.resolve()))


def _text_files(place: Path) -> Iterable[Path]:
    if place.is_file():
        return [place]
    return [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and not any(part[0] == "." or part == "__pycache__" for part in path.parts[-4:])
    ]


def _copy_data_records(data: Path, target: Path) -> None:
    """What is known of the data: records and split indices, as far as they are here."""
    for pattern in ("raw/*/record.json", "prepared/*/record.json", "prepared/*/split_indices.npz"):
        for path in sorted(data.glob(pattern)):
            if not any(part.startswith(".") for part in path.relative_to(data).parts):
                if path.suffix == ".json":
                    _refuse_damaged(path)
                _copy(path, target / path.relative_to(data))


def _refuse_damaged(path: Path) -> None:
    record = read_json_object(path)
    if not record_is_whole(record) or misshapen(record) is not None:
        raise _changed(path)


def _copy(source: Path, target: Path) -> None:
    _write(target, _read(source))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise explain(error, path) from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def _changed(path: Path) -> UserError:
    return UserError(
        "the file was changed after it was written",
        place=str(path),
        remedy="`python -m workflow_src audit` says what is wrong and how to mend it",
    )


def kinds_of(directories: Sequence[str]) -> dict[str, int]:
    """How many directories there are of each kind."""
    return {kind: sum(one.startswith(f"{kind}/") for one in directories) for kind in KINDS}
