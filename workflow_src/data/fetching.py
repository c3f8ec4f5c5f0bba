"""A data set's published files: kept, copied from a mirror folder, or downloaded, in this order.

Every file is compared with the registry's checksum before it gets its name, so that a file under
its name is a right one. What is in the files is readers.py's business.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import logging
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_src.config.data_sets import DataSet, SourceFile
from workflow_src.data.downloading import DownloadError, download
from workflow_src.data.progress import transfer_progress
from workflow_src.errors import UserError
from workflow_src.storage import explain, replacing_file, sha256_file

PACKED = ".gz"
"""Ends the name of a mirror's copy of a file that is published unpacked."""
MIRROR_VARIABLE = "DENSITY_BENCH_MIRROR"
_CHUNK = 1 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchedFile:
    """A file in the raw directory: ``origin`` is a path, an address, or "already there"."""

    name: str
    origin: str
    sha256: str
    bytes: int


def mirror_directory(given: Path | None) -> Path | None:
    """The mirror folder: the environment's `DENSITY_BENCH_MIRROR` if set, else ``given``.

    Raises
    ------
    UserError
        Where the folder does not exist.
    """
    variable = os.environ.get(MIRROR_VARIABLE)
    mirror = Path(variable) if variable else given
    if mirror is not None and not mirror.is_dir():
        raise UserError(
            "the mirror folder does not exist",
            place=f"{MIRROR_VARIABLE}={mirror}" if variable else str(mirror),
            expected="a folder with copies of the data sets' files",
            remedy="correct the path, or remove the setting to download from the data's homepage",
        )
    return mirror


def fetch(data_set: DataSet, raw_directory: Path, mirror: Path | None) -> list[FetchedFile]:
    """Bring all files of a data set into ``raw_directory`` (for `digits` there are none).

    Raises
    ------
    UserError
        For a checksum that is wrong (naming both, keeping nothing), a file that can be had
        nowhere, and a directory that cannot be written.
    """
    try:
        raw_directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, raw_directory) from error
    with _one_at_a_time(raw_directory):
        return [_fetch_file(file, raw_directory, mirror) for file in data_set.files]


@contextlib.contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Wait until no other process fetches here; the kernel frees the lock of a dead one."""
    path = directory / ".fetch.lock"
    try:
        lock = path.open("w")
    except OSError as error:
        raise explain(error, path) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s: waiting for another process that is fetching", directory)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            log.debug("%s: this file system has no locks", directory)
        yield


def _fetch_file(file: SourceFile, raw_directory: Path, mirror: Path | None) -> FetchedFile:
    final = raw_directory / file.name
    origin = "already there" if _is_right(file, final) else None
    copies = [mirror / name for name in file.mirror_names] if mirror is not None else []
    if origin is None:
        origin = _from_mirror(file, copies, final) or _from_addresses(file, copies, final)
    return FetchedFile(file.name, origin, sha256_file(final), final.stat().st_size)


def _is_right(file: SourceFile, path: Path) -> bool:
    if not path.is_file():
        return False
    wrong = checksum_difference(file, path)
    if wrong:
        log.warning("%s is damaged and is fetched again: its %s is %s, not %s", path, *wrong)
    return wrong is None


def _from_mirror(file: SourceFile, copies: Sequence[Path], final: Path) -> str | None:
    for copy in copies:
        if not copy.is_file():
            continue
        with replacing_file(final) as temporary:
            if copy.suffix == PACKED and not file.name.endswith(PACKED):
                _unpack(copy, temporary)
            else:
                _copy(copy, temporary)
            wrong = checksum_difference(file, temporary)
            if wrong:
                raise _wrong_checksum(file, str(copy), wrong)
        return str(copy)
    return None


def _from_addresses(file: SourceFile, copies: Sequence[Path], final: Path) -> str:
    part = final.with_name(f"{final.name}.part")
    failures = []
    mismatch: UserError | None = None
    for address in file.addresses:
        try:
            download(address, part)
        except DownloadError as error:
            failures.append(f"{address} ({error})")
            continue
        wrong = checksum_difference(file, part)
        if wrong is None:
            part.replace(final)
            return address
        part.unlink()
        mismatch = _wrong_checksum(file, address, wrong)
        failures.append(f"{address} (its {wrong[0]} is {wrong[1]}, not {wrong[2]})")
    if mismatch is not None and len(failures) == 1:
        raise mismatch
    raise UserError(
        f"{file.name} can be had nowhere; tried "
        + "; ".join([f"{copy} (no such file)" for copy in copies] + failures),
        place=str(final),
        remedy=(
            "connect to the internet, or put the file into a folder and name that as `mirror` in "
            f"config.yaml or in the environment variable {MIRROR_VARIABLE}; "
            "what has arrived stays and is continued"
        ),
    )


def checksum_difference(file: SourceFile, path: Path) -> tuple[str, str, str] | None:
    """(kind, found, expected) of the checksum that is wrong, or None if it agrees or none is known.

    The sha256 is compared if the registry has one, else git's name of the content, else the md5,
    else the number of bytes.
    """
    if file.sha256:
        kind, found, expected = "sha256", sha256_file(path), file.sha256
    elif file.git_blob:
        kind, found, expected = "git blob", _git_blob(path), file.git_blob
    elif file.md5:
        with path.open("rb") as stream:
            kind, found, expected = "md5", hashlib.file_digest(stream, "md5").hexdigest(), file.md5
    elif file.bytes:
        kind, found, expected = "size in bytes", str(path.stat().st_size), str(file.bytes)
    else:
        return None
    return None if found == expected else (kind, found, expected)


def _git_blob(path: Path) -> str:
    """The SHA-1 by which git names a file's content: of a header with its size, and the content."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _wrong_checksum(file: SourceFile, origin: str, wrong: tuple[str, str, str]) -> UserError:
    kind, found, expected = wrong
    return UserError(
        f"{file.name} is not the published file: its {kind} is {found}",
        place=origin,
        expected=f"{kind} {expected}",
        remedy="nothing was kept of it; replace that copy or use another source, and start again",
    )


def _copy(source: Path, target: Path) -> None:
    size = source.stat().st_size
    with (
        source.open("rb") as stream,
        target.open("wb") as sink,
        transfer_progress(source.name, size) as advance,
    ):
        while chunk := stream.read(_CHUNK):
            sink.write(chunk)
            advance(len(chunk))


def _unpack(source: Path, target: Path) -> None:
    try:
        with gzip.open(source) as stream, target.open("wb") as sink:
            shutil.copyfileobj(stream, sink, _CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"the copy cannot be unpacked ({error})",
            place=str(source),
            expected="a whole gzip file",
            remedy="nothing was kept of it; replace that copy, and start again",
        ) from None
