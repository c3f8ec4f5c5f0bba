"""What a report tells of one study, before it is laid out as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workflow_src.config.studies import Study
from workflow_src.report.claims import JudgedClaim, judge_claims
from workflow_src.report.evidence import Evidence
from workflow_src.report.figures.drawing import Gallery, draw_study
from workflow_src.report.figures.style import Figure
from workflow_src.report.figures.training_curves import draw_training_curves
from workflow_src.report.page.addresses import LEARNING_CURVES
from workflow_src.report.tables import Table, build_table


@dataclass(frozen=True)
class Chapter:
    """One study with its tables and figures by experiment, its claims, and how its runs learned."""

    study: Study
    tables: Mapping[str, Table]
    galleries: Mapping[str, Gallery]
    claims: Sequence[JudgedClaim] = ()
    learning_curves: Sequence[Figure] = ()

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All of them."""
        shown = (figure for gallery in self.galleries.values() for figure in gallery.figures)
        return (*shown, *self.learning_curves)


def undrawn_chapter(evidence: Evidence, study: Study) -> Chapter:
    """The chapter of a study with its tables and claims, and without any figure."""
    tables = {
        name: build_table(study, name, groups, evidence.experiment_cuts(study.name, name))
        for name in study.experiments
        if (groups := evidence.experiment_groups(study.name, name))
    }
    groups = evidence.study_groups(study.name)
    claims = judge_claims(study, groups, evidence.study_cuts(study.name))
    return Chapter(study, tables, {name: Gallery(()) for name in tables}, claims)


def drawn_chapter(evidence: Evidence, chapter: Chapter) -> Chapter:
    """The chapter with its figures."""
    study = chapter.study
    curves = draw_training_curves(f"{study.name}_{LEARNING_CURVES}", evidence, study.name)
    return replace(chapter, galleries=draw_study(evidence, study), learning_curves=tuple(curves))
