"""Reading what results are made of: JSON that must be exactly as it was written, and listings."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.shapes import misshapen
from workflow_src.provenance.record import record_is_whole, refuse_newer_record, result_digest
from workflow_src.storage import digest, explain

LEFTOVERS = (".partial-", ".damaged-", ".removed")
"""In the hidden names of what was half written, or moved out of the way."""

PRUNE = "`python -m workflow_src prune` removes them"


def sha256(data: bytes) -> str:
    """The sha256 (hex) of bytes in memory."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: Path) -> bytes:
    """A file's bytes; a `UserError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise explain(error, path) from error


def json_text(value: Any) -> bytes:
    """The bytes that `workflow_src.storage.write_json` gives a value."""
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()


def parsed(data: bytes, place: object, notes: Notes) -> dict[str, Any] | None:
    """The object in a JSON file that must be written as this program writes it.

    None where it cannot be read at all; where it is merely written otherwise (a space too much, a
    key twice), that is noted and the value returned.
    """
    value = _loaded(data, place, notes)
    if value is not None and json_text(value) != data:
        notes.find(
            "changed", place, "its text was changed; expected JSON exactly as this program wrote it"
        )
    return value


def parsed_record(data: bytes, place: object, kind: str, notes: Notes) -> dict[str, Any] | None:
    """As `parsed`, for a record of that kind, which must be whole; None where it is not.

    Raises
    ------
    UserError
        A whole record that a newer version of this project wrote.
    """
    record = parsed(data, place, notes)
    if record is None:
        return None
    if not record_is_whole(record):
        notes.find(
            "changed",
            place,
            "the record was changed after it was written; expected content of which "
            f"record_digest {str(record.get('record_digest'))[:12]} is the digest",
        )
        return None
    refuse_newer_record(record, place)
    if record.get("kind") != kind:
        notes.find("identity", place, f"a record of kind {record.get('kind')}; expected {kind}")
        return None
    problem = misshapen(record)
    if problem is not None:
        notes.find("changed", place, f"it is no whole record: {problem}")
        return None
    if record["result_digest"] != result_digest(record):
        notes.find("identity", place, "its result_digest is not that of its result")
        return None
    return record


def parsed_membership(data: bytes, place: object, notes: Notes) -> dict[str, Any] | None:
    """As `parsed`, for a membership of the plan, which holds its own digest."""
    value = _loaded(data, place, notes)
    if value is None:
        return None
    rest = {name: one for name, one in value.items() if name != "membership_digest"}
    sealed = "membership_digest" in value or value.get("schema") == 1
    text = (json.dumps(value, sort_keys=True) + "\n").encode()
    if not sealed or value.get("membership_digest", digest(rest)) != digest(rest) or text != data:
        notes.find(
            "changed",
            place,
            "the membership was changed after it was written; expected the text of which its "
            "membership_digest is the digest (the next start of snakemake writes it anew)",
        )
        return None
    return value


def _loaded(data: bytes, place: object, notes: Notes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        notes.find("changed", place, f"it is damaged ({error}); expected JSON")
        return None
    if not isinstance(value, dict):
        notes.find("changed", place, "it is damaged; expected a JSON object")
        return None
    return value


def is_leftover(name: str) -> bool:
    """Whether a name is that of something half written, or moved out of the way."""
    return name.startswith(".") and any(mark in name for mark in LEFTOVERS)


def listed(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise explain(error, folder) from error


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, hidden ones too; links are not followed."""
    for place, names, files in os.walk(folder):
        names.sort()
        yield from (Path(place) / name for name in sorted(files))
