"""What no current settings and no release refer to, among results and prepared data.

Finding and removing are apart. What jobs may be writing now is left alone: of states and half
written files, those that changed within a day. Packs are not touched: `pack` writes them anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.activity import changed_within
from workflow_src.archive.references import References, directory_name, follow, sources_of
from workflow_src.archive.removal import remove as remove_directory
from workflow_src.archive.results import KINDS, RECORDS, SOURCES, Results
from workflow_src.audit.files import is_leftover, listed
from workflow_src.errors import UserError
from workflow_src.jobs.journal import FOLDER as JOBS
from workflow_src.plan.fingerprints import ENVIRONMENT
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.memberships import evaluation_membership
from workflow_src.plan.plan import Plan
from workflow_src.provenance.git import git_text
from workflow_src.release.releases import FOLDER, RELEASE
from workflow_src.storage import explain, read_json_object

DAY = 86_400.0
"""Seconds for which a half written file or a state is taken for one that is in use."""


@dataclass(frozen=True)
class Stale:
    """Something that nothing refers to; ``bytes`` is the size of all files in it."""

    kind: str
    path: Path
    bytes: int


@dataclass(frozen=True)
class Found:
    """Everything stale, in the order in which it can be removed.

    ``packed`` is the number of packed directories that nothing refers to; ``young`` of things that
    may be in use; ``remarks`` are sentences.
    """

    stale: tuple[Stale, ...]
    packed: int
    young: int
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Kept:
    """What is referred to: result directories by name, prepared data by folder, texts of code."""

    directories: frozenset[str]
    prepared: frozenset[str]
    sources: frozenset[str]


def find_stale(plans: Sequence[Plan], *, now: float | None = None) -> Found:
    """What none of ``plans`` and no release refers to, below the directories of the first.

    Raises
    ------
    UserError
        A release, or a record that something refers to, that is damaged: what it refers to is not
        known then.
    """
    return _Search(plans, time.time() if now is None else now).found()


def remove(stale: Iterable[Stale]) -> None:
    """Remove what was found; a directory goes at once, and a kill leaves a hidden rest at most."""
    for one in stale:
        try:
            if one.path.is_dir() and not one.path.is_symlink():
                remove_directory(one.path)
            else:
                one.path.unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, one.path) from error
        for folder in one.path.parents[:2] if one.kind in KINDS else ():
            # A data set's and a model's folder go with their last result.
            with contextlib.suppress(OSError):
                folder.rmdir()


class _Search:
    def __init__(self, plans: Sequence[Plan], now: float) -> None:
        self.plans = plans
        self.now = now
        self.root = plans[0].root
        self.layout = plans[0].layout
        self.results = Results(self.root / self.layout.results)
        self.young = 0

    def found(self) -> Found:
        kept = self._kept()
        stale: list[Stale] = []
        for kind in ("evaluations", "measurements", "runs"):
            stale += [
                self._stale(kind, self.results.root / name)
                for name in self.results.directories(kind)
                if name not in kept.directories and self.results.is_loose(name)
            ]
        stale += self._prepared(kept)
        stale += self._manifests_and_memberships(kept)
        stale += self._states()
        stale += self._sources(kept)
        stale += self._leftovers()
        packed = [name for name in self.results.index.directories if name not in kept.directories]
        return Found(tuple(stale), len(packed), self.young, tuple(self._remarks()))

    def _kept(self) -> _Kept:
        released, prepared = _released(self.root)
        evaluations = {one for one in released if one.startswith("evaluations/")}
        wanted = follow(self.results, sorted(evaluations), released - evaluations)
        for plan in self.plans:
            wanted |= self._planned(plan)
            prepared |= {data.directory.name for data in plan.prepared}
        sources = {
            f"{digest}.py"
            for plan in self.plans
            for code in plan.closures.known
            for name, digest in code.modules.items()
            if name != ENVIRONMENT
        }
        for place, record in self._records(wanted.directories, prepared):
            try:
                sources |= sources_of(record)
            except (TypeError, AttributeError) as error:
                raise UserError(
                    f"the record is damaged ({error})",
                    place=place,
                    remedy="`python -m workflow_src audit` says how to mend it",
                ) from None
        return _Kept(wanted.directories, frozenset(prepared), frozenset(sources))

    def _planned(self, plan: Plan) -> References:
        """What a plan refers to, there or not."""
        evaluations = [directory_name(one.directory.as_posix()) for one in plan.evaluations]
        # Judges are among the runs.
        runs = {directory_name(run.directory.as_posix()) for run in plan.runs.values()}
        # Also a measurement whose evaluation is not there: the next one may choose its run.
        measurements = {
            directory_name(run["measurement"]["directory"])
            for one in plan.evaluations
            for run in evaluation_membership(plan, one)["runs"]
        }
        return follow(self.results, evaluations, runs | measurements)

    def _records(
        self, directories: Iterable[str], prepared: set[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every record whose texts of code are to be kept."""
        for name in sorted(directories):
            yield name, self.results.record(name)
        data = self.root / self.layout.data
        paths = [data / "prepared" / name / PREPARED_RECORD for name in sorted(prepared)]
        paths += sorted((data / "raw").glob("*/record.json"))
        paths += sorted((self.results.root / "report").glob("manifest-*.json"))
        for path in paths:
            if path.is_file():
                yield str(path), read_json_object(path)

    def _prepared(self, kept: _Kept) -> list[Stale]:
        folder = self.root / self.layout.data / "prepared"
        return [
            self._stale("prepared data", folder / entry.name)
            for entry in listed(folder)
            if entry.is_dir()
            and entry.name not in kept.prepared
            and not entry.name.startswith(".")
            and (folder / entry.name / PREPARED_RECORD).is_file()
        ]

    def _manifests_and_memberships(self, kept: _Kept) -> list[Stale]:
        shards = {shard.digest for plan in self.plans for shard in plan.shards}
        stale = []
        for path in self._files("shards"):
            if self._vouches(path, kept):
                shards.add(path.stem)
            elif path.stem not in shards:
                stale.append(self._stale("shard manifests", path))
        fingerprints = {name.rpartition("-")[2] for name in kept.directories}
        reports = {plan.report for plan in self.plans}
        reports |= {
            path.stem.removeprefix("manifest-")
            for path in (self.results.root / "report").glob("manifest-*.json")
        }
        planned = {one.fingerprint for plan in self.plans for one in plan.evaluations}
        known = {
            "prepared": {name.rpartition("-")[2] for name in kept.prepared},
            "shards": shards,
            "evaluations": fingerprints | planned,
            "reports": reports,
        }
        for kind, names in known.items():
            for path in self._files(f"plan/{kind}"):
                if path.stem not in names and not (kind == "shards" and self._is_in_use(path)):
                    stale.append(self._stale("memberships", path))
        return stale + self._journal({name for names in known.values() for name in names})

    def _journal(self, names: Collection[str]) -> list[Stale]:
        """Entries of jobs that no plan has and that gave no sign of life for a day."""
        return [
            self._stale("journal", path)
            for path in self._files(JOBS)
            if path.stem.rpartition("-")[2] not in names
            and not path.stem.startswith("fetch-")
            and not self._is_young(path)
        ]

    def _vouches(self, manifest: Path, kept: _Kept) -> bool:
        """Whether every run that a shard's manifest vouches for stays, as it was then."""
        runs = _runs(manifest, ("directory", "record_sha256"))
        for run in runs:
            name = directory_name(run["directory"])
            if name not in kept.directories:
                return False
            if self.results.sha256(name, RECORDS["runs"]) != run["record_sha256"]:
                return False
        return bool(runs)

    def _is_in_use(self, membership: Path) -> bool:
        """Whether a job of an earlier plan is still saving states of this shard."""
        for run in _runs(membership, ("state",)):
            state = self.root / run["state"]
            if state.is_dir() and self._is_young(state):
                return True
        return False

    def _states(self) -> list[Stale]:
        """States of runs that are finished, or that nobody asks for."""
        waiting = {name for plan in self.plans for name in plan.missing}
        folder = self.results.root / "states"
        return [
            self._stale("states", folder / entry.name)
            for entry in listed(folder)
            if entry.name not in waiting and self._is_old(folder / entry.name)
        ]

    def _sources(self, kept: _Kept) -> list[Stale]:
        return [
            self._stale("sources", path)
            for path in self._files(SOURCES, "*")
            if path.name not in kept.sources and path.suffix in (".py", ".patch")
        ]

    def _leftovers(self) -> list[Stale]:
        """Half written, damaged or nearly removed things, and folders that a killed job left."""
        places = (self.results.root, self.root / self.layout.data)
        stale = []
        for place, names, files in (step for top in places for step in os.walk(top)):
            for name in [*names, *files]:
                if is_leftover(name):
                    path = Path(place, name)
                    if self._is_old(path):
                        stale.append(self._stale("leftovers", path))
            names[:] = [name for name in names if not is_leftover(name)]
        for kind in KINDS:
            for path in sorted((self.results.root / kind).glob("*/*/*")):
                if path.is_dir() and path.name[0] != "." and not any(path.iterdir()):
                    stale += [self._stale("leftovers", path)] if self._is_old(path) else []
        return stale

    def _remarks(self) -> Iterator[str]:
        reports = {plan.report for plan in self.plans}
        for path in sorted((self.results.root / "report").glob("manifest-*.json")):
            if path.stem.removeprefix("manifest-") not in reports:
                place = path.relative_to(self.root)
                yield (
                    f"{place}: the report is of other settings or code; start snakemake to make it "
                    "anew, as what it was made from may go"
                )

    def _files(self, folder: str, pattern: str = "*.json") -> list[Path]:
        paths = sorted((self.results.root / folder).glob(pattern))
        return [path for path in paths if path.is_file() and not path.name.startswith(".")]

    def _is_old(self, path: Path) -> bool:
        """Whether nothing in it changed for a day; what is young is counted."""
        if self._is_young(path):
            self.young += 1
            return False
        return True

    def _is_young(self, path: Path) -> bool:
        return changed_within(path, DAY, self.now)

    def _stale(self, kind: str, path: Path) -> Stale:
        return Stale(kind, path, _size(path))


def _runs(path: Path, names: Iterable[str]) -> list[dict[str, str]]:
    """What a shard's manifest or membership says under ``names`` of each of its runs."""
    try:
        return [{name: str(run[name]) for name in names} for run in read_json_object(path)["runs"]]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the file is damaged ({type(error).__name__}: {error})",
            place=str(path),
            remedy="remove it and start again; it is made anew",
        ) from None


def _released(root: Path) -> tuple[set[str], set[str]]:
    """The result directories and prepared data that releases refer to, tracked in git or not."""
    directories: set[str] = set()
    prepared: set[str] = set()
    for place, text in _release_texts(root):
        try:
            release = json.loads(text)
            directories |= {directory_name(name) for name in release["directories"]}
            prepared |= set(release.get("prepared", []))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"the release is damaged ({type(error).__name__}: {error})",
                place=place,
                remedy="restore it with git; nothing is removed while it cannot be read",
            ) from None
    return directories, prepared


def _release_texts(root: Path) -> Iterator[tuple[str, str]]:
    tracked = git_text(root, "ls-files", "-z", "--", f"{FOLDER}/*/{RELEASE}")
    names = {name for name in tracked.split("\0") if name}
    names |= {path.relative_to(root).as_posix() for path in root.glob(f"{FOLDER}/*/{RELEASE}")}
    for name in sorted(names):
        path = root / name
        if path.is_file():
            yield name, path.read_text(errors="replace")
        else:
            # Removed here without a commit: what was committed still counts.
            yield name, git_text(root, "show", f":./{name}")


def _size(path: Path) -> int:
    paths = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    total = 0
    for one in paths:
        try:
            total += one.lstat().st_size if not one.is_dir() else 0
        except FileNotFoundError:
            continue
    return total
