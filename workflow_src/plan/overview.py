"""The latest plan in one file: what there will be in the end, for `status` on any machine.

Directories are relative to the results directory, so the file goes where the results go. Nothing
that makes results reads it. Its keys are in `workflow_src.plan.overview_format`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.plan.overview_format import SCHEMA_VERSION
from workflow_src.plan.packing import minutes
from workflow_src.plan.plan import Plan
from workflow_src.storage import read_json_object, replacing_file


def write_overview(plan: Plan) -> None:
    """Write the overview of ``plan``, unless the file says the same already.

    For the process that starts the jobs: a dry run beside it, perhaps of other settings, would have
    the file tell of another plan than the one at work.
    """
    path = plan.root / plan.layout.overview()
    content = overview(plan)
    if _without_time(_there(path)) == _without_time(content):
        return
    # Not durable: one that a power cut damages is written again by the next plan.
    with replacing_file(path, durable=False) as temporary:
        temporary.write_text(json.dumps(content, sort_keys=True) + "\n")


def overview(plan: Plan) -> dict[str, Any]:
    """What the file of a plan made now says."""
    results = plan.layout.results
    return {
        "schema_version": SCHEMA_VERSION,
        "planned": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": plan.settings.scale,
        "device": plan.settings.device,
        "runs": {
            name: [_below(results, run.directory), _seconds(plan, name)]
            for name, run in plan.runs.items()
        },
        "shards": {shard.digest: _shard(plan, shard.digest, shard.runs) for shard in plan.shards},
        "evaluations": {
            one.fingerprint: _below(results, one.directory) for one in plan.evaluations
        },
        "prepared": {data.fingerprint: [data.data_set, data.likelihood] for data in plan.prepared},
        "report": plan.report,
    }


def _shard(plan: Plan, digest: str, runs: tuple[str, ...]) -> dict[str, Any]:
    cost = plan.expected[digest]
    return {
        "runs": list(runs),
        "seconds": round(cost.seconds, 3),
        "source": cost.source,
        "minutes": minutes(cost.seconds, cost.source),
    }


def _seconds(plan: Plan, run: str) -> float | None:
    return round(plan.costs[run].seconds, 3) if run in plan.costs else None


def _below(results: Path, directory: Path) -> str:
    # As text: relative_to takes a second for 15,000 paths.
    return str(directory)[len(str(results)) + 1 :] if results != Path() else str(directory)


def _there(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path) if path.exists() else {}
    except UserError:
        return {}


def _without_time(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "planned"}
