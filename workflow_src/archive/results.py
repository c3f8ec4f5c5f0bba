"""Result directories, whether they lie loose or in a pack; a loose one goes before a packed one.

Directories are named relative to the results directory, such as
``runs/vae/mnist-gaussian/100pct-seed0-<fingerprint>``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import (
    FETCH,
    FOLDER,
    SOURCES_PACK,
    Index,
    PackedDirectory,
    PackedFile,
    Packs,
    files_of,
    read_index,
    values_of,
)
from workflow_src.archive.sources import unsealed
from workflow_src.errors import UserError
from workflow_src.storage import (
    explain,
    new_directory,
    read_json_object,
    sha256_file,
    write_json,
)

RECORDS = {
    "runs": "run.json",
    "evaluations": "evaluation.json",
    "measurements": "measurement.json",
}
"""The kinds of result directories, by their folder, and the file that makes one complete."""

KINDS = tuple(RECORDS)
CHECKPOINT = "checkpoint.safetensors"
"""In a run's directory: its parameters, unless it never had a finite bound."""

NOT_KEPT = "not_kept.json"
"""In a directory out of a pack: the files that its record vouches for and the pack had not."""

SOURCES = "sources"
"""Where the texts of code and of uncommitted changes are kept, by digest."""


class Results:
    """Everything below one results directory. The index of the packs is read once.

    The directories ``from_packs`` are taken for packed although they lie loose, too.
    """

    def __init__(self, root: Path, *, from_packs: Collection[str] = ()) -> None:
        self.root = root
        self.from_packs = frozenset(from_packs)
        self._packs = Packs(root / FOLDER)

    @functools.cached_property
    def index(self) -> Index:
        """What is packed."""
        return read_index(self.root)

    def directories(self, kind: str) -> list[str]:
        """All complete directories of a kind, sorted."""
        loose = self._loose(kind)
        packed = (name for name in self.index.directories if name.startswith(f"{kind}/"))
        return sorted({*loose, *packed})

    def is_loose(self, directory: str) -> bool:
        """Whether the directory is there outside of packs, with its record."""
        if directory in self.from_packs:
            return False
        return (self.root / directory / record_name(directory)).is_file()

    def is_packed(self, directory: str) -> bool:
        """Whether a pack holds the directory, be it loose as well or not."""
        return directory in self.index.directories

    def names(self, directory: str) -> list[str]:
        """The files in a directory."""
        if self.is_loose(directory):
            with os.scandir(self.root / directory) as entries:
                return sorted(entry.name for entry in entries)
        return sorted(self._packed(directory).files)

    def read(self, directory: str, name: str) -> bytes:
        """A file's bytes.

        Raises
        ------
        UserError
            A file that is neither loose nor packed, or a pack that is damaged or does not hold
            what the index says.
        """
        if self.is_loose(directory):
            path = self.root / directory / name
            try:
                return path.read_bytes()
            except OSError as error:
                raise explain(error, path) from error
        packed = self._packed(directory)
        data = self._packs.read(packed.pack, f"{directory}/{name}")
        facts = packed.files.get(name)
        if facts is None or hashlib.sha256(data).hexdigest() != facts.sha256:
            raise UserError(
                f"the pack was changed: {directory}/{name} is not what the index says",
                place=str(self.root / FOLDER / packed.pack),
                remedy=FETCH,
            )
        return data

    def record(self, directory: str) -> dict[str, Any]:
        """The record of a directory; a damaged one is a `UserError`."""
        name = record_name(directory)
        try:
            value = json.loads(self.read(directory, name))
        except ValueError as error:
            raise self._damaged(directory, str(error)) from None
        if not isinstance(value, dict):
            raise self._damaged(directory, "not an object")
        return value

    def sha256(self, directory: str, name: str) -> str:
        """The sha256 (hex) of a file's bytes."""
        if self.is_loose(directory):
            path = self.root / directory / name
            try:
                return sha256_file(path)
            except OSError as error:
                raise explain(error, path) from error
        return hashlib.sha256(self.read(directory, name)).hexdigest()

    def not_kept(self, directory: str) -> dict[str, PackedFile]:
        """The files that were left out when the directory was packed."""
        if self.is_loose(directory):
            return read_not_kept(self.root / directory)
        return dict(self._packed(directory).not_kept)

    def bring(self, directory: str) -> None:
        """Put a packed directory into its place, whole, where it is not there yet.

        One that is neither loose nor packed is left for its reader to miss.
        """
        if self.is_loose(directory) or not self.is_packed(directory):
            return
        packed = self._packed(directory)
        with new_directory(self.root / directory) as temporary:
            for file in packed.files:
                (temporary / file).write_bytes(self.read(directory, file))
            if packed.not_kept:
                write_json(temporary / NOT_KEPT, values_of(packed.not_kept))

    def source(self, module_digest: str) -> str | None:
        """The text of a module by the digest of its meaning; None where it was not kept."""
        kept = self._source(f"{module_digest}.py")
        return None if kept is None else unsealed(kept).decode(errors="surrogateescape")

    def difference(self, changes_digest: str) -> str | None:
        """The uncommitted changes of that digest, as ``git apply`` takes them."""
        kept = self._source(f"{changes_digest}.patch")
        return None if kept is None else kept.decode(errors="surrogateescape")

    def _loose(self, kind: str) -> list[str]:
        found = []
        folder = self.root / kind
        for place, names, files in os.walk(folder, followlinks=True):
            if RECORDS[kind] in files:
                found.append(Path(place).relative_to(self.root).as_posix())
                names.clear()
            # Hidden ones are half written or were moved out of the way.
            names[:] = [name for name in names if not name.startswith(".")]
        return found

    def _packed(self, directory: str) -> PackedDirectory:
        if directory not in self.index.directories:
            raise UserError("there is no such result", place=str(self.root / directory))
        return self.index.directories[directory]

    def _source(self, name: str) -> bytes | None:
        loose = self.root / SOURCES / name
        if loose.is_file():
            return loose.read_bytes()
        if name not in self._packs.names(SOURCES_PACK):
            return None
        return self._packs.read(SOURCES_PACK, name)

    def _damaged(self, directory: str, why: str) -> UserError:
        return UserError(
            f"the record is damaged ({why})",
            place=str(self.root / directory / record_name(directory)),
            expected="JSON as this program wrote it",
            remedy=making_anew(directory),
        )


def read_not_kept(directory: Path) -> dict[str, PackedFile]:
    """The files that an unpacked directory lacks by intent; none where all were kept."""
    path = directory / NOT_KEPT
    if not path.is_file():
        return {}
    try:
        return files_of(read_json_object(path))
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the file is damaged ({type(error).__name__}: {error})",
            place=str(path),
            expected="the files that were left out of the pack",
            remedy="remove its directory, which is in the pack; what needs it puts it back",
        ) from None


def bring(directory: Path, results: Path) -> None:
    """As `Results.bring`, for one directory by its path."""
    Results(results).bring(directory.relative_to(results).as_posix())


def record_name(directory: str) -> str:
    """The file that makes a directory complete."""
    return RECORDS[directory.partition("/")[0]]


def fingerprint_of(directory: str) -> str:
    """The fingerprint that a directory's name ends with."""
    return directory.rpartition("-")[2]


def making_anew(directory: str) -> str:
    """The way to drop a directory that cannot be used, in the words of an error's remedy."""
    return (
        f"drop it, and what was made from it, with `python -m workflow_src pack --forget "
        f"{fingerprint_of(directory)}` and start Snakemake; they are made anew"
    )
