"""Who judged the numbers of a table: how many judges, and how accurate they are."""

from __future__ import annotations

from collections.abc import Sequence

from workflow_src.report.evaluations import Evaluation
from workflow_src.report.tables import Table
from workflow_src.report.wording import axis_value, counted, listed

_DIGITS = ".3g"


def judges_sentences(table: Table) -> list[str]:
    """How many judges there were, and their accuracy on real test images, a data set at a time.

    None where no evaluation tells.
    """
    evaluations: dict[str, list[Evaluation]] = {}
    for place, cell in table.cells.items():
        name = table.axes_of(*place)["data_set"]
        evaluations.setdefault(name, []).extend(one.evaluation for one in cell.sources)
    of: dict[str, list[str]] = {}
    for name, found in evaluations.items():
        if words := _judges(found):
            of.setdefault(words, []).append(axis_value("data_set", name))
    if len(of) == 1:
        return [f"Judged by {words}." for words in of]
    return [f"{listed(names)}: judged by {words}." for words, names in of.items()]


def _judges(evaluations: Sequence[Evaluation]) -> str:
    """Number and accuracy, each from the smallest to the largest of the evaluations."""
    counts = [int(value) for value in _values(evaluations, "judge_count")]
    accuracies = _values(evaluations, "overall_judge_accuracy")
    if not counts or not accuracies:
        return ""
    fewest, most = counts[0], counts[-1]
    number = counted(most, "judge") if fewest == most else f"{fewest} to {most} judges"
    shown = dict.fromkeys(f"{value:{_DIGITS}}" for value in (accuracies[0], accuracies[-1]))
    return f"{number}, of accuracy {' to '.join(shown)} on real test images"


def _values(evaluations: Sequence[Evaluation], name: str) -> list[float]:
    """The values of that metric, ascending."""
    found = (one.metric(name) for one in evaluations)
    return sorted(one.value for one in found if one is not None)
