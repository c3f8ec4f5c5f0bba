"""The plan in the words of Snakemake: targets, and the inputs of each job, as paths.

The main process plans and writes the memberships. A job on a node reads the membership of its own
work, so it neither plans again nor minds that the plan has moved on. Rules should take all inputs
as ``ancient()``: what exists under its fingerprint is up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.cluster.profile import asked_partition
from workflow_src.cluster.queue import Partition, QueuedJob, limits_of, partitions
from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Study
from workflow_src.errors import UserError
from workflow_src.jobs.gpus import visible_gpus
from workflow_src.plan import packing
from workflow_src.plan.captions import CAPTIONS, Captions
from workflow_src.plan.exclusive import hold, refuse_for_slurm
from workflow_src.plan.layout import PREPARED_RECORD, RAW_RECORD, Layout
from workflow_src.plan.memberships import discard_outdated, write_memberships
from workflow_src.plan.overview import write_overview
from workflow_src.plan.plan import PACKAGE_ROOT, Plan, build_plan
from workflow_src.plan.planned import PlannedEvaluation, Shard
from workflow_src.plan.taking_over import (
    RULES,
    TRAINING,
    become_driver,
    jobs_in_queue,
    live_shards,
    taken_over,
    told,
)
from workflow_src.storage import read_json_object


@dataclass(frozen=True)
class WorkflowPlan:
    """Answers to the Snakefile; every path is text, relative to ``root`` where settings are."""

    settings: Settings
    layout: Layout
    root: Path
    plan: Plan | None
    """None inside a job: it works from memberships alone."""
    shards: dict[str, Shard]
    evaluations: dict[str, PlannedEvaluation]
    shard_of_run: dict[str, str]
    partitions: Mapping[str, Partition] = field(default_factory=dict)
    """What the partitions give that jobs go to, by rule; empty where they go to none."""

    def targets(self) -> list[str]:
        """What the whole workflow is to make: the report. Nothing inside a job."""
        if self.plan is None:
            return []
        return [self.layout.report_manifest(self.plan.report).as_posix()]

    def raw_targets(self) -> list[str]:
        """The records of the published files of all data sets."""
        if self.plan is None:
            return []
        names = dict.fromkeys(data.raw_name for data in self.plan.prepared)
        return [(self.layout.raw(name) / RAW_RECORD).as_posix() for name in names]

    def raw_record(self, name: str) -> str:
        """The record of the published files that the data set ``name`` is made from."""
        return (self.layout.raw(data_set(name).raw_name) / RAW_RECORD).as_posix()

    def prepared_targets(self) -> list[str]:
        """The records of all prepared data."""
        return [data.record.as_posix() for data in self.plan.prepared] if self.plan else []

    def shard_targets(self) -> list[str]:
        """The manifests of all shards that have something to train."""
        return [self.layout.shard_manifest(name).as_posix() for name in self.shards]

    def evaluation_targets(self) -> list[str]:
        """All evaluations, there or not, but for those that are in a pack and no files."""
        return [one.path.as_posix() for one in self.evaluations.values() if not one.archived]

    def allowed_minutes(self, rule: str, asked: int) -> int:
        """The wall time to ask for: what is ``asked``, or as long as the partition allows."""
        limit = self.partitions.get(rule, Partition()).minutes
        return asked if limit is None else min(asked, limit)

    def allowed_megabytes(self, rule: str, asked: int) -> int:
        """The memory to ask for: what is ``asked``, or what the partition's largest node has."""
        largest = self.partitions.get(rule, Partition()).megabytes
        return min(asked, largest) if largest else asked

    def shard_minutes(self, digest: str, attempt: int) -> int:
        """The wall time to ask for a shard, from what its missing runs are expected to take."""
        if self.plan is None or digest not in self.plan.expected:
            return self.allowed_minutes(TRAINING, 60 * attempt)
        cost = self.plan.expected[digest]
        return self.allowed_minutes(TRAINING, packing.minutes(cost.seconds, cost.source, attempt))

    def gpus_at_once(self) -> int:
        """How many jobs with a GPU may run at once on this machine."""
        # A job that finds no GPU says so; Snakemake alone would only find that it cannot run.
        return max(1, len(visible_gpus())) if self.settings.device == "cuda" else 1

    def prepared_membership(self, fingerprint: str) -> str:
        """The file that tells a preparation job what to do."""
        return self.layout.prepared_membership(fingerprint).as_posix()

    def shard_membership(self, digest: str) -> str:
        """The file that tells a training job what to do."""
        return self.layout.shard_membership(digest).as_posix()

    def shard_inputs(self, digest: str) -> list[str]:
        """The membership of a shard and the records of the prepared data that it trains on."""
        if digest in self.shards and self.plan is not None:
            runs = self.plan.runs
            directories = [runs[name].prepared.directory for name in self.shards[digest].runs]
        else:
            content = self._membership(self.layout.shard_membership(digest), f"shard {digest}")
            directories = [Path(run["prepared"]["directory"]) for run in content["runs"]]
        return [self.shard_membership(digest), *_records(directories)]

    def evaluation_membership(self, fingerprint: str) -> str:
        """The file that tells an evaluation job what to do."""
        return self.layout.evaluation_membership(fingerprint).as_posix()

    def evaluation_inputs(self, fingerprint: str) -> list[str]:
        """The membership, the prepared data, and the manifests of shards with missing runs.

        Judges are among the runs, and what they were trained on among the data.

        An evaluation that exists asks for its membership alone: a checkout with results and without
        data has nothing to do, and a run that was lost is trained again without it.
        """
        manifests = [self.layout.shard_manifest(s).as_posix() for s in self._shards_of(fingerprint)]
        inputs = [self.evaluation_membership(fingerprint), *manifests]
        if fingerprint in self.evaluations:
            one = self.evaluations[fingerprint]
            if one.exists:
                return inputs[:1]
            return [*inputs, *(data.record.as_posix() for data in one.data)]
        place = self.layout.evaluation_membership(fingerprint)
        content = self._membership(place, f"evaluation {fingerprint}")
        prepared = [content["prepared"], *(one["prepared"] for one in content.get("judges", ()))]
        return [*inputs, *_records(Path(one["directory"]) for one in prepared)]

    def report_membership(self, fingerprint: str) -> str:
        """The file that tells the report what to show."""
        return self.layout.report_membership(fingerprint).as_posix()

    def report_inputs(self, fingerprint: str) -> list[str]:
        """The membership of the report and the evaluations that it shows."""
        inputs = [self.report_membership(fingerprint)]
        if self.plan is not None and fingerprint == self.plan.report:
            return inputs + self.evaluation_targets()
        place = self.layout.report_membership(fingerprint)
        content = self._membership(place, f"report {fingerprint}")
        results = Results(self.root / self.layout.results)
        paths = dict.fromkeys(group["path"] for group in content["groups"])
        return inputs + [path for path in paths if not self._is_archived(results, path)]

    def captions(self, fingerprint: str) -> Captions:
        """What Snakemake's own report says of the results in the report's folder of figures."""
        return Captions(self.layout.report_figures(fingerprint) / CAPTIONS)

    def study_title(self, wildcards: Any) -> str:
        """The paper's title; its name here where the plan does not have it."""
        study = self._study(wildcards.study)
        # Snakemake's report makes the target of a link of it, whose name would end at the colon.
        return study.title.replace(": ", " - ") if study else str(wildcards.study)

    def experiment_title(self, wildcards: Any) -> str:
        """The experiment's title; its name where it is of a whole study, as claims are."""
        study, name = self._study(wildcards.study), str(wildcards.experiment)
        experiment = study.experiments.get(name) if study else None
        return experiment.title if experiment else name.replace("_", " ").capitalize()

    def figure_labels(self, wildcards: Any) -> dict[str, str]:
        """What a figure is called in the list of its experiment's results."""
        return {"Result": self.captions(wildcards.fingerprint).label(wildcards)}

    def _study(self, name: str) -> Study | None:
        studies = self.plan.studies if self.plan else ()
        return next((study for study in studies if study.name == name), None)

    def _is_archived(self, results: Results, path: str) -> bool:
        directory = Path(path).parent.relative_to(self.layout.results).as_posix()
        return results.is_packed(directory) and not results.is_loose(directory)

    def _shards_of(self, fingerprint: str) -> list[str]:
        if fingerprint not in self.evaluations:
            return []
        runs = self.evaluations[fingerprint].needed
        return list(dict.fromkeys(self.shard_of_run[r] for r in runs if r in self.shard_of_run))

    def _membership(self, path: Path, what: str) -> dict[str, Any]:
        place = self.root / path
        if not place.is_file():
            raise UserError(
                f"{what} is neither in the plan of these settings nor among earlier ones",
                place=str(path),
                remedy="start Snakemake with the settings that it was planned with",
            )
        return read_json_object(place)


def workflow_plan(
    config: Mapping[str, Any],
    sources: Iterable[str | Path] = (),
    *,
    package_root: Path = PACKAGE_ROOT,
    root: Path | None = None,
    alone: bool = False,
    resources: Any = None,
) -> WorkflowPlan:
    """Check Snakemake's merged ``config``, plan, and write the memberships.

    ``sources`` are the configuration files, for the line of a mistake. With ``alone``, this process
    first takes the lock of the results, so that what it plans is not being made by another.
    ``resources`` are Snakemake's settings of that name where its jobs go to SLURM: jobs that an
    earlier start left in the queue are then part of the plan, and with ``alone`` this process
    becomes the driver that takes them over.
    """
    settings = settings_from_mapping(config, [Path(source) for source in sources])
    where = Path.cwd() if root is None else root
    results = where / settings.directories.results
    on_cluster = resources is not None
    if on_cluster:
        refuse_for_slurm(where, package_root)
    if alone:
        if not results.is_dir():
            # A mistake that planning finds is told before a directory is made for the lock.
            build_plan(settings, package_root=package_root, root=root)
        hold(results)
    queued = jobs_in_queue(results, for_sure=alone) if on_cluster else []
    plan = build_plan(
        settings, package_root=package_root, root=root, live_shards=live_shards(queued)
    )
    write_memberships(plan)
    if alone:
        discard_outdated(plan)
        write_overview(plan)
    if on_cluster:
        _take_over(plan, queued, alone=alone)
    return WorkflowPlan(
        settings=settings,
        layout=plan.layout,
        root=plan.root,
        plan=plan,
        shards={shard.digest: shard for shard in plan.shards},
        evaluations={one.fingerprint: one for one in plan.evaluations},
        shard_of_run={name: shard.digest for shard in plan.shards for name in shard.runs},
        partitions=_partitions(resources) if on_cluster else {},
    )


def _take_over(plan: Plan, queued: Sequence[QueuedJob], *, alone: bool) -> None:
    taken = taken_over(plan, queued)
    if alone:
        become_driver(plan, queued, taken)
    for line in told(queued, taken):
        print(line, file=sys.stderr)


def _partitions(resources: Any) -> dict[str, Partition]:
    known = partitions()
    return {rule: limits_of(asked_partition(rule, resources), known) for rule in RULES}


def workflow_plan_of_job(
    config: Mapping[str, Any], sources: Iterable[str | Path] = (), *, root: Path | None = None
) -> WorkflowPlan:
    """As `workflow_plan`, for a Snakemake that runs one job on a node: nothing is planned."""
    settings = settings_from_mapping(config, [Path(source) for source in sources])
    layout = Layout(settings.directories.data, settings.directories.results)
    return WorkflowPlan(settings, layout, Path.cwd() if root is None else root, None, {}, {}, {})


def _records(directories: Iterable[Path]) -> list[str]:
    return list(dict.fromkeys((d / PREPARED_RECORD).as_posix() for d in directories))
