"""Shards whose jobs an earlier start has left in the queue or at work.

Such a job has its membership and trains what that names, so a new plan packs the same runs nowhere
else. What this plan cannot use is left to whoever started it: leases keep two jobs off one run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import Closures
from workflow_src.plan.layout import Layout
from workflow_src.plan.planned import PlannedRun, Shard
from workflow_src.plan.seals import is_sealed
from workflow_src.storage import read_json_object


@dataclass(frozen=True)
class LiveShards:
    """The live shards that a plan counts on, and those that it has no use for.

    ``used`` shards name the runs that are still missing, which may be fewer than the job has.
    """

    used: tuple[Shard, ...] = ()
    unneeded: tuple[str, ...] = ()


def sorted_out(
    digests: Iterable[str],
    missing: Collection[str],
    runs: Mapping[str, PlannedRun],
    *,
    layout: Layout,
    root: Path,
    closures: Closures,
    manifests: Collection[str],
) -> LiveShards:
    """Which of the live shards ``digests`` make runs that are ``missing`` here.

    Where two of them name the same run, it is the first one's. A shard is of no use where its
    membership is gone or damaged, where it would train with other code or write to other places,
    and where its manifest exists already: to Snakemake it would be done.
    """
    waiting = frozenset(missing)
    claimed: set[str] = set()
    used, unneeded = [], []
    for digest in digests:
        names: list[str] = []
        if f"{digest}.json" not in manifests:
            content = _membership(root / layout.shard_membership(digest), digest)
            named = _trains(content, runs, closures)
            names = [name for name in named if name in waiting and name not in claimed]
        claimed.update(names)
        if names:
            used.append(Shard(digest, tuple(names)))
        else:
            unneeded.append(digest)
    return LiveShards(tuple(used), tuple(unneeded))


def _membership(path: Path, digest: str) -> dict[str, Any]:
    try:
        content = read_json_object(path)
    except UserError:
        return {}
    return content if is_sealed(content) and content.get("digest") == digest else {}


def _trains(
    content: Mapping[str, Any], runs: Mapping[str, PlannedRun], closures: Closures
) -> list[str]:
    """The runs of this plan that a job with this membership makes as this plan would."""
    try:
        return [
            one["fingerprint"]
            for one in content["runs"]
            if (planned := runs.get(one["fingerprint"])) is not None
            and one["directory"] == planned.directory.as_posix()
            and one["prepared"]["directory"] == planned.prepared.directory.as_posix()
            and content["code"]["digest"] == closures.of_model(planned.spec.model).digest
        ]
    except (KeyError, TypeError):
        return []
