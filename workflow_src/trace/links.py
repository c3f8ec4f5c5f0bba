"""Links of the line from a number down to its origins.

A link says what was made, from what, and whether its digests stand now. Records are found by
`workflow_src.lineage`; a file that is not here is told and is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.lineage.records import ABSENT, DIFFERS, MISSHAPEN, NOT_KEPT, OK, Ground
from workflow_src.storage import sha256_file


@dataclass(frozen=True)
class Link:
    """One step of the line.

    Attributes
    ----------
    title:
        What this is.
    facts:
        What its record says, one line each.
    verdict:
        `OK`, `DIFFERS`, `ABSENT` or `NOT_KEPT`, as found just now; None where there is no digest.
    below:
        What it was made from.
    """

    title: str
    facts: tuple[str, ...] = ()
    verdict: str | None = None
    below: tuple[Link, ...] = ()


def file_links(ground: Ground, directory: str | None, record: Mapping[str, Any]) -> list[Link]:
    """A link for every file that a result's record vouches for, each read and hashed."""
    outputs: Mapping[str, Any] = record.get("outputs", {})
    if directory is None:
        return [_file_link(name, facts, None) for name, facts in outputs.items()]
    left_out = ground.results.not_kept(directory)
    links = []
    for name, facts in outputs.items():
        found = _sha256(ground, directory, name)
        link = _file_link(name, facts, found)
        if found is None and name in left_out:
            verdict = NOT_KEPT if left_out[name].sha256 == facts["sha256"] else DIFFERS
            link = Link(link.title, link.facts, verdict)
        links.append(link)
    return links


def loose_file_links(ground: Ground, folder: str, record: Mapping[str, Any]) -> list[Link]:
    """As `file_links`, for a record outside of the results."""
    return [
        _file_link(name, facts, sha256_or_none(ground.root / folder / name))
        for name, facts in record.get("outputs", {}).items()
    ]


def followed(title: str, place: str, tell: Callable[[], Link]) -> Link:
    """What ``tell`` makes of the record at ``place``; where it is no whole one, that it differs."""
    try:
        return tell()
    except MISSHAPEN as error:
        said = f"the record is damaged ({type(error).__name__}: {error})"
        return Link(title, (place, said), DIFFERS)


def worst(verdicts: Iterable[str | None]) -> str | None:
    """The verdict on several: one that differs counts most, then one that is not here."""
    found = set(verdicts)
    return next((one for one in (DIFFERS, ABSENT, NOT_KEPT, OK) if one in found), None)


def all_links(links: Sequence[Link]) -> Iterable[Link]:
    """The links and everything below them."""
    for link in links:
        yield link
        yield from all_links(link.below)


def sha256_or_none(path: Path) -> str | None:
    """A file's sha256; None where it cannot be read."""
    try:
        return sha256_file(path)
    except OSError:
        return None


def _sha256(ground: Ground, directory: str, name: str) -> str | None:
    try:
        return ground.results.sha256(directory, name)
    except UserError:
        return None


def _file_link(name: str, facts: Mapping[str, Any], found: str | None) -> Link:
    said = [f"sha256 {facts['sha256']}, {facts['bytes']:,} bytes"]
    if found is None:
        verdict = ABSENT
    elif found == facts["sha256"]:
        verdict = OK
    else:
        verdict = DIFFERS
        said.append(f"found sha256 {found}")
    return Link(name, tuple(said), verdict)
