"""How long a plan takes on 1, 8, 64 and 512 devices: costs measured here, the cluster simulated.

    python benchmarks/scaling.py [--runs 12000] [--target-hours 4 1] [--device cpu]

Measured: one training step of every cell of the paper's grid (a cell is model, likelihood, image
size and hyperparameters), and images a second of the 5,000-sample bound for one cell of each
model. Taken from the records in docs/results: how many steps a training takes until it stops.
Simulated: jobs that start on the first free device in the order in which they became ready, and an
evaluation that waits for all shards of its group. What a job really takes is drawn around what was
expected, with the spread of those records; every job costs a start on top.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from workflow_src.compute import open_device
from workflow_src.config.loading import load_settings
from workflow_src.evaluate.leaf_models.bounds import importance_weighted_bounds
from workflow_src.models.building import build_model
from workflow_src.models.leaf_models import (
    LeafModel,
    importance_weighted_bound,
    noise_shape,
    stack_runs,
)
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.shards import fill_shards
from workflow_src.plan.specs import RunSpec
from workflow_src.train.gradient.optimizer import BankAdam

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "docs" / "results" / "mnist_winners" / "records"
SIDES = {"mnist": 28, "svhn": 32, "cifar10": 32}
TEST_IMAGES = {"mnist": 10_000, "svhn": 26_032, "cifar10": 10_000}
BATCH, SAMPLES = 128, 5
DEVICES = (1, 8, 64, 512)
START_SECONDS = 8.0
"""What a job takes beside its work: two starts of Snakemake and one of torch (docs/slurm.md)."""

Cell = tuple[object, ...]


@dataclass(frozen=True)
class Job:
    """One job of the cluster, with the places of the jobs that it waits for."""

    seconds: float
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Hours until the last job ends, and the share of device hours in which a job worked."""

    hours: float
    utilisation: float


def cell(spec: RunSpec) -> Cell:
    return spec.model, spec.likelihood, SIDES[spec.data_set], spec.hyperparameters


def model_of(spec: RunSpec) -> LeafModel:
    side = SIDES[spec.data_set]
    return build_model(spec.canonical(), (side, side), 255)


def images_for(model: LeafModel, count: int, device: torch.device) -> torch.Tensor:
    images = torch.rand(count, model.images.pixels, generator=torch.Generator().manual_seed(0))
    return (images if model.images.likelihood == "gaussian" else (images * 255).round()).to(device)


def seconds_now(device: torch.device) -> float:
    """A clock: this process's own time on a CPU, which other programs do not lengthen."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def step_seconds(spec: RunSpec, device: torch.device, steps: int = 6) -> float:
    """The median of some training steps with Adam."""
    model = model_of(spec)
    start = stack_runs([model.initial_parameters(torch.Generator().manual_seed(0))])
    adam = BankAdam({name: value.to(device) for name, value in start.items()}, 0.001)
    images = images_for(model, BATCH, device).T.unsqueeze(0)
    taken = []
    for _ in range(steps + 2):
        started = seconds_now(device)
        noise = torch.randn(1, *noise_shape(model, SAMPLES, BATCH), device=device)
        adam.maximise(importance_weighted_bound(model, adam.parameters, images, noise).mean())
        taken.append(seconds_now(device) - started)
    return statistics.median(taken[2:])


def evaluated_images_per_second(spec: RunSpec, device: torch.device, images: int = 32) -> float:
    model = model_of(spec)
    parameters = model.initial_parameters(torch.Generator().manual_seed(0))
    pixels = images_for(model, images, device)
    parameters = {name: value.to(device) for name, value in parameters.items()}
    started = seconds_now(device)
    importance_weighted_bounds(
        model,
        parameters,
        pixels,
        [5000],
        lambda block: torch.Generator(device).manual_seed(block),
        1 << 30,
    )
    return images / (seconds_now(device) - started)


def recorded_steps() -> dict[str, list[int]]:
    """Steps until training stopped, by model, of the full trainings in docs/results."""
    steps: dict[str, list[int]] = {}
    for path in sorted(RECORDS.glob("*-run.json")):
        content = json.loads(path.read_text())["content"]
        steps.setdefault(content["spec"]["model"], []).append(content["result"]["steps"])
    return steps


def spread(steps: Mapping[str, Sequence[int]]) -> float:
    """Standard deviation of the logarithm of a training's length around its model's mean."""
    deviations = [
        math.log(one / statistics.mean(values)) for values in steps.values() for one in values
    ]
    return math.sqrt(sum(d * d for d in deviations) / (len(deviations) - len(steps)))


def chosen_plan(seeds: int) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(
            f"studies: [spvae]\nscale: paper\nexperiments: [figure2]\nseeds: {list(range(seeds))}\n"
        )
        return build_plan(load_settings(config), root=Path(folder))


def simulate(jobs: Sequence[Job], devices: int) -> Outcome:
    """Start jobs in the order in which they become ready, each on the first free device."""
    waits_for = [len(job.after) for job in jobs]
    followers: list[list[int]] = [[] for _ in jobs]
    for place, job in enumerate(jobs):
        for earlier in job.after:
            followers[earlier].append(place)
    ready = deque(place for place, count in enumerate(waits_for) if count == 0)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < devices:
            place = ready.popleft()
            heapq.heappush(running, (now + START_SECONDS + jobs[place].seconds, place))
        now, ended = heapq.heappop(running)
        for follower in followers[ended]:
            waits_for[follower] -= 1
            if waits_for[follower] == 0:
                ready.append(follower)
    work = sum(job.seconds for job in jobs)
    return Outcome(now / 3600, work / (now * devices))


def jobs_of(
    plan: Plan,
    runs: Sequence[str],
    seconds: Mapping[str, float],
    evaluation_rates: Mapping[str, float],
    target_hours: float,
    longest_first: bool,
) -> list[Job]:
    """Shards of ``runs`` filled as planning fills them, then the evaluations of whole groups."""
    specs = {name: plan.runs[name].spec for name in runs}
    shards = fill_shards(
        specs,
        seconds,
        target_seconds=target_hours * 3600,
        maximum_runs=plan.settings.shard.maximum_runs,
    )
    if longest_first:
        shards.sort(key=lambda shard: -sum(seconds[name] for name in shard))
    jobs = [Job(sum(seconds[name] for name in shard)) for shard in shards]
    shard_of = {name: place for place, shard in enumerate(shards) for name in shard}
    for one in plan.evaluations:
        if all(name in shard_of for name in one.runs):
            data_set, model = str(one.axes["data_set"]), str(one.axes["model"])
            after = tuple(dict.fromkeys(shard_of[name] for name in one.runs))
            jobs.append(Job(TEST_IMAGES[data_set] / evaluation_rates[model], after))
    return jobs


def drawn(jobs: Iterable[Job], deviation: float, seed: int = 0) -> list[Job]:
    """The jobs with the seconds that they turn out to take."""
    draw = random.Random(seed)
    return [replace(job, seconds=job.seconds * draw.lognormvariate(0, deviation)) for job in jobs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=12_000)
    parser.add_argument("--target-hours", type=float, nargs="+", default=[4.0, 1.0])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = open_device(arguments.device, 1)
    plan = chosen_plan(seeds=math.ceil(arguments.runs / 3718))
    runs = list(plan.runs)[: arguments.runs]
    examples = {cell(plan.runs[name].spec): plan.runs[name].spec for name in runs}
    per_step = {key: step_seconds(spec, device) for key, spec in examples.items()}
    steps = recorded_steps()
    mean_steps = {model: statistics.mean(values) for model, values in steps.items()}
    seconds = {
        name: per_step[cell(spec)] * mean_steps[spec.model]
        for name in runs
        for spec in (plan.runs[name].spec,)
    }
    middle = {
        model: next(s for s in examples.values() if s.model == model and s.data_set == "mnist")
        for model in mean_steps
    }
    rates = {model: evaluated_images_per_second(spec, device) for model, spec in middle.items()}
    print(f"{len(runs)} runs, {len(per_step)} cells timed on {device}")
    print(
        f"step: {min(per_step.values()) * 1e3:.1f} to {max(per_step.values()) * 1e3:.1f} ms; run: "
        f"{min(seconds.values()) / 60:.0f} to {max(seconds.values()) / 60:.0f} min; evaluation: "
        + ", ".join(f"{model} {rate:.1f} images a second" for model, rate in rates.items())
    )
    print(f"spread of a run's length: {spread(steps):.2f} (standard deviation of the logarithm)")
    print(
        "target h  order          jobs  runs a job  device h  "
        + "".join(f"{d:>16} " for d in DEVICES)
    )
    for hours in arguments.target_hours:
        for longest_first in (False, True):
            jobs = jobs_of(plan, runs, seconds, rates, hours, longest_first)
            shards = sum(not job.after for job in jobs)
            outcomes = [simulate(drawn(jobs, spread(steps)), count) for count in DEVICES]
            cells = "".join(f"{o.hours:>8.1f} h {o.utilisation:>5.1%} " for o in outcomes)
            order = "longest first" if longest_first else "as planned"
            work = sum(job.seconds for job in jobs) / 3600
            packing = f"{len(jobs):>5}  {len(runs) / shards:>10.1f}  {work:>8.0f}"
            print(f"{hours:>8}  {order:<13} {packing}  {cells}")


if __name__ == "__main__":
    main()
