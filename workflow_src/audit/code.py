"""The code that records name: its text must be kept, whole, and mean what its digest says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import SOURCES_PACK, Packs
from workflow_src.archive.results import SOURCES, Results
from workflow_src.archive.sources import is_sealed
from workflow_src.audit.files import is_leftover, listed, read_bytes
from workflow_src.audit.findings import Notes
from workflow_src.plan.closure import meaning
from workflow_src.plan.fingerprints import ENVIRONMENT
from workflow_src.provenance.git import git
from workflow_src.provenance.repository import changes_digest

EMPTY = hashlib.sha256(b"").hexdigest()
"""What a folder without an __init__.py means."""

_TIMEOUT = 60.0
_NAME = re.compile(r"[0-9a-f]{64}\.(py|patch)")


@dataclass
class _Named:
    """Who names a module: one record, whether it is of other settings or code, all commits."""

    place: str
    commits: dict[str, None]
    other: bool


class Needed:
    """The modules and changes that records name, each once.

    Prepared data other than ``prepared`` (their fingerprints) may have lost their code.
    """

    def __init__(self, prepared: Collection[str] | None = None) -> None:
        self._prepared = prepared
        self.modules: dict[tuple[str, str], _Named] = {}
        self.changes: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def add(self, place: str, record: Mapping[str, Any]) -> None:
        """Take in what one record names."""
        facts = record.get("git", {})
        other = record["kind"] == "prepared" and (
            self._prepared is not None and record["fingerprint"] not in self._prepared
        )
        for name, digest in record["content"].get("code", {}).get("modules", {}).items():
            if name != ENVIRONMENT and digest != EMPTY:
                named = self.modules.setdefault((name, digest), _Named(place, {}, other))
                named.commits[str(facts.get("commit"))] = None
                if named.other and not other:
                    named.place, named.other = place, False
        if "difference_file" in facts:
            self.changes.setdefault(facts["difference_file"], (place, facts))


def check_code_texts(
    results: Results, shown: Path, root: Path, needed: Needed, notes: Notes
) -> None:
    """Every text in results/sources, and that what records name is among them or in git."""
    texts, digests = _kept(results, shown, notes), set()
    for name, data in texts.items():
        if name.endswith(".py"):
            found = _meaning(data)
            digests.add(name.removesuffix(".py"))
            problem = None
            if found != name.removesuffix(".py"):
                problem = f"its code means {str(found)[:12]}; expected what its name says"
            elif not is_sealed(data):
                problem = "other comments or layout; expected the text of its first line's digest"
            if problem is not None:
                notes.find("changed", shown / SOURCES / name, problem)
    _check_modules(digests, root, needed, notes)
    for name, (place, facts) in needed.changes.items():
        _check_changes(shown / SOURCES / name, place, facts, texts.get(name), notes)
    for name in sorted(texts):
        if name.endswith(".patch") and name not in needed.changes:
            notes.remark(shown / SOURCES / name, "changes that no record names any more")
    notes.counted["texts of code"] += len(texts)


def _meaning(text: bytes) -> str | None:
    """The digest of a module's meaning; None where it does not parse."""
    try:
        return meaning(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _kept(results: Results, shown: Path, notes: Notes) -> dict[str, bytes]:
    """All texts by file name, loose ones before packed ones."""
    texts: dict[str, bytes] = {}
    packs = Packs(results.root / "packed")
    with notes.reading(shown / "packed" / SOURCES_PACK):
        for name in packs.names(SOURCES_PACK):
            texts[name] = packs.read(SOURCES_PACK, name)
    for entry in listed(results.root / SOURCES):
        place = shown / SOURCES / entry.name
        if is_leftover(entry.name):
            notes.remark(place, "left by a job that was killed")
        elif _NAME.fullmatch(entry.name) and entry.is_file():
            with notes.reading(place):
                texts[entry.name] = read_bytes(results.root / SOURCES / entry.name)
        else:
            notes.find("extra", place, "expected texts of code, named by digest, and nothing else")
    return texts


def _check_modules(digests: set[str], root: Path, needed: Needed, notes: Notes) -> None:
    wanted = {key: named for key, named in needed.modules.items() if key[1] not in digests}
    specs = [
        (key, f"{commit}:./{path}")
        for key, named in wanted.items()
        for commit in named.commits
        for path in _paths(key[0])
    ]
    found: set[tuple[str, str]] = set()
    for (key, _), data in zip(specs, _blobs(root, [spec for _, spec in specs]), strict=True):
        if data is not None and key not in found and _meaning(data) == key[1]:
            found.add(key)
    lost: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for key, named in wanted.items():
        if key not in found:
            lost.setdefault((named.place, named.other), []).append(key)
    for (place, other), modules in lost.items():
        name, digest = modules[0]
        others = f" and of {len(modules) - 1} other modules" if len(modules) > 1 else ""
        if other:
            notes.remark(
                place, f"of other code or settings; the code of {name}{others} is kept nowhere"
            )
            continue
        notes.find(
            "code",
            place,
            f"the code of {name}{others} is kept nowhere; expected it in "
            f"{SOURCES}/{digest}.py, or at the commit that the record names",
        )


def _paths(name: str) -> tuple[str, str]:
    stem = name.replace(".", "/")
    return f"{stem}.py", f"{stem}/__init__.py"


def _check_changes(
    where: Path, place: str, facts: Mapping[str, Any], text: bytes | None, notes: Notes
) -> None:
    if text is None:
        notes.find("code", place, f"the changes that it names are not kept; expected {where}")
        return
    if changes_digest(text, facts.get("left_out_files", ())) != facts.get("changes_digest"):
        notes.find("changed", where, "expected the changes of which its name is the digest")


def _blobs(root: Path, names: list[str]) -> list[bytes | None]:
    """The contents of git objects, None for those that git does not have."""
    found: list[bytes | None] = []
    asked = "".join(f"{name}\n" for name in names).encode()
    out = (git(root, "cat-file", "--batch", text=asked, timeout=_TIMEOUT) if names else None) or b""
    at = 0
    while at < len(out):
        line, _, _ = out[at:].partition(b"\n")
        at += len(line) + 1
        parts = line.rsplit(b" ", 2)
        if len(parts) == 3 and parts[1] == b"blob" and parts[2].isdigit():
            size = int(parts[2])
            found.append(out[at : at + size])
            at += size + 1
        else:
            found.append(None)
    return found + [None] * (len(names) - len(found))
