"""Shell text that makes a clone of recorded code, with its environment, settings and data.

Records come from others. Their words stand in comments of one line or between quotes; where a
digest, a version or the name of a file belongs, nothing else gets in: the record is damaged then.
Everything runs in a subshell that ends at the first failure, in no folder but the clone.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from workflow_src.archive.packs import FOLDER, SOURCES_PACK
from workflow_src.archive.results import SOURCES
from workflow_src.errors import UserError
from workflow_src.lineage.records import Ground, short
from workflow_src.provenance.git import git_text

OPEN, CLOSE = "( set -e", ")"
"""Around all commands, so that neither a failure nor a folder is left to the shell of a reader."""

_DIRECTORIES = {"data": "data", "results": "results"}

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIFFERENCE_FILE = re.compile(r"[0-9a-f]{64}\.patch")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"([0-9]+\.[0-9]+)[0-9A-Za-z.+]*")
_SETTING = re.compile(r"[a-z_]+")


class NoCommandsError(UserError):
    """What cannot be made again from a clone, for something that its records do not have."""


@dataclass(frozen=True)
class Origin:
    """What has to be equal for things to be made again by the same commands."""

    git: str
    settings: str
    lock: str
    python: str

    @property
    def folder(self) -> str:
        """The name of the clone."""
        return f"density-bench-{json.loads(self.git)['commit'][:8]}"


def origin_of(record: Mapping[str, Any]) -> Origin:
    """The state of code, settings and environment that a record was made by.

    Raises
    ------
    NoCommandsError
        For code in no git repository.
    UserError
        For a record with something else where a digest, a version or a name belongs.
    """
    git, environment = record.get("git", {}), record.get("environment", {})
    if not git.get("commit"):
        raise NoCommandsError(
            f"{record['kind']} {record['fingerprint']} was made from code in no git repository, "
            f"so no clone has it ({git.get('reason', 'there was no commit yet')})",
            remedy="its modules are in results/sources, by the digests that trace shows",
        )
    place = f"record {record['fingerprint']}"
    _checked(git["commit"], _COMMIT, "commit", place)
    if git.get("dirty") and git.get("changes_digest"):
        _checked(git["changes_digest"], _SHA256, "digest of changes", place)
        if git.get("difference_file"):
            _checked(git["difference_file"], _DIFFERENCE_FILE, "file of changes", place)
    if lock := environment.get("lock"):
        checked_sha256(lock["sha256"], place)
        _checked(lock["name"], _FILE, "lock file", place)
    for name in record["content"].get("settings") or {}:
        _checked(name, _SETTING, "setting", place)
    known = ("commit", "dirty", "changes_digest", "difference_file", "left_out_files")
    return Origin(
        git=_text({name: git.get(name) for name in known}),
        settings=_text(record["content"].get("settings")),
        lock=_text(lock),
        python=_checked(environment.get("python"), _VERSION, "version of Python", place),
    )


def checked_sha256(value: Any, place: str) -> str:
    """A digest of a record, which is then safe in a shell; a `UserError` for anything else."""
    return _checked(value, _SHA256, "sha256", place)


def comment(text: str, margin: int = 1) -> str:
    """A comment that is one line, whatever characters its text has."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"#{' ' * margin}{' '.join(line.split())}"


def clone_here(ground: Ground, origin: Origin, about: Iterable[str], folder: str) -> list[str]:
    """From nothing to a clone in the working directory, with its environment and its data."""
    git = json.loads(origin.git)
    return [
        *about,
        OPEN,
        f"git clone {_address(ground.root, git['commit'])} {shlex.quote(folder)}",
        f"cd ./{shlex.quote(folder)}",
        f"git checkout --quiet {git['commit']}",
        *_apply_from_here(ground, git),
        *_python_here(origin),
        *_install_and_fetch(origin),
    ]


def clone_beside(origin: Origin, about: Iterable[str], results: Path) -> list[str]:
    """The same beside the repository of the results, without a word about what is there now."""
    git = json.loads(origin.git)
    folder = f'"$REPOSITORY/../{origin.folder}"'
    return [
        *about,
        "# To be started in the repository that these results belong to, in whichever folder.",
        OPEN,
        'REPOSITORY="$(git rev-parse --show-toplevel)"',
        f'git clone "$REPOSITORY" {folder}',
        f"cd {folder}",
        f"git checkout --quiet {git['commit']}",
        *_apply_from_repository(git, results),
        *_install_and_fetch(origin),
    ]


def about_record(record: Mapping[str, Any]) -> list[str]:
    """Comments on what has to be known of how a record was made."""
    machine, determinism = record["machine"], record.get("determinism", {})
    gpu = machine["gpu"]["name"] if machine.get("gpu") else "no GPU"
    packages = record["environment"].get("packages", {})
    lines = [
        f"Made on {machine['cpu']}, {gpu}, {record.get('threads')} threads, with Python "
        f"{record['environment']['python']} and torch {packages.get('torch')}.",
        "On a like machine and with equal threads every byte comes out again; elsewhere numbers "
        "agree to rounding.",
    ]
    if determinism.get("torch", {}).get("deterministic_algorithms") is False:
        lines.append("torch was free to use algorithms that do not repeat to the bit.")
    settings = record["content"].get("settings")
    if settings is None:
        lines.append("The record holds no settings; config.yaml at that commit has its own.")
    elif study := [name for name in settings["studies"] if name.endswith((".yaml", ".yml"))]:
        lines.append(f"The study {', '.join(study)} has to be in the clone.")
    lines += _about_training(record["content"].get("circumstances", {}))
    return [comment(line) for line in lines]


def _about_training(circumstances: Mapping[str, Any]) -> list[str]:
    lines = []
    if len(bank := circumstances.get("bank", [])) > 1:
        lines.append(f"It was trained side by side with {len(bank) - 1} others, as will be again.")
    if interruptions := circumstances.get("interruptions"):
        lines.append(f"It was interrupted {len(interruptions)} times and went on.")
    return lines


def _address(root: Path, commit: str) -> str:
    """The origin where that has the commit, else this repository itself."""
    if git_text(root, "branch", "--remotes", "--contains", commit, "--list", "origin/*"):
        address = git_text(root, "remote", "get-url", "origin")
        if address:
            return shlex.quote(_without_password(address))
    top = git_text(root, "rev-parse", "--show-toplevel") or str(root.resolve())
    return shlex.quote(top)


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    if not parts.hostname or "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _apply_from_here(ground: Ground, git: Mapping[str, Any]) -> list[str]:
    """The recorded difference, from where it is kept."""
    lines, name = _uncommitted(git)
    if name is None:
        return lines
    loose = ground.results.root / SOURCES / name
    if loose.is_file():
        return [*lines, _apply(shlex.quote(str(loose.resolve())))]
    pack = ground.results.root / FOLDER / SOURCES_PACK
    if ground.results.difference(name.removesuffix(".patch")) is None:
        return [*lines, f"# The uncommitted changes {name} are not in results/sources: not here."]
    unpacked = _unpacked(name)
    return [
        *lines,
        f"python3 -m zipfile -e {shlex.quote(str(pack.resolve()))} {unpacked}",
        _apply(f"{unpacked}/{name}"),
    ]


def _apply_from_repository(git: Mapping[str, Any], results: Path) -> list[str]:
    """The recorded difference, from the folder of results or from the pack that holds it."""
    lines, name = _uncommitted(git)
    if name is None:
        return lines
    loose, pack = (
        f'"$REPOSITORY"/{shlex.quote((results / path).as_posix())}'
        for path in (Path(SOURCES, name), Path(FOLDER, SOURCES_PACK))
    )
    unpacked = _unpacked(name)
    return [
        *lines,
        f"CHANGES={loose}",
        f'test -f "$CHANGES" || CHANGES={unpacked}/{name}',
        f'test -f "$CHANGES" || python3 -m zipfile -e {pack} {unpacked}',
        _apply('"$CHANGES"'),
    ]


def _apply(difference: str) -> str:
    return f"git apply --allow-empty --whitespace=nowarn {difference}"


def _unpacked(name: str) -> str:
    """The folder beside the clone that sources are unpacked to."""
    return f"../{SOURCES}-{short(name)}"


def _uncommitted(git: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """What is to be said of uncommitted changes, and the file that holds them; None for none."""
    if not git.get("dirty"):
        return [], None
    lines = [
        comment(f"Not committed and without a copy: {one['name']} ({one['bytes']} bytes).")
        for one in git.get("left_out_files") or []
    ]
    if not git.get("changes_digest"):
        return [*lines, "# No copy of the uncommitted changes was made: not here."], None
    return lines, git.get("difference_file") or f"{git['changes_digest']}.patch"


def _python_here(origin: Origin) -> list[str]:
    here = ".".join(map(str, sys.version_info[:3]))
    if here == origin.python:
        return []
    return [f"# Python {origin.python} was used; the one here is {here}."]


def _install_and_fetch(origin: Origin) -> list[str]:
    """In the clone: its environment, its settings and its data."""
    settings = json.loads(origin.settings)
    return [
        *_environment(origin),
        "# Data sets are fetched; without internet: export DENSITY_BENCH_MIRROR=FOLDER before.",
        f"set -- {_options(settings)}",
        '.venv/bin/snakemake --profile local data --config "$@"',
    ]


def _environment(origin: Origin) -> list[str]:
    version = _VERSION.fullmatch(origin.python)
    lock = json.loads(origin.lock)
    if lock:
        line = f"echo '{lock['sha256']}  {lock['name']}' | sha256sum --check"
    else:
        line = "# The record names no lock file; the versions that it lists were installed."
    return [line, f"make env PYTHON=python{version[1] if version else ''}"]


def _options(settings: Mapping[str, Any] | None) -> str:
    values = {**(settings or {}), "directories": _DIRECTORIES}
    return " ".join(shlex.quote(f"{name}={_yaml(value)}") for name, value in sorted(values.items()))


def _yaml(value: Any) -> str:
    """A value as Snakemake's option --config takes it, without characters that steer terminals."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value, sort_keys=True)


def _checked(value: Any, pattern: re.Pattern[str], what: str, place: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UserError(
            f"{value!r} is no {what}, so the record is damaged",
            place=place,
            remedy="`python -m workflow_src audit` says which, and how to mend it",
        )
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
