"""Checks of a grid against the metric of its table: some cell of it must be able to have one.

What a metric needs of the model and of the measures is `experiment_checks`'; here is what it needs
of data sets and of the values of hyperparameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from workflow_src.config.complaints import Complaint
from workflow_src.config.data_sets import data_set
from workflow_src.config.experiment_checks import OF_ANOMALIES
from workflow_src.config.grid_entries import Entry, values_in
from workflow_src.config.models import hyperparameters_of, metrics_of
from workflow_src.config.strict import Scalar
from workflow_src.layouts import LayoutError, Mixture, parse

_CLASSIFIER, _NO_CLASSIFIER = "classifier", "none"
_LAYOUT = "layout"
_NORMALISED = ("test_log_likelihood", "inpainting_log_density")


class Cells(Protocol):
    """What of a grid is looked at."""

    @property
    def data_sets(self) -> Sequence[str]:
        """Names of data sets."""
        ...

    @property
    def models(self) -> Mapping[str, Sequence[Entry]]:
        """Entries by model."""
        ...


def check_metric_of_cells(metric: str, scales: Iterable[tuple[str, Cells]]) -> None:
    """The table's metric exists in some cell of every grid, as far as its values tell."""
    for scale, grid in scales:
        lacking = _lacking(metric, grid)
        if lacking is not None:
            problem, expected = lacking
            raise Complaint(
                ("scales", scale), f"{metric} is in no cell of this grid: {problem}", expected
            ).raised_in_validator()


def _lacking(metric: str, grid: Cells) -> tuple[str, str] | None:
    """What keeps the metric out of all cells, and what would be expected; None where nothing."""
    if metric in OF_ANOMALIES and not any(data_set(name).anomalies for name in grid.data_sets):
        return (
            f"none of {', '.join(grid.data_sets)} has anomalies",
            "a data set with anomalies among its test images",
        )
    models = [model for model in grid.models if metric in metrics_of(model)]
    if metric == "test_accuracy" and models and not any(_classifies(one, grid) for one in models):
        return (
            f"no {' or '.join(models)} in it has a classifier",
            f"a value of {_CLASSIFIER} other than {_NO_CLASSIFIER}",
        )
    if metric in _NORMALISED and models and not any(_is_normalised(one, grid) for one in models):
        return (
            f"no {' or '.join(models)} in it is a normalised density of images",
            "a layout of a single mixture layer, which is one of the whole image",
        )
    return None


def _classifies(model: str, grid: Cells) -> bool:
    return _CLASSIFIER not in hyperparameters_of(model) or any(
        value != _NO_CLASSIFIER for value in _values(model, grid, _CLASSIFIER)
    )


def _is_normalised(model: str, grid: Cells) -> bool:
    """Whether a run of the model may be: one without a layout is."""
    if _LAYOUT not in hyperparameters_of(model):
        return True
    known = hyperparameters_of(model)[_LAYOUT]
    return any(_mixtures(str(known.resolved(one))) == 1 for one in _values(model, grid, _LAYOUT))


def _mixtures(layout: str) -> int:
    try:
        return sum(isinstance(block, Mixture) for block in parse(layout))
    except LayoutError:
        # Another check refuses it, and says why.
        return 1


def _values(model: str, grid: Cells, name: str) -> Iterator[Scalar]:
    """The values of a hyperparameter in a grid; its default where an entry gives none."""
    default = hyperparameters_of(model)[name].default
    of_grid: Sequence[Scalar] = () if default is None else (default,)
    for entry in grid.models[model]:
        yield from values_in(entry).get(name, of_grid)
