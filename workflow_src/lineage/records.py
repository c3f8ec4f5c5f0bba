"""Records as they are found by fingerprint, checked against what is remembered of them.

A file that is not here is told and is no error; so is one that says something else than it said
when it was written.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workflow_src.archive.results import RECORDS, Results
from workflow_src.errors import UserError
from workflow_src.provenance.record import record_is_whole, refuse_newer_record, result_digest

OK = "ok"
DIFFERS = "differs"
ABSENT = "not here"
NOT_KEPT = "not kept"

JUDGE = "judge"
"""The role of parents that judged what was drawn."""

Entry = Mapping[str, str]
"""What a record remembers of a parent: kind, fingerprint, path, sha256 and result_digest; with when
the record that names it ``ended``."""

MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What following a record raises that lacks something, or has something else in its place."""

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Seen:
    """A record as it was found: ``content`` is empty where there is none to be read."""

    place: str
    record: Mapping[str, Any]
    sha256: str | None
    verdict: str
    remarks: tuple[str, ...] = ()
    """What is wrong with it, or worth to know where the verdict is `OK`."""

    @property
    def content(self) -> Mapping[str, Any]:
        """What only this kind of record holds."""
        content: Mapping[str, Any] = self.record.get("content", {})
        return content


class Ground:
    """Where records are looked up.

    ``results`` and ``data`` are these directories; ``root`` is what they are relative to;
    ``package_root`` is the folder of the code and of its acceptances; ``archive`` is what reads
    results, where something reads them already.
    """

    def __init__(
        self,
        results: Path,
        root: Path | None = None,
        package_root: Path = PACKAGE_ROOT,
        data: Path = Path("data"),
        archive: Results | None = None,
    ) -> None:
        self.root = Path() if root is None else root
        self.results = Results(self.root / results) if archive is None else archive
        self.shown_results = results
        self.data = data
        self.package_root = package_root

    @functools.cached_property
    def _by_fingerprint(self) -> dict[tuple[str, str], str]:
        return {
            (kind, name.rpartition("-")[2]): name
            for kind in RECORDS
            for name in self.results.directories(kind)
        }

    def directory(self, kind: str, fingerprint: str) -> str | None:
        """The result directory of that fingerprint; None where it is not here."""
        return self._by_fingerprint.get((kind, fingerprint))

    def record(self, kind: str, fingerprint: str, remembered: Entry | None = None) -> Seen:
        """A result's record, checked against what its child remembers of it, if any."""
        directory = self.directory(kind, fingerprint)
        if directory is None:
            return Seen(f"{kind}: {fingerprint}", {}, None, ABSENT)
        name = RECORDS[kind]
        place = self.place(directory)
        try:
            data = self.results.read(directory, name)
        except UserError as error:
            return Seen(place, {}, None, DIFFERS, (str(error),))
        return seen_record(data, f"{place}/{name}", fingerprint, remembered)

    def of_data(self, path: str) -> str:
        """Where the record of raw or prepared data lies, by the path that was recorded once."""
        return (self.data / Path(*PurePosixPath(path).parts[-3:])).as_posix()

    def file_record(
        self, path: str, fingerprint: str | None, remembered: Entry | None = None
    ) -> Seen:
        """As `record`, for one that is no result: of data, or of the report."""
        try:
            data = (self.root / path).read_bytes()
        except FileNotFoundError:
            return Seen(path, {}, None, ABSENT)
        except OSError as error:
            return Seen(path, {}, None, DIFFERS, (str(error),))
        return seen_record(data, path, fingerprint, remembered)

    def place(self, directory: str) -> str:
        """Where a result directory lies, for people."""
        shown = f"{self.shown_results.as_posix()}/{directory}"
        pack = self.pack(directory)
        return shown if pack is None else f"{shown} (packed in {pack})"

    def pack(self, directory: str) -> str | None:
        """The pack that a result directory is read from; None where it lies loose, or nowhere."""
        if self.results.is_loose(directory) or not self.results.is_packed(directory):
            return None
        return self.results.index.directories[directory].pack


def seen_record(data: bytes, place: str, fingerprint: str | None, remembered: Entry | None) -> Seen:
    """A record out of a file's bytes, with what is wrong with it.

    One that was made again after its child, with an equal result, stands.

    Raises
    ------
    UserError
        A record that a newer version of this project wrote.
    """
    found = hashlib.sha256(data).hexdigest()
    try:
        record = json.loads(data)
    except ValueError as error:
        return Seen(place, {}, found, DIFFERS, (f"the record is damaged ({error})",))
    if not isinstance(record, dict):
        return Seen(place, {}, found, DIFFERS, ("the record is damaged (not an object)",))
    refuse_newer_record(record, place)
    remarks = []
    if not record_is_whole(record):
        remarks.append("the record was changed after it was written")
    again = []
    if remembered is not None and found != remembered["sha256"]:
        if _was_remade(record, remembered):
            again.append("made again since, with an equal result")
        else:
            remarks.append(
                f"what was made from it remembers sha256 {remembered['sha256']}, found {found}"
            )
    if fingerprint is not None and record.get("fingerprint") != fingerprint:
        remarks.append(f"the record is of {record.get('fingerprint')}, not of {fingerprint}")
    return Seen(place, record, found, DIFFERS if remarks else OK, (*remarks, *again))


def _was_remade(record: Mapping[str, Any], remembered: Entry) -> bool:
    """Whether it was made after its child, with the result that the child remembers."""
    try:
        later = bool(record["time"]["started"] >= remembered["ended"])
        return later and result_digest(record) == remembered["result_digest"]
    except (KeyError, TypeError, AttributeError):
        return False


def parents_of(record: Mapping[str, Any], kind: str, role: str | None = None) -> list[Entry]:
    """What a record remembers of its parents of one kind that serve for one thing."""
    ended = record.get("time", {}).get("ended", "")
    return [
        {**one, "ended": ended}
        for one in record.get("parents", [])
        if one.get("kind") == kind and one.get("role") == role
    ]


def short(digest: str | None) -> str:
    """The first digits of a digest."""
    return (digest or "unknown")[:16]
