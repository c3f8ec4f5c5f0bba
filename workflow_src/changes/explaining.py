"""Why everything that a plan lacks would be made."""

from __future__ import annotations

from workflow_src.changes.causes import Causes
from workflow_src.changes.downstream import why_evaluations, why_prepared, why_report
from workflow_src.changes.orphans import results_of
from workflow_src.changes.reasons import Explanation
from workflow_src.changes.runs import why_runs
from workflow_src.plan.plan import Plan


def explain(plan: Plan) -> Explanation:
    """The reasons for everything that is missing; reads little, and computes nothing.

    Raises
    ------
    UserError
        If the results directory cannot be read. A damaged record explains nothing and is passed
        over: telling of it is the audit's work.
    """
    results = results_of(plan)
    causes = Causes(plan, results)
    runs, notes = why_runs(plan, results, causes)
    evaluations = why_evaluations(plan, results, causes, runs)
    needed = {plan.runs[name].prepared.fingerprint for name in runs}
    needed |= {d.fingerprint for one in plan.evaluations if not one.exists for d in one.data}
    return Explanation(
        plan=plan,
        runs=runs,
        evaluations=evaluations,
        prepared=why_prepared(plan, causes, needed),
        report=why_report(plan, causes, evaluations),
        costs={plan.runs[name].spec: plan.costs[name] for name in plan.missing},
        notes=tuple(notes),
    )
