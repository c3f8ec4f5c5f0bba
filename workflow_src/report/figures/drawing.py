"""Which figures an experiment gets: what its presentation asks for and its measurements allow.

No study is named here. Figures of winners that an earlier experiment of the study has shown are
not drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from workflow_src.config.experiments import Experiment
from workflow_src.config.models import known_as
from workflow_src.config.studies import Study
from workflow_src.report.choosing import shown_groups
from workflow_src.report.evidence import Evidence, Group
from workflow_src.report.figures.anomaly_curves import draw_anomalies
from workflow_src.report.figures.centroids import draw_centroids
from workflow_src.report.figures.components import draw_components
from workflow_src.report.figures.costs import draw_costs
from workflow_src.report.figures.curves import draw_curve, draw_importance_samples
from workflow_src.report.figures.densities import draw_densities, draw_point_posteriors
from workflow_src.report.figures.gaps import draw_gaps
from workflow_src.report.figures.global_samples import draw_global_samples
from workflow_src.report.figures.inpainting import draw_inpainting
from workflow_src.report.figures.integrals import draw_integrals
from workflow_src.report.figures.inverse_cdfs import draw_inverse_cdfs
from workflow_src.report.figures.layer_curves import draw_layer_curves
from workflow_src.report.figures.learning_curves import draw_learning_curves
from workflow_src.report.figures.leaves import draw_leaves
from workflow_src.report.figures.partitions import draw_partitions
from workflow_src.report.figures.point_samples import draw_point_samples
from workflow_src.report.figures.posteriors import draw_posteriors
from workflow_src.report.figures.run_curves import (
    draw_divergence_curves,
    draw_likelihood_curves,
)
from workflow_src.report.figures.samples import draw_samples
from workflow_src.report.figures.sharpened_samples import draw_sharpened_samples
from workflow_src.report.figures.side_by_side import draw_side_by_side
from workflow_src.report.figures.style import Figure, Styles
from workflow_src.report.figures.variants import draw_variants
from workflow_src.report.figures.zero_noise import draw_zero_noise
from workflow_src.report.joined import joined_sentence
from workflow_src.report.tables import known_order

_PICTURES: Mapping[str, Callable[[str, Sequence[Group]], list[Figure]]] = {
    "leaf_manifolds": draw_leaves,
    "leaf_posteriors": draw_posteriors,
    "inpainting": draw_inpainting,
    "global_samples": draw_global_samples,
    "inverse_cdfs": draw_inverse_cdfs,
    "partition": draw_partitions,
    "densities": draw_densities,
    "posteriors": draw_point_posteriors,
    "point_samples": draw_point_samples,
    "zero_noise": draw_zero_noise,
    "components": draw_components,
    "reference": draw_integrals,
    "gaps": draw_gaps,
    "anomalies": draw_anomalies,
    "samples": draw_samples,
    "sharpened_samples": draw_sharpened_samples,
    "variants": draw_variants,
    "side_by_side": draw_side_by_side,
    "centroids": draw_centroids,
}


def _layer_curves(prefix: str, groups: Sequence[Group], _rows: str) -> list[Figure]:
    """Curves of layers, whose panels do not depend on the table."""
    return draw_layer_curves(prefix, groups)


_OF_HISTORIES: Mapping[str, Callable[[str, Sequence[Group], str], list[Figure]]] = {
    "likelihood_curves": draw_likelihood_curves,
    "divergence_curves": draw_divergence_curves,
    "layer_curves": _layer_curves,
}


@dataclass(frozen=True)
class Gallery:
    """The figures of one experiment; ``shown_under`` is where its winners' figures stand else."""

    figures: tuple[Figure, ...]
    shown_under: str | None = None


def draw_study(evidence: Evidence, study: Study) -> dict[str, Gallery]:
    """The figures of every experiment of the study that has groups, by its name."""
    styles = Styles(group.axes for group in evidence.groups if group.study == study.name)
    shown: dict[frozenset[str], str] = {}
    sampled = _sampled(evidence, study)
    galleries = {}
    for name, experiment in study.experiments.items():
        planned = evidence.experiment_groups(study.name, name)
        if not planned:
            continue
        shown_ones = shown_groups(planned, experiment.best_over, experiment.table.metric)
        groups = _in_order(experiment, shown_ones)
        prefix = f"{study.name}_{name}"
        whole = _largest_fraction(groups)
        figures = _presented(experiment, prefix, groups, styles)
        winners = frozenset(group.evaluation.fingerprint for group in whole)
        elsewhere = next((where for seen, where in shown.items() if winners <= seen), None)
        if elsewhere is None:
            figures += draw_importance_samples(prefix, whole, styles)
            if not any(winners <= seen for seen in sampled):
                figures += draw_samples(prefix, whole)
            shown[winners] = name
        told = (_with_joined(figure, study, name, groups) for figure in figures)
        galleries[name] = Gallery(tuple(told), elsewhere)
    return galleries


def _with_joined(figure: Figure, study: Study, experiment: str, groups: Sequence[Group]) -> Figure:
    """The figure, whose caption tells which of its models the paper does not have."""
    shown = {
        str(one.axes["model"]) for one in groups if one.evaluation.fingerprint in figure.evaluations
    }
    more = joined_sentence(study, experiment, shown)
    return figure if more is None else replace(figure, caption=f"{figure.caption} {more}")


def _sampled(evidence: Evidence, study: Study) -> list[frozenset[str]]:
    """The winners whose samples an experiment presents, which no other shows beside."""
    return [
        frozenset(group.evaluation.fingerprint for group in _largest_fraction(groups))
        for name, experiment in study.experiments.items()
        if experiment.presentation == "samples"
        if (groups := evidence.experiment_groups(study.name, name))
    ]


def _presented(
    experiment: Experiment, prefix: str, groups: Sequence[Group], styles: Styles
) -> list[Figure]:
    """What the experiment's presentation asks for."""
    form, table, whole = experiment.presentation, experiment.table, _largest_fraction(groups)
    if form == "curve":
        return draw_curve(prefix, groups, styles, table.metric, table.rows)
    if form == "costs":
        return draw_costs(prefix, groups, styles, table.rows)
    if form == "learning_curves":
        return draw_learning_curves(prefix, whole, table.columns)
    if form in _OF_HISTORIES:
        return _OF_HISTORIES[form](prefix, whole, table.rows)
    return _PICTURES[form](prefix, whole) if form in _PICTURES else []


def _in_order(experiment: Experiment, groups: Sequence[Group]) -> tuple[Group, ...]:
    """As the experiment's grids have their models and data, then by compared hyperparameters."""
    ranks = {name: list(dict.fromkeys(known)) for name, known in known_order(experiment).items()}

    def place(group: Group) -> tuple[object, ...]:
        axes = [
            ranks[name].index(value) if value in ranks[name] else len(ranks[name])
            for name, value in ((name, group.axes[name]) for name in ranks)
        ]
        known = [known_as(name, one) for name, one in group.variant.items()]
        return (*axes, *((isinstance(one, str), one) for one in known))

    return tuple(sorted(groups, key=place))


def _largest_fraction(groups: Sequence[Group]) -> tuple[Group, ...]:
    largest = max(group.axes["fraction"] for group in groups)
    return tuple(group for group in groups if group.axes["fraction"] == largest)
