"""The two data jobs: fetching and preparing a data set, each leaving a record beside its files.

The arithmetic is preparation.py's; this module knows the registry, the records and where files
lie, and turns what the readers refuse into errors that name the way out.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import DataSet
from workflow_src.data.arrays import write_arrays
from workflow_src.data.fetching import FetchedFile, checksum_difference, fetch
from workflow_src.data.preparation import NOISE_STANDARD_DEVIATIONS, PreparedSplit, prepare
from workflow_src.data.prepared import (
    RECORD,
    open_prepared,
    prepared_files,
)
from workflow_src.data.raw import DataError, facts_of
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Closures, Code, data_recipe, prepared_fingerprint
from workflow_src.provenance.record import build_record, parent, remember_code, verify_outputs
from workflow_src.storage import digest, explain, new_directory, read_json_object, write_json

PACKAGE_ROOT = Path(__file__).parents[1]

log = logging.getLogger(__name__)


def current_fingerprint(data_set: DataSet, likelihood: str) -> str:
    """The fingerprint of prepared data under the code and registry as they are now."""
    return prepared_fingerprint(*_recipe_and_code(data_set, likelihood))


def fetch_data_set(
    data_set: DataSet, raw_directory: Path, mirror: Path | None
) -> list[FetchedFile]:
    """Fetch a data set's files and write the record of where each came from.

    The record is that of the data set which publishes the files, where another one shares them.
    A record that already vouches for exactly these files stays, since it knows their origin.
    """
    started = datetime.now(UTC)
    files = fetch(data_set, raw_directory, mirror)
    sums = {file.name: file.sha256 for file in files}
    record_path = raw_directory / RECORD
    if record_path.is_file() and _vouches_for(record_path, sums):
        return files
    record = build_record(
        "raw",
        fingerprint=digest({"data_set": data_set.raw_name, "files": sums})[:16],
        content={
            "data_set": data_set.raw_name,
            "licence": data_set.licence,
            "homepage": data_set.homepage,
            "origins": {file.name: file.origin for file in files},
        },
        outputs={file.name: raw_directory / file.name for file in files},
        started=started,
    )
    write_json(record_path, record)
    return files


def prepare_data_set(
    data_set: DataSet,
    likelihood: str,
    fingerprint: str,
    raw_directory: Path,
    output: Path,
    *,
    sources: Path | None = None,
) -> bool:
    """Prepare a data set for a likelihood in ``output``; False if that is there already.

    ``sources`` is the folder for a copy of uncommitted changes, see `build_record`.

    Raises
    ------
    UserError
        Where the data set does not have the likelihood; where code or registry are no longer those
        that ``fingerprint`` was made from; where the raw files are missing, are not those of their
        record, or are damaged.
    """
    _refuse_unsuited_likelihood(data_set, likelihood)
    recipe, code = _recipe_and_code(data_set, likelihood)
    _refuse_another_fingerprint(data_set, fingerprint, prepared_fingerprint(recipe, code))
    if _is_there(output, fingerprint):
        return False
    remember_code()
    started = datetime.now(UTC)
    raw_record = _verified_raw_record(data_set, raw_directory)
    try:
        splits = prepare(facts_of(recipe), likelihood, raw_directory)
    except DataError as error:
        raise UserError(
            error.problem,
            place=error.place,
            expected=error.expected,
            remedy=f"remove that file and run `{_fetch_command(data_set, raw_directory)}` again",
        ) from error
    with new_directory(output) as directory:
        write_arrays(directory, splits)
        record = build_record(
            "prepared",
            fingerprint=fingerprint,
            content=_content(data_set, likelihood, splits)
            | {
                "recipe": recipe,
                "code": {
                    "digest": code.digest,
                    "modules": code.modules,
                    "identity": code.identity,
                },
            },
            parents=[
                parent("raw", str(raw_record["fingerprint"]), (raw_directory / RECORD).absolute())
            ],
            outputs={name: directory / name for name in prepared_files()},
            started=started,
            sources=sources,
        )
        write_json(directory / RECORD, record)
    return True


def _recipe_and_code(data_set: DataSet, likelihood: str) -> tuple[dict[str, Any], Code]:
    return data_recipe(data_set, likelihood), Closures(PACKAGE_ROOT).of_preparation()


def _refuse_unsuited_likelihood(data_set: DataSet, likelihood: str) -> None:
    if likelihood not in data_set.likelihoods:
        raise UserError(
            f"the data set {data_set.name} is not prepared for the likelihood {likelihood}",
            expected=f"one of {', '.join(data_set.likelihoods)}",
        )


def _refuse_another_fingerprint(data_set: DataSet, given: str, current: str) -> None:
    if given != current:
        raise UserError(
            f"the code or the registry has changed since {data_set.title} was planned under "
            f"{given}: what would be made now is {current}",
            expected=f"fingerprint {current}",
            remedy="start snakemake again (it plans anew), or give the current fingerprint",
        )


def _vouches_for(record_path: Path, sums: Mapping[str, str]) -> bool:
    try:
        record = read_json_object(record_path)
        known = {name: entry["sha256"] for name, entry in record["outputs"].items()}
    except (UserError, KeyError, TypeError, AttributeError):
        return False
    return known == sums


def _is_there(output: Path, fingerprint: str) -> bool:
    # Snakemake makes the directory of an output before the job that fills it.
    if not output.exists() or not any(output.iterdir()):
        return False
    try:
        if open_prepared(output).fingerprint == fingerprint:
            return True
        reason = "it was made under another fingerprint"
    except UserError as error:
        reason = str(error)
    # Only derived files are lost: a whole directory would have opened.
    log.warning("%s is made anew: %s", output, reason)
    try:
        shutil.rmtree(output)
    except OSError as error:
        raise explain(error, output) from error
    return False


def _verified_raw_record(data_set: DataSet, raw_directory: Path) -> dict[str, Any]:
    remedy = f"run `{_fetch_command(data_set, raw_directory)}`, which mends it"
    path = raw_directory / RECORD
    if not path.is_file():
        raise UserError(f"{data_set.title} has not been fetched", place=str(path), remedy=remedy)
    record = read_json_object(path)
    findings = verify_outputs(record, raw_directory)
    absent = [file.name for file in data_set.files if file.name not in record.get("outputs", {})]
    findings += [f"{path}: the record does not know {name}" for name in absent]
    # The registry may have been corrected since the files were fetched.
    for file in data_set.files if not findings else ():
        if (wrong := checksum_difference(file, raw_directory / file.name)) is not None:
            kind, found, expected = wrong
            findings.append(f"{raw_directory / file.name}: {kind} {found}, not {expected}")
    if findings:
        raise UserError(findings[0], remedy=remedy)
    return record


def _fetch_command(data_set: DataSet, raw_directory: Path) -> str:
    folder = raw_directory.parent.parent
    name = data_set.raw_name
    return f"python -m workflow_src fetch --data-set {name} --data-directory {folder}"


def _content(
    data_set: DataSet, likelihood: str, splits: Mapping[str, PreparedSplit]
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "data_set": data_set.name,
        "likelihood": likelihood,
        "shape": list(data_set.shape),
        "channels": data_set.channels,
        "levels": data_set.largest_count,
        "split": data_set.split,
        "images": {name: len(split.images) for name, split in splits.items()},
        "constant_images": {name: split.constant_images for name, split in splits.items()},
    }
    if any(split.noise_sha256 for split in splits.values()):
        content["noise"] = {
            "standard_deviation": NOISE_STANDARD_DEVIATIONS[likelihood],
            "sha256": {name: split.noise_sha256 for name, split in splits.items()},
        }
    return content
