"""Through which acceptances a result that is there counts as one of the code as it is now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes.earlier import Record, bare_digest
from workflow_src.changes.orphans import family_of, fingerprint_of
from workflow_src.errors import UserError
from workflow_src.plan.acceptances import Acceptance
from workflow_src.plan.fingerprints import Code
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.plan import Plan
from workflow_src.storage import read_json_object


@dataclass(frozen=True)
class Ground:
    """An acceptance that a result counts through.

    ``steps`` are those of the result, and of what it was made from, that the acceptance is for;
    ``family`` is the result's data set and likelihood.
    """

    acceptance: Acceptance
    steps: tuple[str, ...]
    family: str

    def line(self) -> str:
        """The acceptance in one line, with the trials of these steps on such data."""
        entry = self.acceptance
        trials = [one for one in entry.evidence if self._concerns(one)]
        equal = sum(one.get("equal") is True for one in trials)
        of = f"{', '.join(self.steps)} on {self.family}"
        told = f"{equal} of {len(trials)} checks of {of} ran again and were bit-equal"
        return f"{entry.identifier} ({entry.at}, {entry.by}): {entry.why}; {told}"

    def _concerns(self, trial: Mapping[str, Any]) -> bool:
        family = str(trial.get("family", self.family)).partition(",")[0]
        return trial.get("step") in self.steps and family == self.family


def grounds_of(plan: Plan, results: Results, record: Record) -> list[Ground]:
    """The acceptances between the code that made a result and the code as it is now.

    Of a run, also those between the code that prepared its data and that of now; of an
    evaluation, those of its runs and of its measurement too.
    """
    known = plan.closures.acceptances
    found: dict[str, Acceptance] = {}
    steps: dict[str, list[str]] = {}
    for code, made in _codes(plan, results, record):
        now = bare_digest(code.modules)
        here = {one.identifier: one for one in known.chain(code.step, now)}
        there = {one.identifier: one for one in known.chain(code.step, made)}
        # What both have in common came before the result was made.
        for name in here.keys() ^ there.keys():
            found[name] = (here | there)[name]
            if code.step not in steps.setdefault(name, []):
                steps[name].append(code.step)
    content = record["content"]
    family = family_of(content.get("axes") or content["spec"]).partition("/")[2]
    dated = sorted(found, key=lambda name: (found[name].at, name))
    return [Ground(found[name], tuple(steps[name]), family) for name in dated]


def _codes(plan: Plan, results: Results, record: Record) -> Iterator[tuple[Code, str]]:
    """The code of now for every step behind a result, and the digest of that which was used."""
    content = record["content"]
    if record.get("kind") != "evaluation":
        yield from _codes_of_run(plan, content)
        return
    model = str(content["axes"]["model"])
    yield plan.closures.of_evaluation(model), _made(content)
    there = {
        fingerprint_of(one): one
        for kind in ("runs", "measurements")
        for one in results.directories(kind)
        if one.split("/")[1] == model
    }
    measured = str((content.get("measurement") or {}).get("fingerprint"))
    if (measurement := _content(results, there.get(measured))) is not None:
        yield plan.closures.of_measurement(model), _made(measurement)
    for candidate in content["candidates"]:
        if (run := _content(results, there.get(candidate["fingerprint"]))) is not None:
            yield from _codes_of_run(plan, run)


def _codes_of_run(plan: Plan, content: Mapping[str, Any]) -> Iterator[tuple[Code, str]]:
    yield plan.closures.of_model(content["spec"]["model"]), _made(content)
    prepared = _made_of_data(plan, content)
    if prepared is not None:
        yield plan.closures.of_preparation(), prepared


def _made(content: Mapping[str, Any]) -> str:
    return bare_digest(content["code"]["modules"])


def _content(results: Results, directory: str | None) -> dict[str, Any] | None:
    """What a record holds; None where it is not here, or damaged, which is the audit's to tell."""
    if directory is None:
        return None
    try:
        content: dict[str, Any] = results.record(directory)["content"]
    except (UserError, KeyError):
        return None
    return content


def _made_of_data(plan: Plan, content: Mapping[str, Any]) -> str | None:
    """The digest of the code that prepared a run's data; None where the data are not here."""
    spec = content["spec"]
    folder = plan.layout.prepared(spec["data_set"], spec["likelihood"], content["data"])
    try:
        return _made(read_json_object(plan.root / folder / PREPARED_RECORD)["content"])
    except (UserError, KeyError, TypeError):
        return None
