"""The commands that make a number, or a run, again from a clone, as its records tell.

Commit, uncommitted changes, lock and settings are those recorded; what comes out is compared by
sha256. Text is made here and nothing is run.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from workflow_src.archive.packs import FOLDER, SOURCES_PACK
from workflow_src.archive.results import CHECKPOINT, RECORDS, SOURCES
from workflow_src.errors import UserError
from workflow_src.lineage.records import ABSENT, JUDGE, MISSHAPEN, Ground, parents_of, short
from workflow_src.provenance.git import git_text
from workflow_src.provenance.record import refuse_newer_record

MEASURED = (
    "bounds.npz",
    "inpainting.npz",
    "leaf_posteriors.npz",
    "log_partition.npz",
    "kl_divergences.npz",
    "training_bounds.npz",
    "smoothed_bounds.npz",
    "global_samples.npz",
    "smoothing.npz",
    "predictions.npz",
    "judged.npz",
    "noiseless_judged.npz",
    "sharpened_judged.npz",
)
"""Of a measurement's files, those that numbers and figures of the report come from."""

_DIRECTORIES = {"data": "data", "results": "results"}


@dataclass(frozen=True)
class Origin:
    """What has to be equal for things to be made again by the same commands."""

    git: str
    settings: str
    lock: str
    python: str


@dataclass(frozen=True)
class Wanted:
    """One thing to be made again: its target of Snakemake, and the digests to be found then.

    ``target`` is text of the shell. ``expected`` holds (sha256, path); ``numbers`` are lines.
    """

    record: Mapping[str, Any]
    target: str
    expected: tuple[tuple[str, str], ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Commands:
    """Lines for a shell: those that many evaluations share come first, and those of one."""

    shared: tuple[str, ...]
    own: tuple[str, ...]


class NoCommandsError(UserError):
    """What cannot be made again from a clone, for something that its records do not have."""


class Reproduction:
    """Finds the commands for evaluations one by one, in words that hold on every machine.

    They start in the repository that the results belong to, wherever that lies.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._shared: dict[tuple[Origin, tuple[str, ...]], tuple[str, ...]] = {}

    def of_evaluation(self, fingerprint: str) -> Commands:
        """The commands that make one evaluation again.

        Raises
        ------
        NoCommandsError
            A record that is not here, or was made from code in no git repository.
        UserError
            A record that is damaged.
        """
        with _complaining([fingerprint]):
            wanted = _wanted_evaluation(self._ground, fingerprint)
            origin, about = _origin(wanted.record), tuple(_about(wanted.record))
            if (origin, about) not in self._shared:
                results = self._ground.shown_results.as_posix()
                self._shared[origin, about] = tuple(_anywhere(origin, about, results))
            return Commands(self._shared[origin, about], tuple(_making([wanted])))


def commands_for_evaluations(ground: Ground, fingerprints: Sequence[str]) -> list[str]:
    """The shell commands that make these evaluations again, one clone per state of the code."""
    return _commands(ground, _wanted_evaluation, fingerprints)


def commands_for_run(ground: Ground, fingerprint: str) -> list[str]:
    """The shell commands that train this run again, with the others of its bank."""
    return _commands(ground, _wanted_run, [fingerprint])


def _wanted_evaluation(ground: Ground, fingerprint: str) -> Wanted:
    record = _record(ground, "evaluations", fingerprint)
    content = record["content"]
    expected: list[tuple[str, str]] = []
    if content["winner"]:
        run = _record(ground, "runs", content["winner"])
        expected += _expected(ground, "runs", run, CHECKPOINT)
        for judge in parents_of(record, "run", JUDGE):
            run = _record(ground, "runs", judge["fingerprint"])
            expected += _expected(ground, "runs", run, CHECKPOINT)
    for entry in parents_of(record, "measurement"):
        measurement = _record(ground, "measurements", entry["fingerprint"])
        for name in MEASURED:
            expected += _expected(ground, "measurements", measurement, name)
    directory = ground.directory("evaluations", fingerprint)
    target = f"results/{directory}/{RECORDS['evaluations']}"
    numbers = tuple(
        f"{row['metric']} {row['value']!r} {row['unit']}"
        + (f" at {row['importance_samples']} samples" if row["importance_samples"] else "")
        for row in content["metrics"]
    )
    return Wanted(record, shlex.quote(target), tuple(expected), numbers)


def _wanted_run(ground: Ground, fingerprint: str) -> Wanted:
    record = _record(ground, "runs", fingerprint)
    # Which shard that is, the plan in the clone knows; its membership is written beside the data.
    shard = f'"results/shards/$(basename "$(grep -l {fingerprint} results/plan/shards/*.json)")"'
    expected = _expected(ground, "runs", record, CHECKPOINT)
    bound = record["content"]["result"]["best_validation_bound"]
    return Wanted(record, shard, tuple(expected), (f"best validation bound {bound!r} nats",))


def _expected(
    ground: Ground, kind: str, record: Mapping[str, Any], name: str
) -> list[tuple[str, str]]:
    outputs = record["outputs"]
    if name not in outputs:
        return []
    directory = ground.directory(kind, record["fingerprint"])
    return [(outputs[name]["sha256"], f"results/{directory}/{name}")]


def _record(ground: Ground, kind: str, fingerprint: str) -> Mapping[str, Any]:
    directory = ground.directory(kind, fingerprint)
    if directory is None:
        raise NoCommandsError(
            f"there is no record of {fingerprint} to follow ({ABSENT})",
            place=f"{kind}: {fingerprint}",
            remedy="fetch the results (`dvc pull`), or make them again with snakemake",
        )
    record = ground.results.record(directory)
    refuse_newer_record(record, ground.place(directory))
    return record


def _commands(
    ground: Ground, find: Callable[[Ground, str], Wanted], fingerprints: Sequence[str]
) -> list[str]:
    with _complaining(fingerprints):
        return _of_all(ground, [find(ground, one) for one in fingerprints])


@contextlib.contextmanager
def _complaining(fingerprints: Sequence[str]) -> Iterator[None]:
    """Within it a record that lacks something is a `UserError`."""
    try:
        yield
    except MISSHAPEN as error:
        raise UserError(
            f"a record is damaged ({type(error).__name__}: {error})",
            place=", ".join(fingerprints),
            remedy="`python -m workflow_src audit` says which, and how to mend it",
        ) from None


def _of_all(ground: Ground, wanted: Sequence[Wanted]) -> list[str]:
    groups: dict[Origin, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(_origin(one.record), []).append(one)
    lines: list[str] = []
    for number, (origin, members) in enumerate(groups.items()):
        if len(groups) > 1:
            lines.append(f"# Part {number + 1} of {len(groups)}, each from a clone of its own.")
        folder = _folder(origin) + (f"-{number + 1}" if number else "")
        lines += _preparation(ground, origin, _about(members[0].record), folder)
        lines += _making(members)
    return lines


def _origin(record: Mapping[str, Any]) -> Origin:
    git, environment = record.get("git", {}), record.get("environment", {})
    if not git.get("commit"):
        raise NoCommandsError(
            f"{record['kind']} {record['fingerprint']} was made from code in no git repository, "
            f"so no clone has it ({git.get('reason', 'there was no commit yet')})",
            remedy="its modules are in results/sources, by the digests that trace shows",
        )
    if not re.fullmatch(r"[0-9a-f]{40,64}", str(git["commit"])):
        raise UserError(f"{git['commit']!r} is no commit", place=f"record {record['fingerprint']}")
    known = ("commit", "dirty", "changes_digest", "difference_file", "left_out_files")
    return Origin(
        git=_text({name: git.get(name) for name in known}),
        settings=_text(record["content"].get("settings")),
        lock=_text(environment.get("lock")),
        python=str(environment.get("python")),
    )


def _folder(origin: Origin) -> str:
    return f"density-bench-{json.loads(origin.git)['commit'][:8]}"


def _preparation(ground: Ground, origin: Origin, about: Iterable[str], folder: str) -> list[str]:
    """From nothing to a clone with its environment and its data."""
    git = json.loads(origin.git)
    return [
        *about,
        f"git clone {_address(ground.root, git['commit'])} {folder}",
        f"cd {folder}",
        f"git checkout --quiet {git['commit']}",
        *_apply(ground, git),
        *_python_here(origin),
        *_furnishing(origin),
    ]


def _anywhere(origin: Origin, about: Iterable[str], results: str) -> list[str]:
    """The same from the repository's folder, and without a word about what is there now."""
    git = json.loads(origin.git)
    folder = f"../{_folder(origin)}"
    return [
        *about,
        "# To be started in the folder of the repository that these results belong to.",
        'REPOSITORY="$PWD"',
        f'git clone "$REPOSITORY" {folder}',
        f"cd {folder}",
        f"git checkout --quiet {git['commit']}",
        *_apply_anywhere(git, results),
        *_furnishing(origin),
    ]


def _furnishing(origin: Origin) -> list[str]:
    """In the clone: its environment, its settings and its data."""
    settings = json.loads(origin.settings)
    return [
        *_environment(origin),
        "# Data sets are fetched; without internet: export DENSITY_BENCH_MIRROR=FOLDER before.",
        f"set -- {_options(settings)}",
        '.venv/bin/snakemake --profile local data --config "$@"',
    ]


def _making(members: Sequence[Wanted]) -> list[str]:
    """In that clone: what is wanted, and how to compare."""
    targets = " ".join(dict.fromkeys(one.target for one in members))
    made = f'.venv/bin/snakemake --profile local {targets} --config "$@"'
    return [made, *_comparison(members)]


def _about(record: Mapping[str, Any]) -> list[str]:
    machine, determinism = record["machine"], record.get("determinism", {})
    gpu = machine["gpu"]["name"] if machine.get("gpu") else "no GPU"
    packages = record["environment"].get("packages", {})
    lines = [
        f"# Made on {machine['cpu']}, {gpu}, {record.get('threads')} threads, with Python "
        f"{record['environment']['python']} and torch {packages.get('torch')}.",
        "# On a like machine and with equal threads every byte comes out again; elsewhere numbers "
        "agree to rounding.",
    ]
    if determinism.get("torch", {}).get("deterministic_algorithms") is False:
        lines.append("# torch was free to use algorithms that do not repeat to the bit.")
    settings = record["content"].get("settings")
    if settings is None:
        lines.append("# The record holds no settings; config.yaml at that commit has its own.")
    elif study := [name for name in settings["studies"] if name.endswith((".yaml", ".yml"))]:
        lines.append(f"# The study {', '.join(study)} has to be in the clone.")
    return lines + _about_training(record["content"].get("circumstances", {}))


def _about_training(circumstances: Mapping[str, Any]) -> list[str]:
    lines = []
    if len(bank := circumstances.get("bank", [])) > 1:
        lines.append(
            f"# It was trained side by side with {len(bank) - 1} others, as will be again."
        )
    if interruptions := circumstances.get("interruptions"):
        lines.append(f"# It was interrupted {len(interruptions)} times and went on.")
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


def _apply(ground: Ground, git: Mapping[str, Any]) -> list[str]:
    """The recorded difference, from where it is kept."""
    lines, name = _uncommitted(git)
    if name is None:
        return lines
    loose = ground.results.root / SOURCES / name
    if loose.is_file():
        return [
            *lines,
            f"git apply --allow-empty --whitespace=nowarn {shlex.quote(str(loose.resolve()))}",
        ]
    pack = ground.results.root / FOLDER / SOURCES_PACK
    if ground.results.difference(name.removesuffix(".patch")) is None:
        return [*lines, f"# The uncommitted changes {name} are not in results/sources: not here."]
    unpacked = shlex.quote(f"../{SOURCES}-{short(name)}")
    return [
        *lines,
        f"python3 -m zipfile -e {shlex.quote(str(pack.resolve()))} {unpacked}",
        f"git apply --allow-empty --whitespace=nowarn {unpacked}/{name}",
    ]


def _apply_anywhere(git: Mapping[str, Any], results: str) -> list[str]:
    """The recorded difference, from the folder of results or from the pack that holds it."""
    lines, name = _uncommitted(git)
    if name is None:
        return lines
    folder, pack = f"{results}/{SOURCES}", f"{results}/{FOLDER}/{SOURCES_PACK}"
    return [
        *lines,
        f'test -f "$REPOSITORY/{folder}/{name}" ||'
        f' python3 -m zipfile -e "$REPOSITORY/{pack}" "$REPOSITORY/{folder}"',
        f'git apply --allow-empty --whitespace=nowarn "$REPOSITORY/{folder}/{name}"',
    ]


def _uncommitted(git: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """What is to be said of uncommitted changes, and the file that holds them; None for none."""
    if not git.get("dirty"):
        return [], None
    lines = [
        f"# Not committed and without a copy: {one['name']} ({one['bytes']} bytes)."
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


def _environment(origin: Origin) -> list[str]:
    version = ".".join(origin.python.split(".")[:2])
    lock = json.loads(origin.lock)
    if lock:
        line = f"echo '{lock['sha256']}  {lock['name']}' | sha256sum --check"
    else:
        line = "# The record names no lock file; the versions that it lists were installed."
    return [line, f"make env PYTHON=python{version}"]


def _options(settings: Mapping[str, Any] | None) -> str:
    values = {**(settings or {}), "directories": _DIRECTORIES}
    return " ".join(shlex.quote(f"{name}={_yaml(value)}") for name, value in sorted(values.items()))


def _yaml(value: Any) -> str:
    """A value as Snakemake's option --config takes it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _comparison(members: Iterable[Wanted]) -> list[str]:
    lines = ["# To compare:"]
    for one in members:
        lines += [f"echo '{sha256}  {path}' | sha256sum --check" for sha256, path in one.expected]
        lines += [f"#   {number}" for number in one.numbers]
    return lines


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
