"""Records that were made again after something had been made from the earlier ones.

A result that was lost and is made again has another record, which tells when. Where its results are
the same, what was made from it stands; but what that tells of the earlier record's circumstances
can no longer be compared with anything.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workflow_src.archive.results import RECORDS
from workflow_src.audit.origins import texts_in
from workflow_src.errors import UserError
from workflow_src.lineage.records import Ground

_KINDS = {"evaluation": "evaluations", "run": "runs", "measurement": "measurements"}
_FROM_RECORDS = {
    "run": ("made", "interruptions", "device", "bank", "checkpoint", "data"),
    "measurement": ("made", "seconds", "images"),
}
"""What a line tells of its run and measurement out of their records alone."""
_LINES = ("evaluations", "judges")


def records_made_since(ground: Ground, manifest: Mapping[str, Any]) -> frozenset[str]:
    """Fingerprints of results whose records here are not those that the report was made from."""
    found: dict[str, bool] = {}
    for entry in manifest["parents"]:
        record = _remembered(ground, entry, found)
        for below in record.get("parents", ()):
            if below["kind"] in _KINDS and below["fingerprint"] not in found:
                _remembered(ground, below, found)
    return frozenset(name for name, is_other in found.items() if is_other)


def _remembered(
    ground: Ground, entry: Mapping[str, str], found: dict[str, bool]
) -> Mapping[str, Any]:
    """The record of an entry, noting whether it is another than the entry remembers."""
    kind, name = _KINDS[entry["kind"]], entry["fingerprint"]
    directory = ground.directory(kind, name)
    if directory is None:
        return {}
    try:
        data = ground.results.read(directory, RECORDS[kind])
        record = json.loads(data)
    except (UserError, ValueError):
        # What cannot be read is found where records are verified.
        return {}
    found[name] = hashlib.sha256(data).hexdigest() != entry["sha256"]
    return record if isinstance(record, dict) else {}


def as_remembered(
    found: Mapping[str, Any], expected: Mapping[str, Any], since: frozenset[str]
) -> dict[str, Any]:
    """``expected`` with the words of ``found`` for records that were made ``since``.

    Tables that lines refer to keep what a line still refers to, and gain what the words of
    ``found`` do.
    """
    merged: dict[str, Any] = copy.deepcopy(dict(expected))
    for name, line in merged["evaluations"].items():
        told = _part(found.get("evaluations"), name)
        if _take(told, line, name, merged.get("judges", {}), since):
            line["commands"] = told.get("commands", line["commands"])
    for name, judge in merged.get("judges", {}).items():
        if name in since:
            _copy_words(_part(found.get("judges"), name), judge, _FROM_RECORDS["run"])
    referred = set(texts_in([merged.get(name) for name in _LINES]))
    for name, table in merged.items():
        if isinstance(table, dict) and name not in _LINES:
            known = {**_part(found, name), **table}
            merged[name] = {key: one for key, one in known.items() if key in referred}
    return merged


def _take(
    told: Mapping[str, Any],
    line: dict[str, Any],
    name: str,
    judges: Mapping[str, Any],
    since: frozenset[str],
) -> bool:
    """Put ``told``'s words into the line where its records are others; whether any was."""
    changed = name in since or any(judge in since for judge in line.get("judges", ()))
    if name in since:
        _copy_words(told, line, ("made",))
    for part, words in _FROM_RECORDS.items():
        if line.get(part) and line[part]["fingerprint"] in since:
            _copy_words(_part(told, part), line[part], words)
            changed = True
    return changed


def _copy_words(told: Mapping[str, Any], line: dict[str, Any], words: tuple[str, ...]) -> None:
    line.update({word: told[word] for word in words if word in told and word in line})


def _part(value: Any, name: str) -> Mapping[str, Any]:
    part = value.get(name) if isinstance(value, Mapping) else None
    return part if isinstance(part, Mapping) else {}
