"""Makes results of earlier code again with the code as it is, and compares bit for bit.

Everything goes through the functions that the jobs use, and is written to a folder of its own;
results are only read.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.results import CHECKPOINT, Results
from workflow_src.changes import differences
from workflow_src.changes.data_repetitions import DataRepeater
from workflow_src.changes.earlier import Record
from workflow_src.changes.orphans import fingerprint_of
from workflow_src.changes.samples import Candidate, Difference, Sample, sampled
from workflow_src.changes.trials import Trial, device_of, incomparable, made_with
from workflow_src.config.models import evaluation_of, measures_of
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import PREPARATION, Code
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.memberships import asked
from workflow_src.plan.plan import Plan
from workflow_src.plan.shards import bank_key
from workflow_src.plan.specs import from_canonical
from workflow_src.storage import read_json_object, write_json

EVALUATIONS_CHOSEN = 20
"""Evaluations of one family whose winner is chosen again at most; it costs next to nothing."""


@dataclass(frozen=True)
class Repeater:
    """Repeats ``size`` results of every family of each step in ``folder``.

    ``device`` and ``threads``, where they are given, are those that sampled results were made with.
    """

    plan: Plan
    results: Results
    folder: Path
    size: int
    device: str | None = None
    threads: int | None = None

    def sample(self, step: str, codes: frozenset[str]) -> Sample:
        """What to try the new code of one step on: results made with one of ``codes``."""
        if self.size == 0:
            return Sample(step, (), (Trial(step, reason="not asked for: --sample 0"),))
        if step == PREPARATION:
            data = DataRepeater(self.plan, self.results, self.folder)
            found = sampled(step, data.candidates(codes), self.size)
        else:
            kind, _, model = step.partition(" of ")
            candidates = {
                "training": self._trainings,
                "measurement": self._measurements,
                "evaluation": self._choices,
            }
            found = sampled(step, candidates[kind](model, codes), self.size)
        if found.chosen or found.untried:
            return found
        return Sample(step, (), (Trial(step, reason="no result of the old code is here"),))

    def repeat(self, sample: Sample) -> Iterator[Trial]:
        """Make again what was chosen; one trial each."""
        for one in sample.chosen:
            if isinstance(one.repeat, str):
                continue
            started = time.perf_counter()
            outputs, found = one.repeat()
            yield Trial(
                step=sample.step,
                family=one.family,
                results=one.names,
                equal=not found,
                outputs=outputs,
                differences=tuple(found),
                seconds=time.perf_counter() - started,
            )

    def _trainings(self, model: str, codes: frozenset[str]) -> Iterator[Candidate]:
        """One for every bank of runs that were trained together."""
        for family, made in _by_family(made_with(self.results, "runs", model, codes)):
            known = {fingerprint_of(directory): directory for directory in made}
            banks: dict[tuple[str, ...], Record] = {}
            for directory, record in made.items():
                bank = tuple(record["content"].get("circumstances", {}).get("bank", ()))
                banks[bank or (fingerprint_of(directory),)] = record
            for bank, record in banks.items():
                members = {known[name]: made[known[name]] for name in bank if name in known}
                whole = len(members) == len(bank) and "circumstances" in record["content"]
                reason = "not all runs that were trained together are here" if not whole else None
                reason = reason or next(
                    filter(None, map(self._untrainable, members.values())), None
                )
                specs = [from_canonical(one["content"]["spec"]) for one in members.values()]
                ways = frozenset((spec.protocol, spec.stream) for spec in specs)
                yield Candidate(
                    f"{family}, {device_of(record)}",
                    bank,
                    (bank_key(specs[0])[1], ways),
                    sum(
                        float(one["content"]["result"]["device_seconds"])
                        for one in members.values()
                    ),
                    reason or functools.partial(self._train, model, members),
                )

    def _untrainable(self, record: Record) -> str | None:
        if record["content"]["circumstances"].get("interruptions"):
            return "training was interrupted and resumed"
        if not (self._prepared(record, record["content"]["data"]) / PREPARED_RECORD).is_file():
            return "the prepared data are not here"
        return incomparable(record, self.device, self.threads)

    def _prepared(self, record: Record, name: str) -> Path:
        spec = record["content"]["spec"]
        layout = self.plan.layout
        return self.plan.root / layout.prepared(spec["data_set"], spec["likelihood"], name)

    def _device(self, record: Record) -> str:
        """The device to use, which is of the kind that the result was made on."""
        return self.device or device_of(record)

    def _train(self, model: str, members: Mapping[str, Record]) -> Difference:
        from workflow_src.train.shard import ShardOptions, train_shard

        folder = self.folder / fingerprint_of(next(iter(members)))
        first = next(iter(members.values()))
        membership = folder / "membership.json"
        write_json(membership, self._shard(folder, self.plan.closures.of_model(model), members))
        options = ShardOptions(device=self._device(first), threads=int(first["threads"]))
        train_shard(membership, folder / "manifest.json", options)
        found: list[str] = []
        outputs = {}
        for directory, record in members.items():
            name = fingerprint_of(directory)
            again = folder / "runs" / name
            found += differences.of_run(self.results, directory, record, again)
            made = read_json_object(again / "run.json")["outputs"]
            if CHECKPOINT in made:
                outputs[f"{name}/{CHECKPOINT}"] = made[CHECKPOINT]["sha256"]
        shutil.rmtree(folder)
        return outputs, found

    def _shard(self, folder: Path, code: Code, members: Mapping[str, Record]) -> dict[str, Any]:
        return {
            "digest": "repetition",
            "code": {"digest": code.digest, "modules": code.modules, "identity": code.identity},
            "settings": asked(self.plan.settings),
            "sources": str(folder / "sources"),
            "runs": [
                {
                    "fingerprint": fingerprint_of(directory),
                    "spec": record["content"]["spec"],
                    "directory": str(folder / "runs" / fingerprint_of(directory)),
                    "state": str(folder / "states" / fingerprint_of(directory)),
                    "prepared": {
                        "fingerprint": record["content"]["data"],
                        "directory": str(self._prepared(record, record["content"]["data"])),
                    },
                }
                for directory, record in members.items()
            ],
        }

    def _measurements(self, model: str, codes: frozenset[str]) -> Iterator[Candidate]:
        runs = self._run_directories(model)
        for directory, record in made_with(self.results, "measurements", model, codes):
            content = record["content"]
            run = runs.get(content["run"])
            data = next(one for one in record["parents"] if one["kind"] == "prepared")
            prepared = self._prepared(record, data["fingerprint"])
            repeat: Callable[[], Difference] | str
            if run is None or CHECKPOINT not in self.results.names(run):
                repeat = "the checkpoints that were measured are not here"
            elif not (prepared / PREPARED_RECORD).is_file():
                repeat = "the prepared data are not here"
            elif self._lacks_judges(content):
                repeat = "the judges that were measured with, or their data, are not here"
            elif lacking := _unknown_measures(content):
                repeat = f"made before the measures {', '.join(lacking)} were known"
            else:
                repeat = incomparable(record, self.device, self.threads) or functools.partial(
                    self._measure, directory, record, run, data["fingerprint"]
                )
            spec = from_canonical(content["spec"])
            yield Candidate(
                f"{spec.data_set}-{spec.likelihood}, {device_of(record)}",
                (fingerprint_of(directory),),
                (bank_key(spec)[1], repr(content["measures"])),
                float(content["seconds"]),
                repeat,
            )

    def _lacks_judges(self, content: Mapping[str, Any]) -> bool:
        from workflow_src.evaluate.judge_runs import lacking_judges

        return bool(lacking_judges(content, self.results)) or not all(
            (self._data_of_judge(judge) / PREPARED_RECORD).is_file()
            for judge in content.get("judges", ())
        )

    def _data_of_judge(self, judge: Mapping[str, Any]) -> Path:
        spec = judge["spec"]
        layout = self.plan.layout
        return self.plan.root / layout.prepared(spec["data_set"], spec["likelihood"], judge["data"])

    def _measure(self, directory: str, record: Record, run: str, data: str) -> Difference:
        from workflow_src.compute import open_device
        from workflow_src.data.prepared import open_verified
        from workflow_src.evaluate.judge_runs import judges_of_record
        from workflow_src.evaluate.measurement import MemoryBudgetError
        from workflow_src.evaluate.measuring import measure_run
        from workflow_src.train.checkpoints import tensors_of

        content = record["content"]
        device = open_device(self._device(record), int(record["threads"]))
        arrays = open_verified(self._prepared(record, data), data)
        parameters = tensors_of(self.results.read(run, CHECKPOINT))
        budget = self.plan.settings.evaluation.budget_megabytes(device.type) << 20
        try:
            judges = judges_of_record(
                content,
                self.results,
                lambda judge: open_verified(self._data_of_judge(judge), judge["data"]),
                device,
            )
            again = measure_run(
                content["spec"], parameters, arrays, content["measures"], device, budget, judges
            )
        except MemoryBudgetError as error:
            name = "gpu_memory_megabytes" if device.type == "cuda" else "memory_megabytes"
            raise UserError(str(error), place=f"evaluation.{name}") from error
        found = differences.of_measurement(self.results, directory, record, again)
        name = fingerprint_of(directory)
        outputs = {f"{name}/{file}": one["sha256"] for file, one in record["outputs"].items()}
        return outputs, found

    def _choices(self, model: str, codes: frozenset[str]) -> Iterator[Candidate]:
        """One for all choices of a family, or one that says why there is none."""
        runs = self._run_directories(model)
        for family, made in _by_family(made_with(self.results, "evaluations", model, codes)):
            whole = {
                directory: record
                for directory, record in made.items()
                if all(one["fingerprint"] in runs for one in record["content"]["candidates"])
            }
            latest = dict(list(whole.items())[:EVALUATIONS_CHOSEN])
            absent = "the runs that were chosen among are not all here"
            yield Candidate(
                family,
                tuple(map(fingerprint_of, latest)),
                None,
                0.0,
                functools.partial(self._choose, latest, runs) if latest else absent,
            )

    def _choose(self, made: Mapping[str, Record], runs: Mapping[str, str]) -> Difference:
        from workflow_src.evaluate.selection import candidate_of, choose_among

        found: list[str] = []
        for directory, record in made.items():
            content = record["content"]
            among = [self.results.record(runs[one["fingerprint"]]) for one in content["candidates"]]
            candidates = [vars(candidate_of(one)) for one in among]
            choice = choose_among(among)
            found += differences.of_choice(directory, content, candidates, choice)
        return {}, found

    def _run_directories(self, model: str) -> dict[str, str]:
        """All runs of a model, whatever made them, by fingerprint."""
        there = self.results.directories("runs")
        return {fingerprint_of(one): one for one in there if one.startswith(f"runs/{model}/")}


def _by_family(made: Iterator[tuple[str, Record]]) -> Iterator[tuple[str, dict[str, Record]]]:
    """Results by data set and likelihood, one family after another."""
    families: dict[str, dict[str, Record]] = defaultdict(dict)
    for directory, record in made:
        family = directory.split("/")[2]
        families[family][directory] = record
    yield from families.items()


def _unknown_measures(content: Mapping[str, Any]) -> list[str]:
    """Measures of the model that were not known when a measurement was made."""
    model = content["spec"]["model"]
    known = set(evaluation_of(model).measures) & set(measures_of(model))
    return sorted(known - content["measures"].keys())
