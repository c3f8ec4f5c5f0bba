"""Where every number of a study comes from, out of the records, as the page shows it on demand.

The value has the shape of `workflow_src.report.provenance_shape.Provenance`, which see. What is
merely absent is told and is no error: a run whose record is not here, a checkpoint that was not
kept, an evaluation that was not made. Every record is read once per report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_src.archive.results import CHECKPOINT
from workflow_src.lineage.cloning import NoCommandsError
from workflow_src.lineage.records import Ground, parents_of
from workflow_src.lineage.reproduce import Reproduction
from workflow_src.report.evaluations import MISSING, Evaluation, Run
from workflow_src.report.evidence import Evidence
from workflow_src.report.provenance_shape import (
    Checkpoint,
    Circumstances,
    Code,
    Commands,
    Commit,
    Data,
    Environment,
    EvaluationLine,
    Interruption,
    Machine,
    MeasurementLine,
    Provenance,
    PublishedFile,
    RunLine,
)
from workflow_src.storage import digest

_KEY = 12
"""Digits of a digest that are the key of what several lines share."""
_SHOWN_FILES = 20

Record = Mapping[str, Any]


def provenance_lines(evidence: Evidence, study: str) -> Provenance:
    """The lines of all evaluations of one study, in the order of the plan.

    Raises
    ------
    UserError
        A record that was changed after it was written, or is damaged.
    """
    evaluations = {one.evaluation.fingerprint: one for one in evidence.study_groups(study)}
    lines = _Lines(evidence, study)
    for group in evaluations.values():
        lines.add(group.evaluation, group.axes)
    return lines.found


class _Lines:
    """Collects lines, and what they share."""

    def __init__(self, evidence: Evidence, study: str) -> None:
        self.archive = evidence.archive
        self.shown = evidence.results
        self.ground = Ground(evidence.results, archive=evidence.archive)
        self.reproduction = Reproduction(self.ground)
        self.found = Provenance(
            study=study,
            evaluations={},
            specs={},
            machines={},
            environments={},
            commits={},
            codes={},
            data={},
            judges={},
            commands={},
        )

    def add(self, evaluation: Evaluation, axes: Mapping[str, Any]) -> None:
        """One evaluation with all below it."""
        place = _place(evaluation.path.parent)
        record = None
        if evaluation.state != MISSING:
            record = self.archive.whole_record(place)
        winner = evaluation.winner
        self.found["evaluations"][evaluation.fingerprint] = EvaluationLine(
            seed=int(axes["seed"]),
            axes=dict(axes),
            state=evaluation.state,
            reason=evaluation.reason,
            record=evaluation.path.as_posix(),
            pack=self.ground.pack(place),
            candidates=len(evaluation.runs),
            chosen=_chosen(winner, evaluation.runs),
            run=None if winner is None else self._run(winner),
            measurement=self._measurement(evaluation, record),
            judges=[self._judge(judge) for judge in evaluation.judge_runs],
            made=self._made(record),
            commands=self._commands(evaluation, record),
        )

    def _run(self, run: Run) -> RunLine:
        place = _place(Path(run.directory))
        record = self.archive.whole_record(place)
        content = _part(record, "content")
        circumstances = _part(content, "circumstances")
        spec = {name: value for name, value in run.spec.items() if name != "seed"}
        return RunLine(
            fingerprint=run.fingerprint,
            directory=self._path(place),
            pack=self.ground.pack(place),
            here=record is not None,
            spec=self._key("specs", spec),
            seed=run.spec.get("seed"),
            state=run.state,
            reason=run.reason,
            validation_bound=run.validation_bound,
            best_step=run.best_step,
            steps=run.steps,
            parameters=run.parameter_count,
            device_seconds=run.device_seconds,
            device=circumstances.get("device"),
            bank=len(circumstances["bank"]) if circumstances.get("bank") else None,
            interruptions=[_interruption(one) for one in circumstances.get("interruptions", ())],
            checkpoint=self._checkpoint(place, record),
            data=self._data(record),
            made=self._made(record),
        )

    def _judge(self, run: Run) -> str:
        if run.fingerprint not in self.found["judges"]:
            self.found["judges"][run.fingerprint] = self._run(run)
        return run.fingerprint

    def _checkpoint(self, place: str, record: Record | None) -> Checkpoint | None:
        facts = _part(record, "outputs").get(CHECKPOINT)
        if facts is None:
            return None
        return Checkpoint(
            path=f"{self._path(place)}/{CHECKPOINT}",
            sha256=facts["sha256"],
            bytes=facts["bytes"],
            kept=CHECKPOINT in self.archive.names(place),
        )

    def _measurement(self, evaluation: Evaluation, record: Record | None) -> MeasurementLine | None:
        if evaluation.measurement is None:
            return None
        place = _place(evaluation.measurement)
        measured = self.archive.whole_record(place)
        content = _part(measured, "content")
        return MeasurementLine(
            fingerprint=_part(_part(record, "content"), "measurement").get("fingerprint", ""),
            directory=self._path(place),
            pack=self.ground.pack(place),
            here=measured is not None,
            seconds=content.get("seconds"),
            images=content.get("images"),
            made=self._made(measured),
        )

    def _made(self, record: Record | None) -> Circumstances | None:
        if record is None:
            return None
        time, peak = _part(record, "time"), _part(record, "peak_memory")
        return Circumstances(
            commit=self._key("commits", self._commit(record)) if record.get("git") else None,
            code=self._code(_part(record, "content")),
            environment=self._key("environments", _environment(_part(record, "environment"))),
            machine=self._key("machines", _machine(_part(record, "machine"))),
            threads=record.get("threads"),
            slurm=dict(_part(record, "slurm")),
            attempt=record.get("attempt"),
            started=time.get("started"),
            ended=time.get("ended"),
            seconds=time.get("seconds"),
            peak_host_bytes=peak.get("host_bytes"),
            peak_device_bytes=peak.get("device_bytes"),
        )

    def _commit(self, record: Record) -> Commit:
        git = _part(record, "git")
        files = [*(git.get("changed_files") or ()), *(git.get("new_files") or ())]
        copy = git.get("difference_file")
        return Commit(
            commit=git.get("commit"),
            reason=git.get("reason"),
            dirty=bool(git.get("dirty")),
            files=files[:_SHOWN_FILES],
            file_count=len(files),
            copy=None if copy is None else self._path(f"sources/{copy}"),
        )

    def _code(self, content: Record) -> str | None:
        code = _part(content, "code")
        if not code.get("digest"):
            return None
        same = code.get("identity", code["digest"]) == code["digest"]
        told = Code(
            digest=code["digest"],
            modules=len(code.get("modules", ())),
            counts_as=None if same else code["identity"],
        )
        return self._key("codes", told)

    def _data(self, record: Record | None) -> str | None:
        """The key of a run's data, which are described at the first time that they are met."""
        content = _part(record, "content")
        fingerprint = content.get("data")
        if record is None or not fingerprint:
            return None
        if fingerprint not in self.found["data"]:
            paths = [Path(one["path"]) for one in parents_of(record, "prepared")]
            path = next(iter(paths), None)
            self.found["data"][fingerprint] = self._described(path, _part(content, "data_recipe"))
        return str(fingerprint)

    def _described(self, path: Path | None, remembered: Record) -> Data:
        record = None if path is None else self.archive.whole_file(path)
        content = _part(record, "content")
        recipe = _part(content, "recipe") or remembered
        raw = next(iter(parents_of(record or {}, "raw")), None)
        published = None if raw is None else self.archive.whole_file(Path(raw["path"]))
        told = _part(published, "content")
        return Data(
            data_set=recipe.get("data_set"),
            likelihood=recipe.get("likelihood"),
            record=None if path is None else path.as_posix(),
            here=record is not None,
            images=dict(content.get("images") or recipe.get("sizes") or {}),
            split_sha256=_part(_part(record, "outputs"), "split_indices.npz").get("sha256"),
            homepage=told.get("homepage"),
            licence=told.get("licence"),
            files=_published(_part(recipe, "files"), published),
        )

    def _commands(self, evaluation: Evaluation, record: Record | None) -> Commands:
        if record is None:
            return Commands(shared=None, own=[], reason=evaluation.reason)
        try:
            commands = self.reproduction.of_evaluation(evaluation.fingerprint)
        except NoCommandsError as error:
            return Commands(shared=None, own=[], reason=str(error))
        shared = self._key("commands", list(commands.shared))
        return Commands(shared=shared, own=list(commands.own), reason=None)

    def _key(self, table: str, value: Any) -> str:
        key = digest(value)[:_KEY]
        tables: dict[str, dict[str, Any]] = self.found  # type: ignore[assignment]
        tables[table].setdefault(key, value)
        return key

    def _path(self, place: str) -> str:
        return (self.shown / place).as_posix()


def _place(directory: Path) -> str:
    """A result directory within the results, which may have been moved since it was recorded."""
    return Path(*directory.parts[-4:]).as_posix()


def _part(record: Record | None, name: str) -> Mapping[str, Any]:
    """A part of a record; empty where it, or the record, is not there."""
    part = (record or {}).get(name)
    return part if isinstance(part, Mapping) else {}


def _published(expected: Mapping[str, Any], record: Record | None) -> list[PublishedFile]:
    """The files that data were made from; what was fetched, where the record of that is here."""
    found, origins = _part(record, "outputs"), _part(_part(record, "content"), "origins")
    return [
        PublishedFile(
            name=name,
            digest=_part(found, name).get("sha256") or one,
            source=origins.get(name),
        )
        for name, one in expected.items()
    ]


def _chosen(winner: Run | None, candidates: Sequence[Run]) -> dict[str, Any]:
    if winner is None:
        return {}
    return {
        name: value
        for name, value in winner.spec.items()
        if any(one.spec.get(name) != value for one in candidates)
    }


def _interruption(one: Record) -> Interruption:
    return Interruption(step=one.get("resumed_from_step"), host=one.get("host"), at=one.get("at"))


def _machine(machine: Record) -> Machine:
    gpu = _part(machine, "gpu")
    details = [f"{word} {gpu[name]}" for name, word in _GPU.items() if gpu.get(name)]
    return Machine(
        host=machine.get("host"),
        cpu=machine.get("cpu"),
        cores=machine.get("cores"),
        gpu=", ".join([str(gpu.get("name")), *details]) if gpu else None,
    )


def _environment(environment: Record) -> Environment:
    lock = _part(environment, "lock")
    return Environment(
        python=environment.get("python"),
        torch=_part(environment, "packages").get("torch"),
        platform=environment.get("platform"),
        lock=lock.get("name"),
        lock_sha256=lock.get("sha256"),
    )


_GPU = {"driver": "driver", "cuda": "CUDA"}
"""What is told of a GPU beside its name, and the words for it."""
