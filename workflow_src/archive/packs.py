"""What is packed: the index of results/packed, which names every directory inside the packs.

A pack is a zip file that holds whole result directories; it travels where thousands of small files
would not. How packs are written is `workflow_src.archive.writing`'s.
"""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.storage import digest, explain, read_json_object, refuse_newer

FOLDER = "packed"
INDEX = "index.json"
SOURCES_PACK = "sources.zip"
SCHEMA_VERSION = 1

_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
FETCH = "restore the packs with `dvc checkout --force results/packed`"
_REBUILD = "make it anew from them with `python -m workflow_src pack --rebuild-index`"


@dataclass(frozen=True, slots=True)
class PackedFile:
    """What is known of a file in a pack, or of one that was left out of it."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class PackedDirectory:
    """One result directory: the pack that holds it, its files, and those that were not kept."""

    pack: str
    files: Mapping[str, PackedFile]
    not_kept: Mapping[str, PackedFile]


@dataclass(frozen=True)
class Index:
    """Everything packed: by directory relative to the results, and each pack's own digest."""

    directories: Mapping[str, PackedDirectory]
    packs: Mapping[str, PackedFile]


EMPTY = Index({}, {})


class DamagedIndexError(UserError):
    """An index that cannot be believed, beside packs that may be whole."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the index of the packs is damaged ({why})",
            place=str(path),
            remedy=f"{FETCH}, or {_REBUILD}",
        )


def read_index(results: Path) -> Index:
    """The index of a results directory; `EMPTY` where nothing is packed.

    Raises
    ------
    DamagedIndexError
        An index that is not as `pack` wrote it.
    NewerSchemaError
        One that a newer version wrote.
    """
    path = results / FOLDER / INDEX
    if not path.is_file():
        return EMPTY
    try:
        content = read_json_object(path)
    except UserError as error:
        raise DamagedIndexError(path, error.problem) from None
    rest = {name: value for name, value in content.items() if name != "index_digest"}
    refuse_newer(content, SCHEMA_VERSION, "index of the packs", path)
    if content.get("index_digest") != digest(rest):
        raise DamagedIndexError(path, "its content was changed")
    try:
        return Index(
            {name: _directory(facts) for name, facts in content["directories"].items()},
            files_of(content["packs"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedIndexError(path, f"{type(error).__name__}: {error}") from None


def index_content(index: Index) -> dict[str, Any]:
    """The JSON value of an index, with its own digest."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "packs": values_of(index.packs),
        "directories": {
            name: {
                "pack": one.pack,
                "files": values_of(one.files),
                "not_kept": values_of(one.not_kept),
            }
            for name, one in index.directories.items()
        },
    }
    return content | {"index_digest": digest(content)}


class Packs:
    """The packs of one folder, each opened once, as a zip file's own index is long."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, zipfile.ZipFile] = {}

    def names(self, pack: str) -> frozenset[str]:
        """The members of a pack; none where there is no such pack."""
        if pack not in self._open and not (self.folder / pack).is_file():
            return frozenset()
        with self._told(pack):
            return frozenset(self._archive(pack).NameToInfo)

    def read(self, pack: str, name: str) -> bytes:
        """One member's bytes; a damaged or missing pack is a `UserError`."""
        with self._told(f"{pack}: {name}"):
            return self._archive(pack).read(name)

    def _archive(self, pack: str) -> zipfile.ZipFile:
        if pack not in self._open:
            self._open[pack] = zipfile.ZipFile(self.folder / pack)
        return self._open[pack]

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        place = self.folder / what
        try:
            yield
        except OSError as error:
            raise explain(error, place) from error
        except _DAMAGES as error:
            raise UserError(
                f"the pack is damaged ({error})", place=str(place), remedy=FETCH
            ) from None


def values_of(files: Mapping[str, PackedFile]) -> dict[str, Any]:
    """The JSON value of files by name, as records have it."""
    return {name: {"sha256": one.sha256, "bytes": one.bytes} for name, one in files.items()}


def files_of(values: Mapping[str, Any]) -> dict[str, PackedFile]:
    """Files by name from their JSON value; KeyError, TypeError or AttributeError for another."""
    return {name: PackedFile(one["sha256"], one["bytes"]) for name, one in values.items()}


def _directory(facts: Mapping[str, Any]) -> PackedDirectory:
    return PackedDirectory(facts["pack"], files_of(facts["files"]), files_of(facts["not_kept"]))
