"""Files that are whole or absent: every write goes to a temporary name and is then renamed.

Digests live here too, since what is written is what is hashed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError

log = logging.getLogger(__name__)

_PERMISSION = "give this user write permission there, or choose another directory in config.yaml"
_REMEDIES = {
    errno.ENOSPC: "free some space on that disk and start again; what is finished stays",
    errno.EDQUOT: "free some of your quota on that disk and start again; what is finished stays",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "choose a directory on a writable disk in config.yaml",
    errno.ENOTDIR: "remove or rename the file that stands where a directory is needed",
    errno.EEXIST: "remove or rename the file that stands where a directory is needed",
}


def digest(value: Any) -> str:
    """The sha256 (hex) of ``value`` as canonical JSON: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The value in a JSON file; a missing or damaged file is a `UserError`."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError("the file does not exist", place=str(path)) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"the file is damaged ({error})",
            place=str(path),
            expected="JSON as this program wrote it",
            remedy="remove it and start again; it is made anew",
        ) from None
    except OSError as error:
        raise explain(error, path) from error


def read_json_object(path: Path) -> dict[str, Any]:
    """As `read_json`, for a file that holds an object."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError("the file is damaged", place=str(path), expected="a JSON object")
    return value


class NewerSchemaError(UserError):
    """A file that a newer version of this project wrote: whole, but not for this one to judge."""


def refuse_newer(content: Mapping[str, Any], known: int, what: str, place: object) -> None:
    """Raise `NewerSchemaError` where the ``schema_version`` of ``content`` is not known yet."""
    version = content.get("schema_version")
    if isinstance(version, int) and version > known:
        raise NewerSchemaError(
            f"the {what} is of schema {version}, which this version does not know",
            place=str(place),
            expected=f"schema {known} or earlier",
            remedy="use the version of this project that wrote it, or a newer one",
        )


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write ``text``, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_text(text)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data``, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing_file(final: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``final`` that takes its name on success.

    A file that is not ``durable`` may be damaged by a power cut, but not by a kill.
    """
    temporary = _temporary_sibling(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            _flush_to_disk(temporary)
        temporary.replace(final)
    except OSError as error:
        raise explain(error, final) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(final: Path) -> Iterator[Path]:
    """Yield a temporary directory beside ``final`` that takes its name on success.

    Where another writer has filled ``final`` meanwhile, its result stays and this one is dropped:
    both were made under one fingerprint.
    """
    temporary = _temporary_sibling(final)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for path in temporary.iterdir():
            _flush_to_disk(path)
        try:
            temporary.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            log.warning("%s was already written by another job; this copy is dropped", final)
    except OSError as error:
        raise explain(error, final) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def explain(error: OSError, path: Path) -> UserError:
    """An operating system's error as one line that names the path and the way out."""
    return UserError(
        f"cannot be used ({os.strerror(error.errno) if error.errno else error})",
        place=str(error.filename or path),
        remedy=_REMEDIES.get(error.errno or 0, "look at that path, mend it and start again"),
    )


def _temporary_sibling(final: Path) -> Path:
    unique = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return final.parent / f".{final.name}.partial-{unique}"


def _flush_to_disk(path: Path) -> None:
    if path.is_file():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
