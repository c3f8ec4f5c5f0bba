"""Where everything stands in the report's folder: the names of its files and of places in pages.

All of them are relative to the folder, which may lie anywhere. Names of studies and experiments
have no hyphen, so that joined by hyphens they stay apart.
"""

from __future__ import annotations

from workflow_src.config.study_checks import OVERVIEW_STEM
from workflow_src.report.tables import Table

OVERVIEW = f"{OVERVIEW_STEM}.html"
STYLE = "assets/style.css"
SCRIPT = "assets/report.js"
TABLES_SCRIPT = "assets/tables.js"

LEARNING_CURVES = "learning_curves"
"""The folder of these figures, beside those of experiments, none of which is called so."""


def study_page(study: str) -> str:
    """The page of a study."""
    return f"{study}.html"


def provenance_script(study: str) -> str:
    """The file with the origins of a study's numbers."""
    return f"assets/provenance-{study}.js"


def figures_folder(fingerprint: str) -> str:
    """The folder of the figures of one report."""
    return f"figures/{fingerprint}"


def experiment_anchor(study: str, experiment: str) -> str:
    """The place of an experiment in its study's page."""
    return f"{study}-{experiment}"


def claim_anchor(study: str, claim: str) -> str:
    """The place of a claim in its study's page."""
    return f"{study}-claim-{claim}"


def cell_anchor(table: Table, row: int, column: int) -> str:
    """The place where the origins of a cell are told; rows and columns count from 0."""
    return f"{experiment_anchor(table.study, table.experiment)}-{row + 1}-{column + 1}"
