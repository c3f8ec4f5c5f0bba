"""The audit as a whole: what is read, by how many processes, and what is then compared.

Every file is read once. Directories are read and hashed in several processes; what crosses them,
from tables to raw data, is compared in this one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from workflow_src.archive.results import CHECKPOINT, KINDS, Results
from workflow_src.audit.chain import Chain
from workflow_src.audit.code import Needed, check_code_texts
from workflow_src.audit.data import ExaminedData, check_data, data_directories, examine_data
from workflow_src.audit.files import PRUNE
from workflow_src.audit.findings import Notes, Report
from workflow_src.audit.identity import Identities
from workflow_src.audit.jobs import Memberships, check_manifests
from workflow_src.audit.judged import judges_in
from workflow_src.audit.manifest import (
    check_directories,
    check_journal,
    check_manifest,
    tell_states,
)
from workflow_src.audit.mixtures import check_mixtures, tell_uncommitted
from workflow_src.audit.packs import check_packs, examine_pack
from workflow_src.audit.records import Examined, examine_all
from workflow_src.audit.tables import check_report
from workflow_src.config.models import model_declarations
from workflow_src.errors import UserError
from workflow_src.jobs.bars import Bar, bar
from workflow_src.plan.plan import Plan

log = logging.getLogger(__name__)

_Call = tuple[Callable[..., Any], tuple[Any, ...]]

_CHUNK = 64
"""Directories that a process takes at a time."""

_WORTH_A_PROCESS = 200
"""Directories from which on starting processes pays."""


@dataclass(frozen=True)
class Audited:
    """The report, and what a repetition of measurements needs."""

    report: Report
    measurements: tuple[Examined, ...]
    """Those of the plan."""


@dataclass(frozen=True)
class _Looked:
    """What the processes brought back."""

    results: list[Examined]
    data: list[ExaminedData]


def audit_results(plan: Plan, *, jobs: int | None = None) -> Report:
    """Verify every number that the plan's tables show, and every byte below data and results.

    Parameters
    ----------
    plan:
        Of the settings and the code of now; relative paths are taken from its root.
    jobs:
        Processes that read; the usable cores where it is left out.

    Raises
    ------
    UserError
        A record or index that a newer version of this project wrote.
    """
    return audit(plan, jobs=jobs).report


def audit(plan: Plan, *, jobs: int | None = None) -> Audited:
    """As `audit_results`, with the measurements that can be made again."""
    notes = Notes()
    results = Results(plan.root / plan.layout.results)
    try:
        index = results.index
    except UserError as error:
        if "schema" in error.problem:
            raise
        notes.find("changed", error.place, f"{error.problem}; nothing else could be verified")
        return Audited(notes.report(), ())
    check_packs(results.root, plan.layout.results, index, notes)
    with bar("reading and hashing", unit="directories") as progress:
        looked = _look(plan, results, jobs, notes, progress)
    with bar("comparing what belongs together"):
        measurements = _compare(plan, results, looked, notes)
    return Audited(notes.report(), measurements)


def _compare(plan: Plan, results: Results, looked: _Looked, notes: Notes) -> tuple[Examined, ...]:
    """All that takes more than one directory to check; the measurements of the plan."""
    chain = Chain(looked.results, dict(one.read for one in looked.data if one.record is not None))
    identities = Identities(plan.closures, plan.layout.results)
    planned = _check_results(plan, looked, chain, identities, notes)
    _check_unmade(plan, chain, notes)
    check_data(plan, looked.data, identities, chain, notes)
    memberships = Memberships(plan, identities)
    memberships.check(notes)
    check_manifests(plan, chain, memberships.shards, notes)
    check_directories(plan, results, notes)
    tell_states(plan, notes)
    check_journal(plan, notes)
    manifest = check_manifest(plan, chain, identities, notes)
    if manifest is not None:
        check_report(plan, manifest, notes)
    check_mixtures(plan, chain, notes)
    outputs = {fingerprint: one.outputs for (_, fingerprint), one in chain.known.items()}
    identities.tell(outputs, notes)
    chain.tell_remade(notes)
    tell_uncommitted(planned, notes)
    _check_code(plan, results, looked, manifest, notes)
    return tuple(one for one in planned if one.kind == "measurements")


def _look(plan: Plan, results: Results, jobs: int | None, notes: Notes, progress: Bar) -> _Looked:
    """Read and hash everything, in several processes where that pays."""
    shown = plan.layout.results
    directories = [name for kind in KINDS for name in results.directories(kind)]
    work: list[_Call] = [
        (examine_data, (plan.root, kind, name))
        for kind, name in data_directories(plan.root, plan.layout.data)
    ]
    work += [
        (examine_pack, (results.root, shown, name, facts))
        for name, facts in results.index.packs.items()
    ]
    work += [
        (examine_all, (results.root, shown, directories[at : at + _CHUNK]))
        for at in range(0, len(directories), _CHUNK)
    ]
    processes = min(len(work), _usable_cores() if jobs is None else jobs)
    if len(directories) < _WORTH_A_PROCESS and jobs is None:
        processes = 1
    others = len(work) - len(range(0, len(directories), _CHUNK))
    progress.tell(total=others + len(directories))
    log.info("reading %d result directories (processes: %d)", len(directories), processes)
    found: list[Examined] = []
    data: list[ExaminedData] = []
    for one in _done(work, processes):
        progress.advance(len(one) if isinstance(one, list) else 1)
        if isinstance(one, ExaminedData):
            data.append(one)
            notes.take(one.notes)
        elif isinstance(one, tuple):
            notes.take(one[1])
        else:
            found += one
            for each in one:
                notes.take(each.notes)
    for kind in KINDS:
        notes.counted[kind] += sum(one.kind == kind for one in found)
    return _Looked(sorted(found, key=lambda one: one.directory), data)


def _done(work: Sequence[_Call], processes: int) -> Iterator[Any]:
    if processes <= 1:
        for function, arguments in work:
            yield function(*arguments)
        return
    # Started anew instead of forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from (f.result() for f in [pool.submit(function, *args) for function, args in work])


def _check_results(
    plan: Plan, looked: _Looked, chain: Chain, identities: Identities, notes: Notes
) -> list[Examined]:
    """Names and parents of every result; those that the plan's tables depend on."""
    for model in {str(one.axes["model"]) for one in plan.evaluations}:
        plan.closures.of_measurement(model)
    evaluations = {one.fingerprint: one for one in plan.evaluations}
    wanted = {("run", name) for name in plan.runs} | {("evaluation", n) for n in evaluations}
    for name in evaluations:
        content = chain.content("evaluation", name)
        if content and content["measurement"]:
            wanted.add(("measurement", str(content["measurement"]["fingerprint"])))
    planned: list[Examined] = []
    others: list[Examined] = []
    for one in looked.results:
        if one.record is None:
            continue
        key = (str(one.record["kind"]), one.fingerprint)
        asked = key in wanted
        (planned if asked else others).append(one)
        identities.check(one, notes, planned=asked)
        if one.kind == "runs":
            chain.check_run(one, notes, planned=asked)
        elif one.kind == "measurements":
            chain.check_measurement(one, notes, planned=asked)
        else:
            chain.check_evaluation(one, evaluations.get(one.fingerprint), notes)
    _tell_others(others, notes)
    _forgive_other_code(plan, others, notes)
    _tell_not_kept(planned, chain, notes)
    return planned


def _tell_others(others: Sequence[Examined], notes: Notes) -> None:
    for kind in KINDS:
        found = [one for one in others if one.kind == kind]
        if found:
            notes.remark(
                found[0].place,
                f"{len(found)} {kind} of other code or settings, this one first; verified as far "
                f"as they go ({PRUNE})",
            )


def _forgive_other_code(plan: Plan, others: Sequence[Examined], notes: Notes) -> None:
    """What no table shows may lack what the code that made it did not write."""
    places = set()
    for one in others:
        if one.kind == "measurements" and one.record is not None:
            with notes.reading(one.place):
                if _is_of_other_code(plan, one.record["content"]):
                    places.add(one.place)
    forgiven = notes.forgive("lacking", places)
    if forgiven:
        count = len({one.place for one in forgiven})
        notes.remark(
            forgiven[0].place,
            f"{count} measurements of other code lack what the present checks read, this one "
            f"first: {forgiven[0].text}",
        )


def _is_of_other_code(plan: Plan, content: Mapping[str, Any]) -> bool:
    model = content["spec"]["model"]
    if model not in model_declarations():
        return True
    return bool(plan.closures.of_measurement(model).digest != content["code"]["digest"])


def _tell_not_kept(planned: Sequence[Examined], chain: Chain, notes: Notes) -> None:
    winners = {
        content["winner"]
        for one in planned
        if one.kind == "evaluations" and (content := chain.content("evaluation", one.fingerprint))
    }
    dropped = [one for one in planned if CHECKPOINT in one.not_kept]
    winners |= {
        judge
        for one in planned
        if one.kind == "measurements" and one.record is not None
        for judge in judges_in(one.record["content"])
    }
    lost = [one for one in dropped if one.fingerprint in winners]
    if dropped:
        notes.remark(
            dropped[0].place,
            f"the checkpoints of {len(dropped)} runs were not kept, this one first"
            + (f"; {len(lost)} of them won or judged, which cannot be repeated" if lost else ""),
        )


def _check_unmade(plan: Plan, chain: Chain, notes: Notes) -> None:
    absent = {name for name in plan.runs if ("run", name) not in chain.known}
    told: set[str] = set()
    for one in plan.evaluations:
        missing = absent.intersection(one.needed)
        if ("evaluation", one.fingerprint) in chain.known:
            continue
        told |= missing
        runs = f"; {len(missing)} of its {len(one.needed)} runs are not there" if missing else ""
        notes.find("unmade", one.path, f"the evaluation is not yet made, or cannot be read{runs}")
    for name in sorted(absent - told):
        notes.find("unmade", plan.runs[name].record, "the run is not yet made, or cannot be read")


def _check_code(
    plan: Plan,
    results: Results,
    looked: _Looked,
    manifest: dict[str, Any] | None,
    notes: Notes,
) -> None:
    needed = Needed({one.fingerprint for one in plan.prepared})
    if manifest is not None:
        needed.add(plan.layout.report_manifest(plan.report).as_posix(), manifest)
    read = [(one.place, one.record) for one in looked.results]
    read += [(one.place, one.record) for one in looked.data]
    for place, record in read:
        if record is not None:
            with notes.reading(place):
                needed.add(place, record)
    check_code_texts(results, plan.layout.results, plan.root, needed, notes)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
