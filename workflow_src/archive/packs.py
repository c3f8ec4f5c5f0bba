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
_REMEDY = "fetch the packs again (`dvc checkout --force`), or write them anew with `pack`"


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


def read_index(results: Path) -> Index:
    """The index of a results directory; `EMPTY` where nothing is packed.

    Raises
    ------
    UserError
        An index that is damaged, or that a newer version wrote.
    """
    path = results / FOLDER / INDEX
    if not path.is_file():
        return EMPTY
    content = read_json_object(path)
    rest = {name: value for name, value in content.items() if name != "index_digest"}
    refuse_newer(content, SCHEMA_VERSION, "index of the packs", path)
    if content.get("index_digest") != digest(rest):
        raise UserError("the index of the packs was changed", place=str(path), remedy=_REMEDY)
    try:
        return Index(
            {name: _directory(facts) for name, facts in content["directories"].items()},
            _files(content["packs"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"the index of the packs is damaged ({error})", place=str(path), remedy=_REMEDY
        ) from None


def index_content(index: Index) -> dict[str, Any]:
    """The JSON value of an index, with its own digest."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "packs": _values(index.packs),
        "directories": {
            name: {
                "pack": one.pack,
                "files": _values(one.files),
                "not_kept": _values(one.not_kept),
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
                f"the pack is damaged ({error})", place=str(place), remedy=_REMEDY
            ) from None


def _directory(facts: Mapping[str, Any]) -> PackedDirectory:
    return PackedDirectory(facts["pack"], _files(facts["files"]), _files(facts["not_kept"]))


def _files(values: Mapping[str, Any]) -> dict[str, PackedFile]:
    return {name: PackedFile(one["sha256"], one["bytes"]) for name, one in values.items()}


def _values(files: Mapping[str, PackedFile]) -> dict[str, Any]:
    return {name: {"sha256": one.sha256, "bytes": one.bytes} for name, one in files.items()}
