"""The line from an evaluation down: its choice, the measurement, the run, and what that came from.

Records are followed by the digests that they remember of each other; what two numbers share is told
once and then referred to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.config.models import known_as
from workflow_src.evaluate.selection import Candidate, choose, held_in_common
from workflow_src.lineage.records import (
    ABSENT,
    DIFFERS,
    JUDGE,
    OK,
    Entry,
    Ground,
    Seen,
    parents_of,
    short,
)
from workflow_src.trace.links import Link, file_links, followed, worst
from workflow_src.trace.origins import circumstance_links, prepared_link

COMPLETED = "completed"

_SHOWN_CANDIDATES = 8
_AXES = ("model", "data_set", "likelihood", "fraction", "seed", "protocol", "stream")


class Lineage:
    """Makes links; remembers what it has made, to tell everything once."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._told: dict[tuple[str, str], Link] = {}

    def evaluation(self, fingerprint: str, remembered: Entry | None = None) -> Link:
        """One seed's choice of a winner and its measurement, and all below."""
        seen = self.ground.record("evaluations", fingerprint, remembered)
        return self._once("evaluation", fingerprint, seen, self._evaluation)

    def run(self, fingerprint: str, remembered: Entry | None = None) -> Link:
        """One training, its files, and what they came from."""
        seen = self.ground.record("runs", fingerprint, remembered)
        return self._once("run", fingerprint, seen, self._run)

    def measurement(self, fingerprint: str, remembered: Entry | None = None) -> Link:
        """What was measured on one run, beside the run itself."""
        seen = self.ground.record("measurements", fingerprint, remembered)
        return self._once("measurement", fingerprint, seen, self._measurement)

    def _once(self, kind: str, fingerprint: str, seen: Seen, tell: Any) -> Link:
        known = self._told.get((kind, fingerprint))
        if known is not None:
            return _again(known, worst([known.verdict, seen.verdict]))
        if not seen.record:
            link = Link(f"{kind} {fingerprint}", (seen.place, *seen.remarks), seen.verdict)
        else:
            title = f"{kind} {fingerprint}"
            link = followed(title, seen.place, lambda: tell(fingerprint, seen))
        self._told[kind, fingerprint] = link
        return link

    def _evaluation(self, fingerprint: str, seen: Seen) -> Link:
        content, record = seen.content, seen.record
        candidates = [_candidate(one) for one in content["candidates"]]
        again, _ = choose(candidates)
        remarks, verdict = list(seen.remarks), seen.verdict
        if again != content["winner"]:
            remarks.append(f"choosing again gives {again}, not {content['winner']}")
            verdict = DIFFERS
        rule = content.get("selection", {}).get("metric", "validation_bound")
        winner = content["winner"]
        if winner:
            choice = f"winner {winner} among {len(candidates)} candidates by the highest {rule}"
        else:
            choice = f"no winner among {len(candidates)} candidates: {content['reason']}"
        common = held_in_common([one["spec"] for one in content["candidates"]], content["axes"])
        facts = (
            *_record_facts(seen),
            ", ".join(f"{name} {value}" for name, value in content["axes"].items()),
            f"all candidates: {', '.join(f'{name} {value}' for name, value in common.items())}",
            choice,
            *_candidate_lines(content["candidates"], winner),
            *_judge_lines(content),
            *remarks,
        )
        below = []
        for entry in parents_of(record, "measurement"):
            below.append(self.measurement(entry["fingerprint"], entry))
        runs = {entry["fingerprint"]: entry for entry in parents_of(record, "run")}
        if winner in runs:
            below.append(self.run(winner, runs[winner]))
        others = [entry for name, entry in runs.items() if name != winner]
        if others:
            below.append(self._others(others))
        # What judged is told beside the measurement, and is here where nothing was measured.
        if not content["measurement"]:
            below += self._judges(record)
        below += self.circumstances(record, f"evaluation of {content['axes']['model']}")
        title = f"seed {content['axes']['seed']}: evaluation {fingerprint}"
        return Link(title, facts, verdict, tuple(below))

    def _others(self, entries: list[Mapping[str, str]]) -> Link:
        verdicts = [self.ground.record("runs", one["fingerprint"], one).verdict for one in entries]
        counts = {word: verdicts.count(word) for word in (OK, DIFFERS, ABSENT) if word in verdicts}
        said = ", ".join(f"{count} {word}" for word, count in counts.items())
        wrong = [
            f"{one['fingerprint']} {verdict}"
            for one, verdict in zip(entries, verdicts, strict=True)
            if verdict != OK
        ]
        title = f"records of the {len(entries)} other candidates: {said}"
        return Link(title, tuple(wrong[:_SHOWN_CANDIDATES]), worst(verdicts))

    def _measurement(self, fingerprint: str, seen: Seen) -> Link:
        content, record = seen.content, seen.record
        samples = content["measures"].get("importance_samples")
        facts = (
            *_record_facts(seen),
            f"of run {content['run']}; importance samples {samples}; "
            f"{content['images']:,} test images in {content['seconds']} s",
            *(_metric(row) for row in content["metrics"]),
            *_judge_lines(content),
            *seen.remarks,
        )
        directory = self.ground.directory("measurements", fingerprint)
        below = [
            *file_links(self.ground, directory, record),
            *self._judges(record),
            *self.circumstances(record, f"measurement of {content['spec']['model']}"),
        ]
        return Link(f"measurement {fingerprint}", facts, seen.verdict, tuple(below))

    def _judges(self, record: Mapping[str, Any]) -> list[Link]:
        """The runs that judged what was drawn, and their data, down to their origins."""
        runs = [self.run(entry["fingerprint"], entry) for entry in parents_of(record, "run", JUDGE)]
        return runs + [self._prepared(entry) for entry in parents_of(record, "prepared", JUDGE)]

    def _run(self, fingerprint: str, seen: Seen) -> Link:
        content, record = seen.content, seen.record
        spec, result = content["spec"], content["result"]
        facts = (
            *_record_facts(seen),
            ", ".join(
                f"{name} {known_as(name, value)}"
                for name, value in spec.items()
                if name not in _AXES
            ),
            f"{content['status']['state']}: {content['status']['reason']}",
            f"best validation bound {result['best_validation_bound']} nats at step "
            f"{result['best_step']} of {result['steps']}; {result['parameter_count']:,} "
            f"parameters; {result['device_seconds']} device seconds",
            *_circumstances_of_training(content),
            *_settings(content),
            *seen.remarks,
        )
        directory = self.ground.directory("runs", fingerprint)
        below = [*file_links(self.ground, directory, record)]
        for entry in parents_of(record, "prepared"):
            below.append(self._prepared(entry))
        below += self.circumstances(record, f"training of {spec['model']}")
        axes = ", ".join(f"{name.replace('_', ' ')} {spec[name]}" for name in _AXES)
        return Link(f"run {fingerprint}: {axes}", facts, seen.verdict, tuple(below))

    def _prepared(self, entry: Mapping[str, str]) -> Link:
        key = "prepared", entry["fingerprint"]
        if key in self._told:
            return _again(self._told[key], self._told[key].verdict)
        self._told[key] = followed(
            f"prepared data {entry['fingerprint']}",
            entry["path"],
            lambda: prepared_link(self.ground, entry),
        )
        return self._told[key]

    def circumstances(self, record: Mapping[str, Any], step: str) -> list[Link]:
        """Those of one record; code, commit and environment that were told before, briefly."""
        links = []
        for link in circumstance_links(self.ground, record, step):
            key = link.title, "\n".join(link.facts)
            if key in self._told and not link.title.startswith("machine"):
                links.append(_again(link, link.verdict))
            else:
                self._told[key] = link
                links.append(link)
        return links


def _again(link: Link, verdict: str | None) -> Link:
    return Link(f"{link.title}, as above", (), verdict)


def _record_facts(seen: Seen) -> tuple[str, ...]:
    return (
        f"{seen.place}",
        f"sha256 {seen.sha256}, record digest {short(seen.record.get('record_digest'))}, "
        f"schema {seen.record.get('schema_version')}",
    )


def _candidate(facts: Mapping[str, Any]) -> Candidate:
    return Candidate(
        facts["fingerprint"], facts["state"], facts["validation_bound"], facts["parameter_count"]
    )


def _candidate_lines(candidates: list[Mapping[str, Any]], winner: str | None) -> list[str]:
    """The candidates with their bounds, the best first, the winner before all."""

    def order(one: Mapping[str, Any]) -> tuple[bool, float]:
        bound = one["validation_bound"]
        return one["fingerprint"] != winner, float("inf") if bound is None else -bound

    lines = [
        f"{one['fingerprint']} {one['validation_bound']} nats, {one['state']}"
        for one in sorted(candidates, key=order)
    ]
    rest = len(lines) - _SHOWN_CANDIDATES
    return lines[:_SHOWN_CANDIDATES] + ([f"and {rest} more"] if rest > 0 else [])


def _judge_lines(content: Mapping[str, Any]) -> list[str]:
    """How many judges there were, and which of them could not judge."""
    judges = content.get("judges", [])
    if not judges:
        return []
    out = [one for one in judges if one["state"] != COMPLETED]
    told = [f"left out as a judge: {one['fingerprint']}, {one['reason']}" for one in out]
    return [f"judged by {len(judges) - len(out)} of {len(judges)} runs", *told]


def _metric(row: Mapping[str, Any]) -> str:
    error = "" if row["standard_error"] is None else f" ± {row['standard_error']}"
    samples = f" at {row['importance_samples']} samples" if row["importance_samples"] else ""
    return f"{row['metric']} {row['value']}{error} {row['unit']}{samples}"


def _circumstances_of_training(content: Mapping[str, Any]) -> list[str]:
    how = content.get("circumstances", {})
    bank = how.get("bank", [])
    beside = ", ".join(bank[:_SHOWN_CANDIDATES]) + (" ..." if bank[_SHOWN_CANDIDATES:] else "")
    lines = [f"on {how.get('device')} in a bank of {len(bank)} runs: {beside}"]
    interruptions = how.get("interruptions", [])
    if not interruptions:
        return [*lines, "never interrupted"]
    return lines + [
        f"interrupted, went on from step {one['resumed_from_step']} on {one['host']} at {one['at']}"
        for one in interruptions
    ]


def _settings(content: Mapping[str, Any]) -> list[str]:
    settings = content.get("settings")
    if not settings:
        return []
    return ["settings: " + ", ".join(f"{name} {value}" for name, value in settings.items())]
