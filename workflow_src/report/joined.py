"""What tables and figures say of models that the paper does not have and that joined its study."""

from __future__ import annotations

from collections.abc import Iterable

from workflow_src.config.studies import Study
from workflow_src.report.wording import axis_value, listed

BETTER = "Better than all models of the paper; bold compares those alone."
"""Of a number of a model that joined; the mark of the best stays with the paper's own."""


def joined_sentence(study: Study, experiment: str, models: Iterable[str]) -> str | None:
    """A sentence about those of the models shown that joined the experiment; None of none."""
    shown = set(models)
    titles = [axis_value("model", one) for one in study.joined(experiment) if one in shown]
    if not titles:
        return None
    if len(titles) == 1:
        return f"{titles[0]} is no model of the paper; its own model.yaml joins it here."
    return f"{listed(titles)} are no models of the paper; their own model.yaml joins them here."
