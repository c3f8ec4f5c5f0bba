"""What the page of a study shows: experiments one by one, then claims, cost and what is missing."""

from __future__ import annotations

from typing import Any

from workflow_src.report.evidence import Evidence
from workflow_src.report.page.addresses import (
    LEARNING_CURVES,
    experiment_anchor,
    provenance_script,
    study_page,
)
from workflow_src.report.page.chapters import Chapter
from workflow_src.report.page.claims import claims_values
from workflow_src.report.page.comparison import table_values
from workflow_src.report.page.costs import costs_values
from workflow_src.report.page.missing import missing_values
from workflow_src.report.page.pictures import Pictures
from workflow_src.report.page.sources import sources_values


def study_values(evidence: Evidence, chapter: Chapter, pictures: Pictures) -> dict[str, Any]:
    """What the template of a study shows; its figures are added to ``pictures``."""
    study = chapter.study
    missing = missing_values(evidence, chapter)
    lacking = {one["id"]: len(one["cells"]) for one in missing["experiments"]}
    return {
        "name": study.name,
        "title": study.title,
        "reference": study.reference,
        "address": study_page(study.name),
        "provenance": provenance_script(study.name),
        "experiments": [_experiment(chapter, name, pictures, lacking) for name in chapter.tables],
        "learning_curves": [
            pictures.shown(study.name, LEARNING_CURVES, figure)
            for figure in chapter.learning_curves
        ],
        "claims": claims_values(study, chapter.claims, chapter.tables) if chapter.claims else None,
        "costs": costs_values(evidence, study.name),
        "missing": missing,
    }


def _experiment(
    chapter: Chapter, name: str, pictures: Pictures, lacking: dict[str, int]
) -> dict[str, Any]:
    study, table, gallery = chapter.study, chapter.tables[name], chapter.galleries[name]
    experiment, anchor = study.experiments[name], experiment_anchor(study.name, name)
    elsewhere = gallery.shown_under
    return {
        "id": anchor,
        "title": experiment.title,
        "description": experiment.description,
        "missing": lacking.get(anchor, 0),
        "table": table_values(table, study),
        "sources": sources_values(table),
        "figures": [pictures.shown(study.name, name, figure) for figure in gallery.figures],
        "elsewhere": elsewhere
        and {
            "id": experiment_anchor(study.name, elsewhere),
            "title": study.experiments[elsewhere].title,
        },
    }
