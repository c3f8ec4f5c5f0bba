"""Makes results of earlier code again with the code as it is, and compares bit for bit.

Everything is written to a folder of its own; results are only read.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes import differences
from workflow_src.changes.comparison import StepChange
from workflow_src.changes.earlier import Record
from workflow_src.changes.orphans import fingerprint_of
from workflow_src.changes.trials import Trial, device_of, incomparable, made_with
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Code
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.memberships import asked
from workflow_src.plan.plan import Plan
from workflow_src.storage import read_json_object, write_json

EVALUATIONS_CHOSEN = 50
"""Evaluations whose winner is chosen again at most; it costs next to nothing."""

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Repeater:
    """Repeats ``sample`` results of each step in ``folder``."""

    plan: Plan
    results: Results
    folder: Path
    sample: int
    device: str | None
    threads: int | None

    def repeat(self, change: StepChange, codes: frozenset[str]) -> list[Trial]:
        """Try the new code of one step on results that were made with one of ``codes``."""
        if self.sample == 0:
            return [Trial(change.step, reason="not asked for: --sample 0")]
        step, _, model = change.step.partition(" of ")
        kinds = {
            "training": self._train,
            "measurement": self._measure,
            "evaluation": self._evaluate,
            "preparation": self._prepare,
        }
        reasons: Counter[str] = Counter()
        trials = []
        for answer in kinds[step](change.step, model, codes):
            if isinstance(answer, str):
                reasons[answer] += 1
                continue
            trials.append(answer)
            if len(trials) == self.sample:
                break
        if trials:
            return trials
        told = "; ".join(reason for reason, _ in reasons.most_common(2))
        return [Trial(change.step, reason=told or "no result of the old code is here")]

    def _train(self, step: str, model: str, codes: frozenset[str]) -> Iterator[Trial | str]:
        made = dict(made_with(self.results, "runs", model, codes))
        known = {fingerprint_of(directory): directory for directory in made}
        banks: dict[tuple[str, ...], float] = {}
        for record in made.values():
            bank = tuple(record["content"].get("circumstances", {}).get("bank", ()))
            if not bank or not set(bank) <= known.keys():
                yield "not all runs that were trained together are here"
                continue
            members = [made[known[name]] for name in bank]
            banks[bank] = sum(float(m["content"]["result"]["device_seconds"]) for m in members)
        for bank in sorted(banks, key=lambda names: (banks[names], names)):
            together = {known[name]: made[known[name]] for name in bank}
            reason = next(filter(None, map(self._untrainable, together.values())), None)
            yield reason or self._trained(step, model, together)

    def _untrainable(self, record: Record) -> str | None:
        if record["content"]["circumstances"].get("interruptions"):
            return "training was interrupted and resumed"
        if not (self._prepared(record) / PREPARED_RECORD).is_file():
            return "the prepared data are not here"
        return incomparable(record, self.device, self.threads)

    def _prepared(self, record: Record) -> Path:
        spec, name = record["content"]["spec"], record["content"]["data"]
        layout = self.plan.layout
        return self.plan.root / layout.prepared(spec["data_set"], spec["likelihood"], name)

    def _trained(self, step: str, model: str, members: Mapping[str, Record]) -> Trial:
        from workflow_src.train.shard import ShardOptions, train_shard

        started = time.perf_counter()
        folder = self.folder / fingerprint_of(next(iter(members)))
        first = next(iter(members.values()))
        membership = folder / "membership.json"
        write_json(membership, self._shard(folder, self.plan.closures.of_model(model), members))
        options = ShardOptions(device=device_of(first), threads=int(first["threads"]))
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
        return _trial(step, map(fingerprint_of, members), outputs, found, started)

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
                        "directory": str(self._prepared(record)),
                    },
                }
                for directory, record in members.items()
            ],
        }

    def _measure(self, step: str, model: str, codes: frozenset[str]) -> Iterator[Trial | str]:
        made = list(made_with(self.results, "measurements", model, codes))
        runs = {fingerprint_of(one): one for one in self.results.directories("runs")}
        for directory, record in sorted(made, key=lambda one: float(one[1]["content"]["seconds"])):
            run = runs.get(record["content"]["run"])
            if run is None or CHECKPOINT not in self.results.names(run):
                yield "the checkpoints that were measured are not here"
                continue
            data = next(one for one in record["parents"] if one["kind"] == "prepared")
            spec = record["content"]["spec"]
            prepared = self.plan.root / self.plan.layout.prepared(
                spec["data_set"], spec["likelihood"], data["fingerprint"]
            )
            if not (prepared / PREPARED_RECORD).is_file():
                yield "the prepared data are not here"
                continue
            reason = incomparable(record, self.device, self.threads)
            yield reason or self._measured(step, directory, record, run, prepared)

    def _measured(
        self, step: str, directory: str, record: Record, run: str, prepared: Path
    ) -> Trial:
        import torch
        from safetensors.torch import load

        from workflow_src.compute import open_device
        from workflow_src.data.prepared import open_verified
        from workflow_src.evaluate.bounds import MemoryBudgetError
        from workflow_src.evaluate.measurement import measure
        from workflow_src.models.building import build_model

        started = time.perf_counter()
        content = record["content"]
        device = open_device(device_of(record), int(record["threads"]))
        data = next(one for one in record["parents"] if one["kind"] == "prepared")
        arrays = open_verified(prepared, data["fingerprint"])
        parameters = load(self.results.read(run, CHECKPOINT))
        megabytes = self.plan.settings.evaluation.memory_megabytes
        try:
            again = measure(
                build_model(content["spec"], arrays.shape, arrays.levels),
                {name: value.to(device) for name, value in parameters.items()},
                content["spec"],
                torch.tensor(arrays.test).to(device),
                arrays.labels["test"],
                content["measures"],
                megabytes << 20,
            )
        except MemoryBudgetError as error:
            raise UserError(str(error), place="evaluation.memory_megabytes") from error
        found = differences.of_measurement(self.results, directory, record, again)
        name = fingerprint_of(directory)
        outputs = {f"{name}/{file}": one["sha256"] for file, one in record["outputs"].items()}
        return _trial(step, [name], outputs, found, started)

    def _evaluate(self, step: str, model: str, codes: frozenset[str]) -> Iterator[Trial | str]:
        """One trial of many choices."""
        from workflow_src.evaluate.selection import Candidate, choose

        started = time.perf_counter()
        names, found = [], []
        for directory, record in made_with(self.results, "evaluations", model, codes):
            content = record["content"]
            keys = ("fingerprint", "state", "validation_bound", "parameter_count")
            candidates = [
                Candidate(**{key: one[key] for key in keys}) for one in content["candidates"]
            ]
            winner, reason = choose(candidates)
            names.append(fingerprint_of(directory))
            if (winner, reason) != (content["winner"], content["reason"]):
                found.append(
                    f"{directory}: the winner is {winner or reason}, "
                    f"and was {content['winner'] or content['reason']}"
                )
            if len(names) == EVALUATIONS_CHOSEN:
                break
        if names:
            yield _trial(step, names, {}, found, started)

    def _prepare(self, step: str, model: str, codes: frozenset[str]) -> Iterator[Trial | str]:
        from workflow_src.config.data_sets import data_set
        from workflow_src.plan.fingerprints import data_recipe

        layout, root = self.plan.layout, self.plan.root
        there = (root / layout.data / "prepared").glob(f"*/{PREPARED_RECORD}")
        made = []
        for path in there:
            try:
                record = read_json_object(path)
                code = record["content"]["code"]
                if codes & {code["digest"], code.get("identity", "")}:
                    made.append((_bytes(record), path.parent, record))
            except (UserError, KeyError, TypeError, AttributeError):
                continue
        for _, directory, record in sorted(made, key=lambda one: (one[0], one[1])):
            content = record["content"]
            known = data_set(content["data_set"])
            if data_recipe(known, content["likelihood"]) != content["recipe"]:
                yield "the recipe changed too"
            elif not (root / layout.raw(known.name) / PREPARED_RECORD).is_file():
                yield "the published files are not here"
            else:
                yield incomparable(record, None, None) or self._made_ready(step, directory, record)

    def _made_ready(self, step: str, directory: Path, record: Record) -> Trial:
        from workflow_src.config.data_sets import data_set
        from workflow_src.data.job import current_fingerprint, prepare_data_set

        started = time.perf_counter()
        content = record["content"]
        known = data_set(content["data_set"])
        again = self.folder / directory.name
        raw = self.plan.root / self.plan.layout.raw(known.name)
        name = current_fingerprint(known, content["likelihood"])
        prepare_data_set(known, content["likelihood"], name, raw, again)
        found = differences.of_prepared(directory, again)
        shutil.rmtree(again)
        label = str(record["fingerprint"])
        outputs = {f"{label}/{file}": one["sha256"] for file, one in record["outputs"].items()}
        return _trial(step, [label], outputs, found, started)


def _trial(
    step: str,
    names: Iterable[str],
    outputs: Mapping[str, str],
    found: list[str],
    started: float,
) -> Trial:
    return Trial(
        step=step,
        results=tuple(names),
        equal=not found,
        outputs=outputs,
        differences=tuple(found),
        seconds=time.perf_counter() - started,
    )


def _bytes(record: Record) -> int:
    return sum(int(one["bytes"]) for one in record["outputs"].values())
