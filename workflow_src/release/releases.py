"""Releases: results frozen under a name, with digests of all, to be committed and cited.

``releases/NAME/release.json`` is small and belongs into git; ``crate.zip`` beside it holds the
files and is published elsewhere. What a release refers to is never pruned.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.plan.memberships import asked
from workflow_src.provenance.repository import describe_repository
from workflow_src.release.crate import Contents, files_of, staged_crate, write_zip
from workflow_src.storage import (
    digest,
    new_directory,
    read_json_object,
    refuse_newer,
    sha256_file,
    write_json,
)

FOLDER = "releases"
RELEASE = "release.json"
CRATE = "crate.zip"
SIGNATURE = "release.json.sig"
NAMESPACE = "density-bench"
SCHEMA_VERSION = 1
LATEST = "latest"
"""Where a crate goes that is no release."""

_PATIENCE = 120.0
"""Seconds for ssh-keygen, which may ask for a passphrase."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def refuse_early(name: str, root: Path, sign: Path | None = None) -> None:
    """Refuse what can be seen before anything is read: a bad or taken name, a dirty tree, a key.

    Raises
    ------
    UserError
        Also where ``root`` is in no git repository or nothing was committed.
    """
    if not re.fullmatch(_NAME, name) or name == LATEST:
        raise UserError(
            f"{name!r} cannot be the name of a release",
            expected="letters, digits, dots, hyphens and underscores, and not latest",
        )
    place = root / FOLDER / name
    if place.exists():
        raise UserError(
            f"there is a release {name} already",
            place=str(place),
            remedy="choose another name: a release is never made anew",
        )
    git = describe_repository(root.resolve())
    if not git.get("commit"):
        raise UserError(
            "a release needs a commit", place=str(root), remedy="commit the project with git first"
        )
    if git.get("dirty") is not False:
        changed = [*git.get("changed_files", []), *git.get("new_files", [])]
        raise UserError(
            f"there are uncommitted changes: {', '.join(changed[:5]) or git.get('reason')}"
            f"{' ...' if changed[5:] else ''}",
            place=str(root),
            remedy="commit them, or take them back; a release names one commit",
        )
    if sign is not None and not sign.is_file():
        raise UserError("there is no such key", place=str(sign))


def write_release(
    name: str, settings: Settings, *, root: Path, sign: Path | None = None
) -> tuple[Path, Contents]:
    """Write ``releases/NAME``, whole or not at all; where it is, and what it holds.

    Nothing is audited here: that is the caller's to do, before.

    Raises
    ------
    UserError
        As `refuse_early`, and where the crate cannot be made or signed.
    """
    refuse_early(name, root, sign)
    commit = describe_repository(root.resolve())["commit"]
    final = root / FOLDER / name
    with new_directory(final) as folder:
        with staged_crate(settings, folder.parent, root=root) as (staged, contents):
            files = {path.relative_to(staged).as_posix(): _facts(path) for path in files_of(staged)}
            write_zip(folder / CRATE, staged)
        content = {
            "schema_version": SCHEMA_VERSION,
            "name": name,
            "commit": commit,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "report": contents.report["fingerprint"],
            "settings": asked(settings),
            "crate": {**_facts(folder / CRATE), "files": files},
            "tables": {
                path.removeprefix("results/tables/"): facts["sha256"]
                for path, facts in files.items()
                if path.startswith("results/tables/")
            },
            "directories": list(contents.directories),
            "prepared": sorted({Path(p).parent.name for p in files if _is_prepared(p)}),
        }
        write_json(folder / RELEASE, content | {"release_digest": digest(content)})
        if sign is not None:
            _sign(folder / RELEASE, sign)
    return final, contents


def verify_release(name: str, *, root: Path, allowed_signers: Path | None = None) -> list[str]:
    """What is wrong with a release, one sentence each; an empty list means that it stands.

    Raises
    ------
    UserError
        If there is no such release, or a newer version of this project wrote it.
    """
    folder = root / FOLDER / name
    if not (folder / RELEASE).is_file():
        known = sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{RELEASE}"))
        raise UserError(
            f"there is no release {name}",
            place=str(folder),
            expected=", ".join(known) or "none was made yet",
        )
    release = read_release(folder / RELEASE)
    rest = {key: value for key, value in release.items() if key != "release_digest"}
    findings = []
    if release.get("release_digest") != digest(rest):
        findings.append(f"{folder / RELEASE}: it was changed after it was written")
    try:
        findings += _verify_crate(folder / CRATE, release["crate"])
    except (AttributeError, KeyError, TypeError) as error:
        findings.append(f"{folder / RELEASE}: it is damaged ({type(error).__name__}: {error})")
    return findings + _verify_signature(folder, allowed_signers)


def read_release(path: Path) -> dict[str, Any]:
    """What a release says; one of a newer schema is a `UserError`."""
    release = read_json_object(path)
    refuse_newer(release, SCHEMA_VERSION, "release", path)
    return release


def is_signed(name: str, *, root: Path) -> bool:
    """Whether there is a signature."""
    return (root / FOLDER / name / SIGNATURE).is_file()


def _verify_crate(path: Path, expected: Mapping[str, Any]) -> list[str]:
    if not path.is_file():
        return [f"{path}: not here; git does not hold it, fetch it from where it is published"]
    findings = []
    if (found := sha256_file(path)) != expected.get("sha256"):
        findings.append(f"{path}: sha256 {found} where the release says {expected.get('sha256')}")
    files: Mapping[str, Any] = expected.get("files", {})
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name for name in archive.namelist() if not name.endswith("/")}
            findings += [f"{path}: {name} is missing" for name in sorted(files.keys() - names)]
            findings += [f"{path}: {name} is extra" for name in sorted(names - files.keys())]
            findings += [
                f"{path}: {name} is not what the release says"
                for name in sorted(names & files.keys())
                if hashlib.sha256(archive.read(name)).hexdigest() != files[name]["sha256"]
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        findings.append(f"{path}: it cannot be read ({error})")
    return findings


def _verify_signature(folder: Path, allowed_signers: Path | None) -> list[str]:
    signature = folder / SIGNATURE
    if not signature.is_file():
        return [f"{folder}: it is not signed"] if allowed_signers else []
    data = (folder / RELEASE).read_bytes()
    words = ["-n", NAMESPACE, "-s", str(signature)]
    if allowed_signers is None:
        done = _ssh_keygen("check-novalidate", words, data)
        return [] if done.returncode == 0 else [f"{signature}: {_said(done)}"]
    if not allowed_signers.is_file():
        raise UserError("there is no such file", place=str(allowed_signers))
    signers = ["-f", str(allowed_signers)]
    found = _ssh_keygen("find-principals", [*signers, "-s", str(signature)], b"")
    principals = found.stdout.decode(errors="replace").split()
    if not principals:
        return [f"{signature}: signed with a key that {allowed_signers} does not name"]
    done = _ssh_keygen("verify", [*signers, "-I", principals[0], *words], data)
    return [] if done.returncode == 0 else [f"{signature}: {_said(done)}"]


def _sign(path: Path, key: Path) -> None:
    done = _ssh_keygen("sign", ["-n", NAMESPACE, "-f", str(key), str(path)], b"")
    if done.returncode != 0:
        raise UserError(
            f"the release could not be signed ({_said(done)})",
            place=str(key),
            remedy="give a private key of ssh-keygen, or one whose agent is running",
        )


def _ssh_keygen(what: str, words: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UserError(
            "ssh-keygen is not installed",
            remedy="install OpenSSH 8.0 or later, or leave signatures out",
        )
    command = [program, "-Y", what, *words]
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"ssh-keygen did not end within {_PATIENCE:g} s",
            remedy="unlock the key first (`ssh-add`), and start again",
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), f"exit code {done.returncode}")


def _facts(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}


def _is_prepared(path: str) -> bool:
    return path.startswith("data/prepared/") and path.endswith("/record.json")
