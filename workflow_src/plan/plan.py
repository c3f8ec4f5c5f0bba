"""The plan: every run, evaluation and prepared data set that the settings ask for, by fingerprint.

Up to date means that it exists under its fingerprint, as a directory or in the archive; what is
missing is packed into shards.
Nothing is written here: that is `workflow_src.plan.memberships`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import FOLDER, read_index
from workflow_src.config.data_sets import COLLECTIONS, data_set
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import model_declaration
from workflow_src.config.settings import Settings, ShardSettings
from workflow_src.config.studies import Study, load_study
from workflow_src.errors import UserError
from workflow_src.plan.costs import Cost, expected_costs
from workflow_src.plan.cut_cells import CutCell
from workflow_src.plan.fingerprints import (
    LENGTH,
    Closures,
    data_recipe,
    evaluation_fingerprint,
    prepared_fingerprint,
    report_fingerprint,
    run_fingerprint,
)
from workflow_src.plan.grids import Group, expansion
from workflow_src.plan.judges import with_judges
from workflow_src.plan.layout import EVALUATION_RECORD, Layout
from workflow_src.plan.live import sorted_out
from workflow_src.plan.packing import total
from workflow_src.plan.planned import PlannedData, PlannedEvaluation, PlannedRun, Shard
from workflow_src.plan.shards import family, fill_shards
from workflow_src.plan.specs import RunSpec
from workflow_src.storage import digest, explain, sha256_file

PACKAGE_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Plan:
    """What the settings ask for, what of it is missing, and how that is packed."""

    settings: Settings
    layout: Layout
    root: Path
    studies: tuple[Study, ...]
    groups: tuple[Group, ...]
    cut_cells: tuple[CutCell, ...]
    """What is not trained since it would take more memory than the settings' cap."""
    prepared: tuple[PlannedData, ...]
    runs: dict[str, PlannedRun]
    missing: tuple[str, ...]
    shards: tuple[Shard, ...]
    """Every missing run is in exactly one."""
    live_shards: frozenset[str]
    """Digests of those shards whose jobs an earlier start has left alive."""
    unneeded_shards: tuple[str, ...]
    """Digests of live shards that make nothing which is missing here."""
    costs: dict[str, Cost]
    """Of the runs, by fingerprint, of every family in which one is missing."""
    expected: dict[str, Cost]
    """What the missing runs of each shard cost together, by the shard's digest."""
    evaluations: tuple[PlannedEvaluation, ...]
    report: str
    """Fingerprint of the report."""
    closures: Closures


def build_plan(
    settings: Settings,
    *,
    package_root: Path = PACKAGE_ROOT,
    root: Path | None = None,
    live_shards: Iterable[str] = (),
) -> Plan:
    """Expand, name and look up everything that ``settings`` ask for.

    ``package_root`` is the folder of the code that counts; ``root`` is the directory that the
    settings' paths are relative to, the working directory where it is left out. ``live_shards``
    are the digests of shards whose jobs are waiting or at work: they keep the runs that they have.

    Raises
    ------
    UserError
        Where settings and studies do not fit, or code does not parse; and where nothing would run.
    """
    where = Path.cwd() if root is None else root
    layout = Layout(settings.directories.data, settings.directories.results)
    closures = Closures(package_root, environment=settings.identity.environment)
    studies = tuple(load_study(name) for name in settings.studies)
    expansions = [expansion(study, settings) for study in studies]
    groups = tuple(
        with_judges(study, settings.scale, group)
        for study, one in zip(studies, expansions, strict=True)
        for group in one.groups
    )
    cut_cells = tuple(cell for one in expansions for cell in one.cut_cells)
    if not groups:
        raise UserError(
            f"nothing to run: no experiment chosen has a grid at scale {settings.scale} for these "
            "data sets and likelihoods",
            place="config.yaml: experiments",
            remedy="change experiments, scale, data_sets or likelihoods",
        )
    prepared = _prepared(groups, layout, closures)
    names, runs = _named_runs(groups, prepared, layout, closures)
    # Manifests are listed before runs are looked up: a run that a job finishes in between is then
    # found there, never taken for one whose manifest outlived it.
    manifests = _names_in(where / layout.results / "shards")
    archived = _archived(layout, where)
    missing = _missing(runs, archived, where)
    evaluations = _evaluations(groups, names, runs, layout, closures, archived, where)
    live = sorted_out(
        live_shards,
        missing,
        runs,
        layout=layout,
        root=where,
        closures=closures,
        manifests=manifests,
    )
    costs = _costs(missing, runs, layout, where, settings.device)
    shards = (*live.used, *_shards(missing, runs, live.used, costs, settings.shard, manifests))
    shown = _shown(studies, evaluations, cut_cells)
    return Plan(
        settings=settings,
        layout=layout,
        root=where,
        studies=studies,
        groups=groups,
        cut_cells=cut_cells,
        prepared=tuple(prepared.values()),
        runs=runs,
        missing=missing,
        shards=shards,
        live_shards=frozenset(shard.digest for shard in live.used),
        unneeded_shards=live.unneeded,
        costs=costs,
        expected={shard.digest: total(costs[name] for name in shard.runs) for shard in shards},
        evaluations=evaluations,
        report=report_fingerprint(shown, closures.of_report(), package_root),
        closures=closures,
    )


def _prepared(
    groups: Iterable[Group], layout: Layout, closures: Closures
) -> dict[tuple[str, str], PlannedData]:
    pairs = dict.fromkeys(
        pair
        for group in groups
        for pair in (
            (str(group.axes["data_set"]), str(group.axes["likelihood"])),
            *((judge.data_set, judge.likelihood) for judge in group.judges),
        )
    )
    planned = {}
    for name, likelihood in pairs:
        recipe = data_recipe(data_set(name), likelihood)
        fingerprint = prepared_fingerprint(recipe, closures.of_preparation())
        directory = layout.prepared(name, likelihood, fingerprint)
        planned[name, likelihood] = PlannedData(name, likelihood, fingerprint, directory, recipe)
    return planned


def _named_runs(
    groups: Iterable[Group],
    prepared: Mapping[tuple[str, str], PlannedData],
    layout: Layout,
    closures: Closures,
) -> tuple[dict[RunSpec, str], dict[str, PlannedRun]]:
    """Every spec once, judges too, with its fingerprint, in the order of first appearance."""
    names: dict[RunSpec, str] = {}
    runs: dict[str, PlannedRun] = {}
    for group in groups:
        for spec in (*group.runs, *group.judges):
            if spec in names:
                continue
            code = closures.of_model(spec.model)
            data = prepared[spec.data_set, spec.likelihood]
            fingerprint = run_fingerprint(spec, data.fingerprint, code)
            names[spec] = fingerprint
            directory = layout.run(spec, fingerprint)
            runs[fingerprint] = PlannedRun(spec, fingerprint, directory, data)
    return names, runs


def _archived(layout: Layout, root: Path) -> frozenset[str]:
    """The directories that packs hold, as paths that begin like the layout's."""
    folder = layout.results / FOLDER
    index = read_index(root / layout.results)
    absent = sorted(index.packs.keys() - _names_in(root / folder)) if index.packs else []
    if absent:
        raise UserError(
            f"packs that the index names are not there: {', '.join(absent)}",
            place=str(folder),
            remedy="fetch them with `dvc pull`; if they are lost, `python -m workflow_src pack "
            "--rebuild-index` has what they held made anew",
        )
    return frozenset(os.path.join(layout.results, name) for name in index.directories)


def _missing(
    runs: Mapping[str, PlannedRun], archived: frozenset[str], root: Path
) -> tuple[str, ...]:
    """The runs without a record; every folder is listed once."""
    listed: dict[Path, frozenset[str]] = {}
    missing = []
    for fingerprint, run in runs.items():
        if str(run.directory) in archived:
            continue
        folder = run.directory.parent
        if folder not in listed:
            listed[folder] = _names_in(root / folder)
        if run.directory.name not in listed[folder] or not _is_file(root, run.record):
            missing.append(fingerprint)
    return tuple(missing)


def _evaluations(
    groups: Iterable[Group],
    names: Mapping[RunSpec, str],
    runs: Mapping[str, PlannedRun],
    layout: Layout,
    closures: Closures,
    archived: frozenset[str],
    root: Path,
) -> tuple[PlannedEvaluation, ...]:
    sharing: dict[str, list[Group]] = {}
    members: dict[str, tuple[str, ...]] = {}
    judges: dict[str, tuple[PlannedRun, ...]] = {}
    for group in groups:
        code = closures.of_evaluation(str(group.axes["model"]))
        candidates = tuple(names[spec] for spec in group.runs)
        judging = tuple(runs[names[spec]] for spec in group.judges)
        named = [judge.fingerprint for judge in judging]
        fingerprint = evaluation_fingerprint(candidates, group.measures, code, named)
        sharing.setdefault(fingerprint, []).append(group)
        members.setdefault(fingerprint, candidates)
        judges.setdefault(fingerprint, judging)
    evaluations = []
    for fingerprint, equal in sharing.items():
        first = equal[0]
        directory = layout.evaluation(first.axes, fingerprint)
        loose = _is_file(root, directory / EVALUATION_RECORD)
        evaluations.append(
            PlannedEvaluation(
                fingerprint=fingerprint,
                axes=first.axes,
                measures=first.measures,
                runs=members[fingerprint],
                groups=tuple(equal),
                prepared=runs[members[fingerprint][0]].prepared,
                directory=directory,
                exists=loose or str(directory) in archived,
                archived=not loose and str(directory) in archived,
                judges=judges[fingerprint],
            )
        )
    return tuple(evaluations)


def _costs(
    missing: Iterable[str],
    runs: Mapping[str, PlannedRun],
    layout: Layout,
    root: Path,
    device: str,
) -> dict[str, Cost]:
    families = {family(runs[name].spec) for name in missing}
    if not families:
        return {}
    specs = {name: run.spec for name, run in runs.items() if family(run.spec) in families}
    costs = expected_costs(specs.values(), layout, root, device=device)
    return {name: costs[spec] for name, spec in specs.items()}


def _shards(
    missing: Iterable[str],
    runs: Mapping[str, PlannedRun],
    live: Iterable[Shard],
    costs: Mapping[str, Cost],
    settings: ShardSettings,
    manifests: frozenset[str],
) -> tuple[Shard, ...]:
    """New shards of the missing runs that no ``live`` one has."""
    taken = {name for shard in live for name in shard.runs}
    free = [name for name in missing if name not in taken]
    filled = fill_shards(
        {name: runs[name].spec for name in free},
        {name: costs[name].seconds for name in free},
        target_seconds=3600 * settings.target_hours,
        maximum_runs=settings.maximum_runs,
    )
    return tuple(Shard(_shard_digest([runs[n] for n in s], manifests), s) for s in filled)


def _shard_digest(runs: list[PlannedRun], manifests: frozenset[str]) -> str:
    """The name of a shard: what it trains and where that goes.

    A manifest whose runs were removed later would tell that nothing is to be done, so a shard that
    has one already is named anew.
    """
    content = [[r.fingerprint, str(r.directory), str(r.prepared.directory)] for r in runs]
    for time in itertools.count():
        name = digest({"runs": content, "time": time})[:LENGTH]
        if f"{name}.json" not in manifests:
            return name
    raise AssertionError("unreachable")


# What a study says about training reaches the report through the evaluations alone.
_ONLY_TRAINED: Any = {
    "training": True,
    "protocols": {"__all__": {"training", "models"}},
    "experiments": {"__all__": {"scales"}},
}


def _shown(
    studies: Iterable[Study],
    evaluations: Sequence[PlannedEvaluation],
    cut_cells: Sequence[CutCell],
) -> dict[str, Any]:
    """Everything that the report shows, or that decides how it does.

    What only some plans have is told of these alone, so that others keep their report.
    """
    rows = [
        [group.study, group.experiment, group.axes, group.variant, evaluation.fingerprint]
        for evaluation in evaluations
        for group in evaluation.groups
    ]
    models = sorted({str(one.axes["model"]) for one in evaluations})
    data_sets = sorted({str(one.axes["data_set"]) for one in evaluations})
    collections = {data_set(name).collection for name in data_sets}
    cut = [one.described() for one in cut_cells]
    return {
        "rows": rows,
        "studies": [study.model_dump(mode="json", exclude=_ONLY_TRAINED) for study in studies],
        "published": [_published(study) for study in studies],
        "grids": [_shown_of_grids(study) for study in studies],
        "metrics": [[m.name, m.title, m.unit, m.better, m.has_interval] for m in METRICS.values()],
        "titles": [model_declaration(name).title for name in models]
        + [data_set(name).title for name in data_sets]
        + [one.title for name, one in COLLECTIONS.items() if name in collections],
        **({"cut_cells": cut} if cut else {}),
    }


def _shown_of_grids(study: Study) -> list[Any]:
    """What of its grids a report shows beside the groups: their order, and the cells of claims.

    And which models the paper does not have, where there are any.
    """
    grids: list[Any] = [
        [name, scale, list(grid.models), grid.data_sets, grid.likelihoods]
        for name, experiment in study.experiments.items()
        for scale, grid in experiment.scales.items()
    ]
    joined = {name: study.joined(name) for name in study.experiments if study.joined(name)}
    return [*grids, joined] if joined else grids


def _published(study: Study) -> dict[str, str]:
    names = {e.published for e in study.experiments.values() if e.published}
    return {n: sha256_file(study.path.parent / "published" / n) for n in sorted(names)}


def _names_in(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise explain(error, folder) from error


def _is_file(root: Path, path: Path) -> bool:
    return os.path.isfile(os.path.join(root, path))
