"""From evaluations down to data: every parent is the one that was read, every number its child's.

Works on what `workflow_src.audit.records` read. Winners are chosen anew from the runs' own records,
so that neither test data nor a hand can have had a part in the choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.judged import check_judge, check_roles, judges_in, judging_parents
from workflow_src.audit.records import Examined
from workflow_src.config.models import model_declarations
from workflow_src.evaluate.selection import candidate_of, choose
from workflow_src.plan.planned import PlannedEvaluation
from workflow_src.provenance.record import untimed

SELECTION = {"metric": "validation_bound"}


@dataclass(frozen=True)
class Read:
    """A record that others may name as their parent: where it lies, and the digest of its bytes."""

    place: str
    sha256: str
    content: Mapping[str, Any]
    outputs: Mapping[str, Any]
    result_digest: str
    started: str
    ended: str


def read_of(place: str, sha256: str, record: Mapping[str, Any]) -> Read:
    """What others may name of a record."""
    return Read(
        place,
        sha256,
        record["content"],
        record["outputs"],
        record["result_digest"],
        record["time"]["started"],
        record["time"]["ended"],
    )


class Chain:
    """Everything that was read, by kind and fingerprint."""

    def __init__(self, examined: Iterable[Examined], data: Mapping[tuple[str, str], Read]) -> None:
        self.known: dict[tuple[str, str], Read] = dict(data)
        self.examined: dict[tuple[str, str], Examined] = {}
        self.absent: set[str] = set()
        self.remade: dict[str, str] = {}
        # Records tell time alike, in UTC to the millisecond, so that their texts are in its order.
        self.now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for one in examined:
            if one.record is not None:
                key = (one.record["kind"], one.fingerprint)
                self.known[key] = read_of(one.place, one.sha256, one.record)
                self.examined[key] = one

    def content(self, kind: str, fingerprint: str) -> Mapping[str, Any] | None:
        """What a record that was read holds."""
        found = self.known.get((kind, fingerprint))
        return found.content if found else None

    def check_run(self, one: Examined, notes: Notes, *, planned: bool) -> None:
        """A run and the data that it was trained on."""
        if one.record is None:
            return
        with notes.reading(one.place):
            content = one.record["content"]
            expected = [("prepared", content["data"])]
            self.check_parents(one.place, one.record, expected, notes, planned=planned)
            data = self.known.get(("prepared", content["data"]))
            if data is None:
                return
            indices = data.outputs["split_indices.npz"]["sha256"]
            recipe = data.content["recipe"]
            if content.get("split_indices_sha256", indices) != indices:
                notes.find("chain", one.place, f"other split indices; expected {data.place}'s")
            if content.get("data_recipe", recipe) != recipe:
                notes.find("chain", one.place, f"another data recipe; expected {data.place}'s")

    def check_measurement(self, one: Examined, notes: Notes, *, planned: bool) -> None:
        """A measurement, its run and the data that it was measured on, which must be the run's."""
        if one.record is None:
            return
        with notes.reading(one.place):
            content = one.record["content"]
            run = self.content("run", content["run"])
            data = _data_named(one.record) if run is None else run["data"]
            expected = [
                ("run", content["run"]),
                ("prepared", data),
                *((kind, name) for kind, name in judging_parents(content, data)),
            ]
            self.check_parents(one.place, one.record, expected, notes, planned=planned)
            if run is not None:
                _equal(one.place, "the spec", content["spec"], run["spec"], "its run's", notes)
                _check_size(one.place, content["metrics"], run["result"], notes)
            self._check_judges(one.place, one.record, notes)
            prepared = self.content("prepared", data)
            if prepared is not None:
                images = prepared["images"]["test"]
                _equal(one.place, "images", content["images"], images, "all of the test set", notes)
                # A record of an older version need not say it; one that the plan asks for must.
                if planned or "dimensions" in content:
                    pixels = math.prod(prepared["shape"]) * prepared.get("channels", 1)
                    said = content.get("dimensions")
                    _equal(one.place, "dimensions", said, pixels, "the pixels of an image", notes)

    def check_evaluation(
        self, one: Examined, planned: PlannedEvaluation | None, notes: Notes
    ) -> None:
        """An evaluation, its candidates, the choice among them and the winner's numbers."""
        if one.record is None:
            return
        with notes.reading(one.place):
            content = one.record["content"]
            names = [candidate["fingerprint"] for candidate in content["candidates"]]
            if planned is not None:
                self._check_plan(one.place, content, names, planned, notes)
            expected = [("run", name) for name in names]
            if content["measurement"] is not None:
                expected.append(("measurement", content["measurement"]["fingerprint"]))
            expected += [("run", name) for name in judges_in(content)]
            self._check_judges(one.place, one.record, notes)
            self.check_parents(one.place, one.record, expected, notes, planned=planned is not None)
            _equal(
                one.place, "selection", content["selection"], SELECTION, "validation alone", notes
            )
            self._check_choice(one.place, content, names, notes)
            self._check_numbers(one.place, content, notes)

    def check_parents(
        self,
        place: str,
        record: Mapping[str, Any],
        expected: Sequence[tuple[str, str]],
        notes: Notes,
        *,
        planned: bool,
    ) -> None:
        """That a record's parents are those expected, in this order, and as they are now.

        A parent that was made again later with an equal result stands, and is told.
        """
        parents = record["parents"]
        named = [(one["kind"], one["fingerprint"]) for one in parents]
        if named != list(expected):
            notes.find(
                "chain", place, f"it names {len(named)} parents; expected {_listed(expected)}"
            )
        for one in parents:
            self._check_parent(place, one, record["time"]["ended"], notes, planned=planned)

    def _check_parent(
        self, place: str, named: Mapping[str, str], ended: str, notes: Notes, *, planned: bool
    ) -> None:
        kind, fingerprint = named["kind"], named["fingerprint"]
        found = self.known.get((kind, fingerprint))
        if found is None:
            if kind in ("prepared", "raw"):
                self.absent.add(named["path"])
            elif planned:
                notes.find(
                    "missing",
                    place,
                    f"its {kind} {fingerprint} is not here, or damaged; expected {named['path']} "
                    "(remove the directory of this record and start snakemake)",
                )
            return
        if found.sha256 != named["sha256"] and not self._was_remade(found, named, ended):
            notes.find(
                "chain",
                place,
                f"it was made from another {found.place}; expected one of sha256 "
                f"{named['sha256'][:12]}, found {found.sha256[:12]} (if that one is right, remove "
                "the directory of this record and start snakemake)",
            )
        depth = 3 if kind in ("prepared", "raw") else 5
        if PurePosixPath(named["path"]).parts[-depth:] != PurePosixPath(found.place).parts[-depth:]:
            notes.find("chain", place, f"its parent {named['path']} lies at {found.place}")

    def _was_remade(self, found: Read, named: Mapping[str, str], ended: str) -> bool:
        """Whether a parent was made again, after what names it, and with the result named."""
        in_order = ended <= found.started <= found.ended <= self.now
        if found.result_digest != named["result_digest"] or not in_order:
            return False
        self.remade[found.place] = found.sha256
        return True

    def tell_remade(self, notes: Notes) -> None:
        """Remark on every result that was made again since others were made from it."""
        for place in sorted(self.remade):
            notes.remark(place, "made again since others were made from it, with an equal result")

    def _check_plan(
        self,
        place: str,
        content: Mapping[str, Any],
        names: Sequence[str],
        planned: PlannedEvaluation,
        notes: Notes,
    ) -> None:
        _equal(place, "measures", content["measures"], planned.measures, "the study's", notes)
        _equal(place, "candidates", sorted(names), sorted(planned.runs), "the plan's", notes)
        judges = [judge.fingerprint for judge in planned.judges]
        _equal(place, "judges", sorted(judges_in(content)), sorted(judges), "the plan's", notes)
        if content["axes"] not in [planned.axes, *(group.axes for group in planned.groups)]:
            notes.find("identity", place, f"axes {content['axes']}; expected {planned.axes}")

    def _check_judges(self, place: str, record: Mapping[str, Any], notes: Notes) -> None:
        """That judges are as their own records say, and named as such."""
        check_roles(place, record, notes)
        for judge in record["content"].get("judges", ()):
            run = self.content("run", judge["fingerprint"])
            if run is not None:
                where = self.known["run", judge["fingerprint"]].place
                check_judge(place, judge, run, where, notes)

    def _check_choice(
        self, place: str, content: Mapping[str, Any], names: Sequence[str], notes: Notes
    ) -> None:
        runs = [self.examined.get(("run", name)) for name in names]
        for candidate, run in zip(content["candidates"], runs, strict=True):
            if run is not None and run.record is not None:
                _check_candidate(place, candidate, run, notes, timed=run.place not in self.remade)
        records = [run.record for run in runs if run is not None and run.record is not None]
        if len(records) != len(names):
            return
        winner, reason = choose([candidate_of(record) for record in records])
        if (content["winner"], content["reason"]) != (winner, reason):
            notes.find(
                "selection",
                place,
                f"the winner is {content['winner']} ({content['reason']}); expected {winner} "
                f"({reason}), whom the validation bounds in the runs' records choose",
            )

    def _check_numbers(self, place: str, content: Mapping[str, Any], notes: Notes) -> None:
        named, winner = content["measurement"], content["winner"]
        if (named is None) != (winner is None):
            notes.find("number", place, "a winner without a measurement, or one without a winner")
        if named is None:
            _equal(place, "metrics", content["metrics"], [], "none, without a winner", notes)
            return
        measured = self.content("measurement", named["fingerprint"])
        if measured is None:
            return
        where = self.known["measurement", named["fingerprint"]].place
        _equal(place, "the measured run", measured["run"], winner, "the winner", notes)
        metrics, own = content["metrics"], measured["metrics"]
        if where in self.remade:
            metrics, own = untimed(metrics), untimed(own)
        _equal(place, "metrics", metrics, own, f"{where}'s", notes)
        _equal(place, "measures", content["measures"], measured["measures"], f"{where}'s", notes)
        judges = measured.get("judges", [])
        _equal(place, "judges", content.get("judges", []), judges, f"{where}'s", notes)
        tail = PurePosixPath(where).parent.parts[-4:]
        _equal(place, "directory", PurePosixPath(named["directory"]).parts[-4:], tail, where, notes)


def _data_named(record: Mapping[str, Any]) -> str:
    """What a measurement says that it was made on, where its run is not here to say it."""
    data = [one["fingerprint"] for one in record["parents"] if one["kind"] == "prepared"]
    return str(data[0]) if data else ""


def _check_candidate(
    place: str, candidate: Mapping[str, Any], run: Examined, notes: Notes, *, timed: bool
) -> None:
    """That an evaluation shows a run as its own record does; its time only where ``timed``."""
    assert run.record is not None
    content = run.record["content"]
    spec, result, status = content["spec"], content["result"], content["status"]
    declared = model_declarations().get(spec["model"])
    shown = {name: spec[name] for name in declared.hyperparameters} if declared else None
    own = {
        "fingerprint": run.fingerprint,
        "spec": spec,
        "hyperparameters": candidate["hyperparameters"] if shown is None else shown,
        "state": status["state"],
        "reason": status["reason"],
        "validation_bound": result["best_validation_bound"],
        **{name: result[name] for name in ("parameter_count", "best_step", "steps")},
        **({"device_seconds": result["device_seconds"]} if timed else {}),
    }
    for name, value in own.items():
        _equal(
            place,
            f"{name} of candidate {run.fingerprint}",
            candidate[name],
            value,
            run.place,
            notes,
        )
    tail = PurePosixPath(candidate["directory"]).parts[-4:]
    if tail != PurePosixPath(run.directory).parts:
        notes.find("identity", place, f"a candidate at {candidate['directory']}: {run.directory}")


def _check_size(
    place: str, metrics: Iterable[Mapping[str, Any]], result: Mapping[str, Any], notes: Notes
) -> None:
    said = [row["value"] for row in metrics if row["metric"] == "parameter_count"]
    _equal(place, "parameter_count", said, [result["parameter_count"]], "its run's", notes)


def _equal(place: str, name: str, said: Any, expected: Any, whose: str, notes: Notes) -> None:
    # Equal as JSON: a bound that is not a number is equal to itself.
    if said != expected and repr(said) != repr(expected):
        notes.find("number", place, f"{name}: {said}; expected {expected} ({whose})")


def _listed(expected: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} {fingerprint}" for kind, fingerprint in expected)
