"""Recognises missing runs among results of earlier code, data and settings.

A result's record tells the code and the data that it was made with. With these, the names that all
missing runs of its family had then follow by hashing alone; those that lie there are the same runs
before the change. So one record explains thousands of runs, and few are read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import ENVIRONMENT, Code, run_fingerprint
from workflow_src.plan.specs import RunSpec, Scalar, from_canonical
from workflow_src.storage import digest

RECORDS_READ = 40
"""Records of one family that are read at most."""

NAMES_GUESSED = 60_000
"""Fingerprints that are worked out at most, all families together: about a second's."""

VALUES_CHANGED = 4
"""Values of a spec that may differ for two runs to count as one with other settings."""

_ATTEMPTS_AT_SETTINGS = 12
_SETTINGS = ("protocol", "stream")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """One value of a spec, before and now."""

    name: str
    before: Scalar
    now: Scalar

    def line(self) -> str:
        """The change as people read it."""
        return f"{self.name} {self.before} -> {self.now}"


@dataclass(frozen=True)
class Earlier:
    """How some missing runs were made before.

    Attributes
    ----------
    record:
        Of one result that was made so.
    code, data:
        The identity of its code, and the fingerprint of its data.
    settings:
        The values that its spec has otherwise.
    """

    record: Record = field(compare=False, hash=False)
    code: str
    data: str
    settings: tuple[Setting, ...] = ()


@dataclass
class Search:
    """Looks through the orphans of one family after another, within limits."""

    results: Results
    planned: Collection[RunSpec]
    names_left: int = NAMES_GUESSED

    def explain(
        self, missing: Mapping[str, RunSpec], orphans: Mapping[str, str], code: Code, data: str
    ) -> tuple[dict[str, list[Earlier]], int]:
        """How each missing run of a family was made before, and how many orphans were not read.

        ``code`` and ``data`` are what the family's runs are made with now. A run that was made in
        several ways has all of them, and one that never was is left out.
        """
        found: dict[str, list[Earlier]] = {}
        seen: set[Earlier] = set()
        known: set[str] = set()
        others: list[tuple[RunSpec, Earlier]] = []
        read = 0
        for name, directory in orphans.items():
            if name in known:
                continue
            if read == RECORDS_READ:
                break
            read += 1
            made = _made(self.results, directory)
            if made is None:
                continue
            spec, earlier = made
            if (earlier.code, earlier.data) != (code.identity, data) and earlier not in seen:
                seen.add(earlier)
                known |= self._match(missing, earlier, code.step, orphans, found)
            if spec not in self.planned:
                others.append((spec, earlier))
        unexplained = {name: spec for name, spec in missing.items() if name not in found}
        for spec, earlier in others[:_ATTEMPTS_AT_SETTINGS]:
            changed = _with_settings(spec, earlier, unexplained.values())
            if changed is None or changed in seen:
                continue
            seen.add(changed)
            known |= self._match(unexplained, changed, code.step, orphans, found)
            unexplained = {n: one for n, one in unexplained.items() if n not in found}
        unread = max(sum(name not in known for name in orphans) - read, 0)
        return found, unread

    def _match(
        self,
        missing: Mapping[str, RunSpec],
        earlier: Earlier,
        step: str,
        orphans: Mapping[str, str],
        found: dict[str, list[Earlier]],
    ) -> set[str]:
        """Add ``earlier`` to the missing runs that were made so; the names that these had."""
        code = Code(step, earlier.code, {}, earlier.code)
        known = set()
        for name, spec in missing.items():
            before = _before(spec, earlier.settings)
            if before is None:
                continue
            if self.names_left <= 0:
                break
            self.names_left -= 1
            former = run_fingerprint(before, earlier.data, code)
            if former in orphans:
                known.add(former)
                found.setdefault(name, []).append(earlier)
        return known


def code_of(record: Record) -> tuple[str, str]:
    """The digest and the identity of the code that a record names."""
    code = record["content"]["code"]
    return code["digest"], code.get("identity", code["digest"])


def bare_digest(modules: Mapping[str, str]) -> str:
    """The digest of a step's code without the environment, as acceptances know it."""
    return digest({name: one for name, one in modules.items() if name != ENVIRONMENT})


def commit_of(record: Record) -> str | None:
    """The commit that a record names."""
    git = record.get("git")
    return git.get("commit") if isinstance(git, dict) else None


def _made(results: Results, directory: str) -> tuple[RunSpec, Earlier] | None:
    # A damaged record is the audit's to tell; here it only fails to explain anything.
    try:
        record = results.record(directory)
        content = record["content"]
        spec = from_canonical(content["spec"])
        return spec, Earlier(record, code_of(record)[1], str(content["data"]))
    except (UserError, KeyError, TypeError, AttributeError, ValueError):
        return None


def _with_settings(orphan: RunSpec, earlier: Earlier, missing: Iterable[RunSpec]) -> Earlier | None:
    """``earlier`` with the values in which an orphan differs from the nearest missing run."""
    best: tuple[Setting, ...] | None = None
    for spec in missing:
        if (spec.seed, spec.fraction) != (orphan.seed, orphan.fraction):
            continue
        settings = _differences(orphan, spec)
        if settings and len(settings) < (len(best) if best else VALUES_CHANGED + 1):
            best = settings
    return dataclasses.replace(earlier, settings=best) if best else None


def _differences(before: RunSpec, now: RunSpec) -> tuple[Setting, ...] | None:
    """The settings in which two specs differ; None where they have other names of values."""
    changes = [
        Setting(name, getattr(before, name), getattr(now, name))
        for name in _SETTINGS
        if getattr(before, name) != getattr(now, name)
    ]
    if before.hyperparameters != now.hyperparameters:
        if len(before.hyperparameters) != len(now.hyperparameters):
            return None
        pairs = zip(before.hyperparameters, now.hyperparameters, strict=True)
        for (name, old), (other, new) in pairs:
            if name != other:
                return None
            if old != new:
                changes.append(Setting(name, old, new))
    return tuple(changes)


def _before(spec: RunSpec, settings: tuple[Setting, ...]) -> RunSpec | None:
    """The spec with the earlier values; None where it has not the values of now."""
    if not settings:
        return spec
    values = spec.canonical()
    for setting in settings:
        if values.get(setting.name) != setting.now:
            return None
        values[setting.name] = setting.before
    return from_canonical(values)
