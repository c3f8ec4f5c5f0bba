"""Why data would be prepared, groups evaluated and the report made."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes.causes import Causes, value_changes
from workflow_src.changes.earlier import Record, code_of
from workflow_src.changes.orphans import Orphans, family_of, fingerprint_of
from workflow_src.changes.reasons import Reason, Reasons
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Code, evaluation_fingerprint
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.memberships import report_membership
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedEvaluation
from workflow_src.storage import read_json_object

RECORDS_READ = 20
"""Records of evaluations of one family that are read at most."""

_NAMED_AS_PARENT = re.compile(rb'"fingerprint":\s*"([0-9a-f]+)"')
_LOST = Reason("lost", ("an earlier report shows it, and its files are gone",))


def why_evaluations(
    plan: Plan, results: Results, causes: Causes, runs: Mapping[str, Reasons]
) -> dict[str, Reasons]:
    """The reasons of every missing evaluation; one that waits for runs has those of its runs."""
    missing = [one for one in plan.evaluations if not one.exists]
    reasons: dict[str, Reasons] = {}
    families: dict[str, list[PlannedEvaluation]] = defaultdict(list)
    lost = _named_by_reports(plan)
    for one in missing:
        waiting = next((name for name in one.needed if name in runs), None)
        if waiting is not None:
            reasons[one.fingerprint] = runs[waiting]
        elif one.fingerprint in lost:
            reasons[one.fingerprint] = (_LOST,)
        else:
            families[family_of(one.axes)].append(one)
    orphans = Orphans(results, "evaluations", [one.fingerprint for one in plan.evaluations])
    for family, members in families.items():
        code = plan.closures.of_evaluation(str(members[0].axes["model"]))
        found = _Search(results, orphans.of(family), code, causes).explain(members)
        reasons |= found
    return {one.fingerprint: reasons[one.fingerprint] for one in missing}


def why_prepared(plan: Plan, causes: Causes, needed: Collection[str]) -> dict[str, Reasons]:
    """The reasons of all data that are missing and ``needed`` (by fingerprint)."""
    reasons: dict[str, Reasons] = {}
    for data in plan.prepared:
        if data.fingerprint not in needed or (plan.root / data.record).is_file():
            continue
        prefix = f"{data.data_set}-{data.likelihood}-"
        folder = plan.root / data.directory.parent
        others = list(folder.glob(f"{prefix}*/{PREPARED_RECORD}"))
        if others:
            latest = max(others, key=lambda path: path.stat().st_mtime_ns)
            lines = causes.of_data(fingerprint_of(latest.parent.name), data)
            kind = "data" if any(line.startswith("recipe") for line in lines) else "code"
            reasons[data.fingerprint] = (Reason(kind, lines),)
        else:
            line = f"{data.data_set}, {data.likelihood}: not prepared here yet"
            reasons[data.fingerprint] = (Reason("new", (line,)),)
    return reasons


def why_report(plan: Plan, causes: Causes, evaluations: Collection[str]) -> Reasons | None:
    """The reasons for a missing report; None where it is there."""
    if (plan.root / plan.layout.report_manifest(plan.report)).is_file():
        return None
    if evaluations:
        return (Reason("evaluations", ("evaluations that it shows are to be made",)),)
    records = _reports(plan)
    if not records:
        return (Reason("new", ("report: none was made yet",)),)
    latest = max(records, key=lambda record: str(record.get("time", {}).get("ended", "")))
    code = plan.closures.of_report()
    reasons = []
    if code_of(latest)[1] != code.identity:
        reasons.append(Reason("code", causes.code(latest, code)))
    shown = _shown(plan, str(latest.get("fingerprint")))
    if shown or not reasons:
        other = ("titles, published numbers, studies or page templates",)
        reasons.append(Reason("shown", shown or other))
    return tuple(reasons)


@dataclass(frozen=True)
class _Way:
    """How an evaluation was made before: its code's identity and what was measured."""

    record: Record
    code: str
    measures: Any


class _Search:
    """Recognises the missing evaluations of one family among those that are there."""

    def __init__(
        self, results: Results, orphans: Mapping[str, str], code: Code, causes: Causes
    ) -> None:
        self._results = results
        self._orphans = orphans
        self._code = code
        self._causes = causes

    def explain(self, missing: Iterable[PlannedEvaluation]) -> dict[str, Reasons]:
        left = {one.fingerprint: one for one in missing}
        reasons: dict[str, Reasons] = {}
        known: set[str] = set()
        read: list[_Way] = []
        for name, directory in list(self._orphans.items()):
            if name in known or not left or len(read) == RECORDS_READ:
                continue
            way = self._way(directory)
            if way is None:
                continue
            if all((way.code, way.measures) != (one.code, one.measures) for one in read):
                for missed, former in self._same_runs(left, way):
                    known.add(former)
                    reasons[missed] = self._reasons(left.pop(missed), way)
            read.append(way)
        for one in left.values():
            reasons[one.fingerprint] = self._of_group(one, read)
        return reasons

    def _same_runs(
        self, missing: Mapping[str, PlannedEvaluation], way: _Way
    ) -> list[tuple[str, str]]:
        """The missing evaluations that were made in that way, each with its former name."""
        code = Code(self._code.step, way.code, {}, way.code)
        found = []
        for name, one in missing.items():
            judges = [judge.fingerprint for judge in one.judges]
            former = evaluation_fingerprint(one.runs, way.measures, code, judges)
            if former in self._orphans:
                found.append((name, former))
        return found

    def _of_group(self, one: PlannedEvaluation, read: Iterable[_Way]) -> Reasons:
        """The reasons against the evaluation of the same group that is nearest."""
        ways = [way for way in read if _is_of_group(way.record["content"], one)]
        if not ways:
            told_apart = {**one.axes, **one.groups[0].variant}
            values = ", ".join(f"{name} {value}" for name, value in told_apart.items())
            return (Reason("new", (f"evaluation of {values}",)),)
        return min((self._reasons(one, way) for way in ways), key=len)

    def _reasons(self, one: PlannedEvaluation, way: _Way) -> Reasons:
        reasons = []
        if way.code != self._code.identity:
            reasons.append(Reason("code", self._causes.code(way.record, self._code)))
        if way.measures != one.measures:
            reasons.append(Reason("measures", tuple(value_changes(way.measures, one.measures))))
        before = {c["fingerprint"] for c in way.record["content"]["candidates"]}
        if before != set(one.runs):
            more, less = len(set(one.runs) - before), len(before - set(one.runs))
            reasons.append(
                Reason("candidates", (f"{more} more, {less} fewer runs to choose from",))
            )
        judging = {judge["fingerprint"] for judge in way.record["content"].get("judges", ())}
        now = {judge.fingerprint for judge in one.judges}
        if judging != now:
            more, less = len(now - judging), len(judging - now)
            reasons.append(Reason("judges", (f"{more} more, {less} fewer judges",)))
        return tuple(reasons)

    def _way(self, directory: str) -> _Way | None:
        try:
            record = self._results.record(directory)
            content = record["content"]
            if not isinstance(content["candidates"], list):
                return None
            return _Way(record, code_of(record)[1], content["measures"])
        except (UserError, KeyError, TypeError, AttributeError):
            return None


def _is_of_group(content: Mapping[str, Any], one: PlannedEvaluation) -> bool:
    """Whether an evaluation chose in the same group, perhaps among other candidates.

    A record does not say what was compared, but its candidates have the values.
    """
    specs = [candidate.get("spec", {}) for candidate in content["candidates"]]
    return content.get("axes") == one.axes and any(
        all(spec.get(name) == value for spec in specs for name, value in group.variant.items())
        for group in one.groups
    )


def _named_by_reports(plan: Plan) -> frozenset[str]:
    names: set[bytes] = set()
    for path in (plan.root / plan.layout.results / "report").glob("manifest-*.json"):
        try:
            names.update(_NAMED_AS_PARENT.findall(path.read_bytes()))
        except OSError:
            continue
    return frozenset(name.decode() for name in names)


def _reports(plan: Plan) -> list[Record]:
    records: list[Record] = []
    for path in (plan.root / plan.layout.results / "report").glob("manifest-*.json"):
        try:
            record = read_json_object(path)
            code_of(record)
            records.append(record)
        except (UserError, KeyError, TypeError):
            continue
    return records


def _shown(plan: Plan, report: str) -> tuple[str, ...]:
    """What an earlier report showed otherwise, as far as its membership tells."""
    try:
        before = read_json_object(plan.root / plan.layout.report_membership(report))
        old = {_row(row) for row in before["groups"]}
        studies = before["studies"]
    except (UserError, KeyError, TypeError):
        return ()
    now = report_membership(plan)
    new = {_row(row) for row in now["groups"]}
    lines = []
    if old != new:
        lines.append(f"{len(new - old)} groups more or changed, {len(old - new)} fewer or changed")
    if studies != now["studies"]:
        lines.append(f"studies {', '.join(studies)} -> {', '.join(now['studies'])}")
    return tuple(lines)


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    # Reports from before experiments could compare hyperparameters have no variants.
    told_apart = {**row["axes"], **row.get("variant", {})}
    return row["study"], row["experiment"], tuple(sorted(told_apart.items())), row["evaluation"]
