"""The commands that make a number, or a run, again from a clone, as its records tell.

Commit, uncommitted changes, lock and settings are those recorded; what comes out is compared by
sha256. Text is made here and nothing is run.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.archive.results import CHECKPOINT, RECORDS
from workflow_src.errors import UserError
from workflow_src.lineage.cloning import (
    CLOSE,
    NoCommandsError,
    Origin,
    about_record,
    checked_sha256,
    clone_beside,
    clone_here,
    comment,
    origin_of,
)
from workflow_src.lineage.records import ABSENT, JUDGE, MISSHAPEN, Ground, parents_of
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

_FINGERPRINT = re.compile(r"[0-9a-f]+")


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


class Reproduction:
    """Finds the commands for evaluations one by one, in words that hold on every machine.

    They start in the repository that the results belong to, wherever that lies, and change nothing
    in it.
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
            origin, about = origin_of(wanted.record), tuple(about_record(wanted.record))
            if (origin, about) not in self._shared:
                lines = clone_beside(origin, about, self._ground.shown_results)
                self._shared[origin, about] = tuple(lines)
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
        expected += _expected(ground, "runs", content["winner"], [CHECKPOINT])
        for judge in parents_of(record, "run", JUDGE):
            expected += _expected(ground, "runs", judge["fingerprint"], [CHECKPOINT])
    for entry in parents_of(record, "measurement"):
        expected += _expected(ground, "measurements", entry["fingerprint"], MEASURED)
    directory = ground.directory("evaluations", fingerprint)
    target = f"results/{directory}/{RECORDS['evaluations']}"
    numbers = tuple(
        f"{row['metric']} {row['value']!r} {row['unit']}"
        + (f" at {row['importance_samples']} samples" if row["importance_samples"] else "")
        for row in content["metrics"]
    )
    return Wanted(record, shlex.quote(target), tuple(expected), numbers)


def _wanted_run(ground: Ground, fingerprint: str) -> Wanted:
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise UserError(f"{fingerprint!r} is no fingerprint of a run")
    record = _record(ground, "runs", fingerprint)
    # Which shard that is, the plan in the clone knows; its membership is written beside the data.
    shard = f'"results/shards/$(basename "$(grep -l {fingerprint} results/plan/shards/*.json)")"'
    expected = _expected(ground, "runs", fingerprint, [CHECKPOINT])
    bound = record["content"]["result"]["best_validation_bound"]
    return Wanted(record, shard, tuple(expected), (f"best validation bound {bound!r} nats",))


def _expected(
    ground: Ground, kind: str, fingerprint: str, names: Iterable[str]
) -> list[tuple[str, str]]:
    """Of these files of a result, those that it has, as the clone is to have them."""
    outputs = _record(ground, kind, fingerprint)["outputs"]
    folder = f"results/{ground.directory(kind, fingerprint)}"
    return [
        (checked_sha256(outputs[name]["sha256"], f"record {fingerprint}"), f"{folder}/{name}")
        for name in names
        if name in outputs
    ]


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
        groups.setdefault(origin_of(one.record), []).append(one)
    lines: list[str] = []
    for number, (origin, members) in enumerate(groups.items()):
        if len(groups) > 1:
            lines.append(f"# Part {number + 1} of {len(groups)}, each from a clone of its own.")
        folder = origin.folder + (f"-{number + 1}" if number else "")
        lines += clone_here(ground, origin, about_record(members[0].record), folder)
        lines += _making(members)
    return lines


def _making(members: Sequence[Wanted]) -> list[str]:
    """In a clone that is ready: what is wanted, and how to compare; the end of all commands."""
    targets = " ".join(dict.fromkeys(one.target for one in members))
    made = f'.venv/bin/snakemake --profile local {targets} --config "$@"'
    return [made, *_comparison(members), CLOSE]


def _comparison(members: Iterable[Wanted]) -> list[str]:
    """One command for all files, so that each is compared also where an earlier one differs."""
    lines, sums = ["# To compare:"], []
    for one in members:
        lines += [comment(number, margin=3) for number in one.numbers]
        sums += [shlex.quote(f"{sha256}  {path}") for sha256, path in one.expected]
    if sums:
        lines += ["printf '%s\\n' \\", *(f"  {one} \\" for one in sums)]
        lines.append("  | sha256sum --check")
    return lines
