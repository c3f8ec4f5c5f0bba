"""Auditing 4,004 finished runs, against plain sha256 of the same bytes.

    python benchmarks/audit.py [--jobs 2] [--rounds 3] [--seeds 11] [--folder DIRECTORY]

The runs are made up and consistent: real records with real digests over checkpoints of 0.28 to 1 MB
of noise, evaluations of 13 runs each, their measurements, a real report. They take 2.6 GB in a
temporary folder, and some minutes to make. What was written just now is still in memory: this
measures computing, not disks.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workflow_src.compute import settings
from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import load_layered
from workflow_src.data.job import fetch_data_set, prepare_data_set
from workflow_src.evaluate.leaf_models.bounds import Bounds
from workflow_src.evaluate.leaf_models.metric_rows import bound_rows
from workflow_src.plan.memberships import evaluation_membership, write_memberships
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.planned import PlannedEvaluation, Shard
from workflow_src.provenance.record import build_record, parent
from workflow_src.report.report import write_report
from workflow_src.storage import new_directory, read_json_object, sha256_file, write_json
from workflow_src.train.membership import ShardRun, read_shard
from workflow_src.train.run_directory import write_run

ROOT = Path(__file__).resolve().parents[1]
STUDY = """\
name: many
title: Many runs
reference: nobody
training: {importance_samples: 5, batch_size: 128, validation_interval: 128, maximum_steps: 3840}
protocols:
  authors:
    description: None.
    training: {stopping: eleven_below_best}
    models: {spvae: {learning_rate: 0.01}, vae: {learning_rate: 0.001}}
experiments:
  curve:
    title: Many
    description: Many runs.
    presentation: table
    table: {rows: model, columns: [likelihood, fraction], metric: test_bound}
    measures: {importance_samples: [5, 50, 500, 5000], samples: 0}
    scales:
      demo:
        data_sets: [digits]
        likelihoods: [gaussian, binomial]
        fractions: [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]
        models:
          spvae: [{hidden_units: HIDDEN, latent_dimensions: [2]}]
          vae: [{hidden_units: HIDDEN, latent_dimensions: [2]}]
"""
HIDDEN = list(range(10, 140, 10))
BYTES = (280_000, 1_000_000)
STARTED = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="an empty folder to fill and keep")
    arguments = parser.parse_args()
    with _folder(arguments.folder) as folder, contextlib.chdir(folder):
        if not Path("results").exists():
            make(arguments.seeds)
        print("\n".join(audit(arguments.jobs).splitlines()[-2:]))
        audits, hashes = [], []
        for _ in range(arguments.rounds):
            audits.append(seconds(lambda: audit(arguments.jobs)))
            hashes.append(seconds(hash_everything))
        whole, plain = statistics.median(audits), statistics.median(hashes)
        spread = f"{min(audits):.1f} to {max(audits):.1f} s"
        print(f"audit, processes: {arguments.jobs}       median {whole:.1f} s, {spread}")
        print(f"plain sha256, one process  median {plain:.1f} s; audit / plain {whole / plain:.1f}")


def audit(jobs: int) -> str:
    """What the command says, started as people do."""
    command = [sys.executable, "-m", "workflow_src", "audit", "--jobs", str(jobs)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def seconds(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def hash_everything() -> None:
    for top in ("data", "results"):
        for path in Path(top).rglob("*"):
            if path.is_file():
                sha256_file(path)


def make(seeds: int) -> None:
    """Fill the working directory with finished runs, their evaluations and the report."""
    Path("many.yaml").write_text(STUDY.replace("HIDDEN", str(HIDDEN)))
    Path("config.yaml").write_text(f"studies: [many.yaml]\nseeds: {list(range(seeds))}\n")
    plan = build_plan(load_layered([Path("config.yaml")]))
    write_memberships(plan)
    fetch_data_set(data_set("digits"), plan.layout.raw("digits"), None)
    for data in plan.prepared:
        digits, raw = data_set("digits"), plan.layout.raw("digits")
        prepare_data_set(digits, data.likelihood, data.fingerprint, raw, data.directory)
    chance = np.random.default_rng(0)
    for shard in plan.shards:
        make_shard(plan, shard, chance)
    for evaluation in plan.evaluations:
        make_evaluation(plan, evaluation, chance)
    write_report(plan.layout.report_membership(plan.report))


def make_shard(plan: Plan, shard: Shard, chance: np.random.Generator) -> None:
    entries = []
    for run in read_shard(plan.layout.shard_membership(shard.digest)).runs:
        make_run(run, chance)
        record = run.directory / "run.json"
        entries.append(
            {
                "fingerprint": run.fingerprint,
                "directory": run.directory.as_posix(),
                "status": read_json_object(record)["content"]["status"],
                "record_sha256": sha256_file(record),
            }
        )
    manifest = {"schema": 1, "digest": shard.digest, "runs": entries}
    write_json(plan.layout.shard_manifest(shard.digest), manifest)


def make_run(run: ShardRun, chance: np.random.Generator) -> None:
    count = int(chance.integers(*BYTES)) // 4
    weights = torch.from_numpy(chance.standard_normal(count, dtype=np.float32))
    bounds = np.sort(chance.normal(100.0, 10.0, 30))
    history = [
        {
            "step": 128 * (at + 1),
            "training_bound": float(bound) + 1.0,
            "validation_bound": float(bound),
            "device_seconds": 0.25 * (at + 1),
        }
        for at, bound in enumerate(bounds)
    ]
    write_run(
        run,
        status={"state": "completed", "reason": "maximum_steps reached before early stopping"},
        result={
            "best_validation_bound": history[-1]["validation_bound"],
            "best_step": history[-1]["step"],
            "steps": history[-1]["step"],
            "device_seconds": 7.5,
            "parameter_count": count,
        },
        parameters={"weights": weights[: count // 2], "others": weights[count // 2 :]},
        history=history,
        circumstances={"device": "cpu", "bank": [run.fingerprint], "interruptions": []},
        started=STARTED,
    )


def make_evaluation(plan: Plan, one: PlannedEvaluation, chance: np.random.Generator) -> None:
    group = evaluation_membership(plan, one)
    records = {
        run["fingerprint"]: read_json_object(Path(run["directory"]) / "run.json")
        for run in group["runs"]
    }
    bound = {
        name: record["content"]["result"]["best_validation_bound"]
        for name, record in records.items()
    }
    winner = max(bound, key=bound.__getitem__)
    measured = next(run for run in group["runs"] if run["fingerprint"] == winner)
    metrics = make_measurement(group, measured, records[winner], chance)
    parents = [
        parent("run", run["fingerprint"], Path(run["directory"]) / "run.json")
        for run in group["runs"]
    ]
    place = measured["measurement"]
    path = Path(place["directory"]) / "measurement.json"
    with new_directory(one.directory) as directory:
        record = build_record(
            "evaluation",
            fingerprint=one.fingerprint,
            content={
                **{
                    name: group[name]
                    for name in ("axes", "selection", "measures", "code", "settings")
                },
                "candidates": [
                    candidate(run, records[run["fingerprint"]]) for run in group["runs"]
                ],
                "winner": winner,
                "reason": None,
                "measurement": place,
                "metrics": metrics,
            },
            parents=[*parents, parent("measurement", place["fingerprint"], path)],
            started=STARTED,
            threads=1,
        )
        write_json(directory / "evaluation.json", record)


def candidate(run: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    content = record["content"]
    names = (
        "hidden_units",
        "latent_dimensions",
        "hidden_layers",
        "split_step",
        "leaf_components",
        "sum_components",
    )
    result = dict(content["result"])
    return {
        "fingerprint": run["fingerprint"],
        "directory": run["directory"],
        "spec": content["spec"],
        "hyperparameters": {n: content["spec"][n] for n in names if n in content["spec"]},
        "state": content["status"]["state"],
        "reason": content["status"]["reason"],
        "validation_bound": result.pop("best_validation_bound"),
        **result,
    }


def make_measurement(
    group: dict[str, Any], run: dict[str, Any], trained: dict[str, Any], chance: np.random.Generator
) -> list[dict[str, Any]]:
    counts = group["measures"]["importance_samples"]
    bounds = chance.normal(100.0, 20.0, (len(counts), 250)).astype(np.float32)
    dimensions = math.prod(data_set("digits").shape)
    sizes = np.full(250, 25.0)
    found = Bounds(np.array(counts), bounds.astype(np.float64), bounds[:, None], sizes)
    metrics = bound_rows(found, dimensions)
    size = trained["content"]["result"]["parameter_count"]
    metrics.append(
        row("parameter_count", np.array([size]), "parameters", None) | {"standard_error": None}
    )
    prepared = group["prepared"]
    with new_directory(Path(run["measurement"]["directory"])) as directory:
        np.savez_compressed(
            directory / "bounds.npz", importance_samples=np.array(counts), bounds=bounds
        )
        record = build_record(
            "measurement",
            fingerprint=run["measurement"]["fingerprint"],
            content={
                "run": run["fingerprint"],
                "spec": run["spec"],
                "measures": group["measures"],
                "code": group["measurement_code"],
                "metrics": metrics,
                "images": 250,
                "dimensions": dimensions,
                "settings": group["settings"],
            },
            parents=[
                parent("run", run["fingerprint"], Path(run["directory"]) / "run.json"),
                parent(
                    "prepared", prepared["fingerprint"], Path(prepared["directory"]) / "record.json"
                ),
            ],
            outputs={"bounds.npz": directory / "bounds.npz"},
            started=STARTED,
            threads=1,
            determinism=settings(),
        )
        write_json(directory / "measurement.json", record)
    return metrics


def row(
    metric: str, values: np.ndarray[Any, Any], unit: str, samples: int | None
) -> dict[str, Any]:
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {
        "metric": metric,
        "value": float(values.mean()),
        "standard_error": error,
        "unit": unit,
        "importance_samples": samples,
    }


if __name__ == "__main__":
    main()
