"""Whether an acceptance has the effect that nothing is made again for the accepted code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workflow_src.changes.comparison import Comparison
from workflow_src.changes.explaining import explain
from workflow_src.changes.reasons import Explanation, Reasons


def without_effect(steps: Iterable[str], after: Comparison) -> Iterator[str]:
    """What still counts as other code, and what is still made again for code, with the reason.

    ``after`` compares the plan before the change with that after its acceptance.
    """
    before, now = after.since.before["closures"], after.now["closures"]
    for step in steps:
        if before[step]["identity"] != now[step]["identity"]:
            yield f"the code of {step} still counts as other than before"
    if after.runs.again or after.evaluations.again or after.prepared.again:
        explanation = explain(after.since.plan)
        yield from _again(after, explanation)


def _again(after: Comparison, explanation: Explanation) -> Iterator[str]:
    for kind, names, reasons in (
        ("runs", after.runs.again, explanation.runs),
        ("evaluations", after.evaluations.again, explanation.evaluations),
        ("prepared data", after.prepared.again, explanation.prepared),
    ):
        of_code = [reasons[name] for name in names if name in reasons and _of_code(reasons[name])]
        if of_code:
            lines = dict.fromkeys(
                line for why in of_code for reason in why for line in reason.lines
            )
            yield f"{len(of_code)} {kind} are still to be made again: {'; '.join(lines)}"


def _of_code(reasons: Reasons) -> bool:
    """Whether code is among the reasons; recipes and settings are no acceptance's business."""
    return any(
        reason.kind == "code"
        or (reason.kind == "data" and not all(one.startswith("recipe") for one in reason.lines))
        for reason in reasons
    )
