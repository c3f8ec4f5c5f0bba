"""What is there now: finished results, manifests, and what each job last said of itself.

Folders are listed; finished results are opened only where something has to be known of them, and
once by one `Scanner`. A directory with its final name is whole, as results are written that way.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import FOLDER as PACKED
from workflow_src.archive.packs import INDEX
from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.jobs.journal import FOLDER, Entry, State, read_entry
from workflow_src.plan.layout import Layout
from workflow_src.status.logs import log_of
from workflow_src.status.overview import Overview, overview_path, read_overview
from workflow_src.storage import read_json_object

_LOOKED_AT = 200
"""Records of finished runs that one scan opens at most."""

_SAMPLE = 20
"""Finished runs per family whose time is compared with what was expected."""

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Job:
    """What a job said of itself, and how many seconds ago it last wrote that down.

    ``log`` is the file with all that it said, where there is one.
    """

    entry: Entry
    quiet_seconds: float
    log: Path | None = None


@dataclass(frozen=True)
class RunFacts:
    """What is known of a finished run; a shard's manifest does not tell the time it took."""

    state: str
    reason: str
    device_seconds: float | None


@dataclass(frozen=True)
class Found:
    """What one scan found of a plan.

    Attributes
    ----------
    runs, evaluations:
        Fingerprints of those that are there, loose or packed.
    diverged:
        Finished runs that diverged, with the reason, among those whose state is known.
    unknown:
        How many finished runs are not known to have completed or diverged.
    manifests:
        The runs of every shard that left a manifest, by digest.
    jobs:
        Jobs by the hexadecimal name of what they make, but for jobs whose result is there.
    memberships:
        The runs of jobs that train a shard of an earlier plan, by digest.
    seconds:
        Device seconds of a sample of the finished runs that the plan expected to train.
    last_sign:
        Seconds since any job last wrote down anything, those included whose result is there; None
        where none ever did.
    """

    overview: Overview
    runs: frozenset[str]
    evaluations: frozenset[str]
    report: bool
    diverged: Mapping[str, str]
    unknown: int
    manifests: Mapping[str, tuple[str, ...]]
    jobs: Mapping[str, Job]
    memberships: Mapping[str, tuple[str, ...]]
    seconds: Mapping[str, float]
    last_sign: float | None = None


class Scanner:
    """Looks at one results directory, again and again; what cannot change is read once."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._layout = Layout(Path(), results)
        self._overview = _Kept(lambda path: read_overview(results))
        self._index = _Kept(lambda path: frozenset(Results(results).index.directories))
        self._manifests = _Kept(_read_manifest)
        self._memberships = _Kept(_read_membership)
        self._told: dict[str, RunFacts] = {}
        self._facts: dict[str, RunFacts] = {}

    def scan(self) -> Found:
        """What is there at this moment.

        Raises
        ------
        UserError
            Where nothing was planned yet, or plan or index are damaged.
        """
        overview = self._read_overview()
        # Manifests before runs: a shard that finishes in between has its runs there all the same.
        manifests = self._read_manifests()
        runs = self._existing({name: run.directory for name, run in overview.runs.items()})
        evaluations = self._existing(overview.evaluations)
        report = self._layout.report_manifest(overview.report).is_file()
        done = {*manifests, *evaluations, *([overview.report] if report else [])}
        jobs = self._read_jobs(done, overview.evaluations)
        unplanned = [name for name in jobs if name not in overview.shards]
        timed = self._look_at(overview, runs)
        known = self._told | self._facts
        diverged = {name for name, facts in known.items() if facts.state == "diverged"}
        return Found(
            overview=overview,
            runs=runs,
            evaluations=evaluations,
            report=report,
            diverged={name: known[name].reason for name in runs & diverged},
            unknown=len(runs - known.keys()),
            manifests=manifests,
            jobs=jobs,
            memberships=self._read_memberships(unplanned),
            seconds=timed,
            last_sign=_last_sign(self.results / FOLDER),
        )

    def _read_overview(self) -> Overview:
        overview: Overview | None = self._overview(overview_path(self.results))
        return read_overview(self.results) if overview is None else overview

    def _read_manifests(self) -> dict[str, tuple[str, ...]]:
        found = {}
        for name in _names_in(self.results / "shards"):
            if name.startswith(".") or not name.endswith(".json"):
                continue
            told: dict[str, RunFacts] | None = self._manifests(self.results / "shards" / name)
            if told is not None:
                self._told.update(told)
                found[name.removesuffix(".json")] = tuple(told)
        return found

    def _existing(self, directories: Mapping[str, str]) -> frozenset[str]:
        """Those of the directories, by fingerprint, that lie loose or in a pack."""
        listed: dict[str, frozenset[str]] = {}
        absent = {}
        for fingerprint, directory in directories.items():
            folder, _, name = directory.rpartition("/")
            if folder not in listed:
                listed[folder] = _names_in(self.results / folder)
            if name not in listed[folder]:
                absent[fingerprint] = directory
        packed = self._index(self.results / PACKED / INDEX) if absent else None
        missing = {name for name, place in absent.items() if place not in (packed or ())}
        return frozenset(directories.keys() - missing)

    def _read_jobs(self, done: Iterable[str], evaluations: Mapping[str, str]) -> dict[str, Job]:
        """The latest entry of every job whose result is not there."""
        folder = self.results / FOLDER
        finished = set(done)
        names = [
            name
            for name in sorted(_names_in(folder))
            if name.endswith(".json") and not name.startswith(".")
            if _key(name) not in finished
        ]
        if not names:
            return {}
        now = moment_in(folder)
        jobs: dict[str, Job] = {}
        for name in names:
            entry = read_entry(folder / name)
            with contextlib.suppress(OSError):
                changed = (folder / name).stat().st_mtime
                if entry is not None and entry.state is not State.FINISHED:
                    log = None
                    if entry.state is not State.QUEUED:
                        log = log_of(self.results, entry.rule, _key(name), evaluations)
                    jobs[_key(name)] = Job(entry, max(0.0, now - changed), log)
        return jobs

    def _read_memberships(self, digests: Iterable[str]) -> dict[str, tuple[str, ...]]:
        found = {}
        for digest in digests:
            runs: tuple[str, ...] | None = self._memberships(self._layout.shard_membership(digest))
            if runs is not None:
                found[digest] = runs
        return found

    def _look_at(self, overview: Overview, done: frozenset[str]) -> dict[str, float]:
        """Open some finished runs; the seconds of those that were timed against the plan."""
        sample = _sample(overview, done)
        unknown = sorted(done - self._told.keys() - set(sample))
        wanted = [name for name in [*sample, *unknown] if name not in self._facts][:_LOOKED_AT]
        results = Results(self.results)
        for name in wanted:
            with contextlib.suppress(UserError, OSError, ValueError, KeyError, TypeError):
                self._facts[name] = _facts_of_record(results.record(overview.runs[name].directory))
        found = {name: self._facts[name].device_seconds for name in sample if name in self._facts}
        return {name: seconds for name, seconds in found.items() if seconds is not None}


class _Kept:
    """A function of a file, called again only when the file has changed; None where it fails."""

    def __init__(self, read: Callable[[Path], Any]) -> None:
        self._read = read
        self._known: dict[Path, tuple[_Stamp, Any]] = {}

    def __call__(self, path: Path) -> Any:
        try:
            facts = path.stat()
        except OSError:
            return None
        stamp = facts.st_mtime_ns, facts.st_size, facts.st_ino
        if path not in self._known or self._known[path][0] != stamp:
            self._known[path] = stamp, self._read(path)
        return self._known[path][1]


def moment_in(folder: Path) -> float:
    """Now, as the file system of ``folder`` tells it: nodes' clocks differ, and its files' do not.

    This machine's clock where nothing can be written there.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".now-") as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _sample(overview: Overview, done: frozenset[str]) -> list[str]:
    """Up to `_SAMPLE` finished runs of each family among those that the plan was to train.

    The smallest fingerprints, which are as good as drawn at random.
    """
    families: dict[str, list[str]] = {}
    for runs in overview.shards.values():
        for name in runs:
            run = overview.runs.get(name)
            if name in done and run is not None and run.seconds:
                families.setdefault(run.family, []).append(name)
    return [name for names in families.values() for name in sorted(names)[:_SAMPLE]]


def _facts(content: Mapping[str, Any], seconds: float | None) -> RunFacts:
    status = content["status"]
    return RunFacts(str(status["state"]), str(status["reason"]), seconds)


def _facts_of_record(record: Mapping[str, Any]) -> RunFacts:
    content = record["content"]
    return _facts(content, float(content["result"]["device_seconds"]))


def _read_manifest(path: Path) -> dict[str, RunFacts] | None:
    with contextlib.suppress(UserError, KeyError, TypeError):
        return {run["fingerprint"]: _facts(run, None) for run in read_json_object(path)["runs"]}
    return None


def _read_membership(path: Path) -> tuple[str, ...] | None:
    with contextlib.suppress(UserError, KeyError, TypeError):
        return tuple(run["fingerprint"] for run in read_json_object(path)["runs"])
    return None


def _key(name: str) -> str:
    """What a journal's file is about: the last part of ``<rule>-<name>.json``."""
    return name.removesuffix(".json").rpartition("-")[2]


def _last_sign(folder: Path) -> float | None:
    changed = []
    for name in _names_in(folder):
        with contextlib.suppress(OSError):
            if name.endswith(".json") and not name.startswith("."):
                changed.append((folder / name).stat().st_mtime)
    return max(0.0, moment_in(folder) - max(changed)) if changed else None


def _names_in(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
