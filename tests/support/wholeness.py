"""What must hold of results after whatever happened on the way to them."""

from __future__ import annotations

import json
from typing import Any

from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout

CHECKPOINT = "checkpoint.safetensors"


def assert_whole(checkout: Checkout, undisturbed: Checkout) -> None:
    """Everything is there once, vouched for, the same as undisturbed, and nothing else.

    What was trained has the same bytes, as every shard holds one run.
    """
    made, expected = run_records(checkout), run_records(undisturbed)
    assert made.keys() == expected.keys()
    for place in made:
        assert _outcome(made[place]) == _outcome(expected[place])
        ours, theirs = (one.folder / place / CHECKPOINT for one in (checkout, undisturbed))
        assert ours.read_bytes() == theirs.read_bytes(), place
    assert _evaluations(checkout) == _evaluations(undisturbed)
    assert _tables(checkout) == _tables(undisturbed)
    assert left_over(checkout) == []
    checkout.must("timeout -s KILL 120 python -m workflow_src audit")


def assert_one_more_start_completes(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    """As typed on the next morning: it ends well, and nothing is lost or doubled."""
    cluster.complete()
    assert_whole(cluster, undisturbed)


def run_records(checkout: Checkout) -> dict[str, dict[str, Any]]:
    """Every run's record, by its directory."""
    paths = checkout.folder.glob("results/runs/*/*/*/run.json")
    return {
        path.parent.relative_to(checkout.folder).as_posix(): json.loads(path.read_text())
        for path in paths
    }


def interruptions(checkout: Checkout) -> list[dict[str, Any]]:
    """Every time that a run went on from a saved state."""
    records = run_records(checkout).values()
    return [
        one for record in records for one in record["content"]["circumstances"]["interruptions"]
    ]


def left_over(checkout: Checkout) -> list[str]:
    """Files that were begun and not finished, and states of runs that have ended."""
    return [name for name in checkout.files() if "partial" in name or name.startswith("states/")]


def _outcome(record: dict[str, Any]) -> dict[str, Any]:
    """What training came to, without how long it took."""
    content = record["content"]
    result = {name: value for name, value in content["result"].items() if "seconds" not in name}
    return {"spec": content["spec"], "status": content["status"], "result": result}


def _evaluations(checkout: Checkout) -> set[str]:
    paths = checkout.folder.glob("results/evaluations/*/*/*/evaluation.json")
    return {path.relative_to(checkout.folder).as_posix() for path in paths}


def _tables(checkout: Checkout) -> dict[str, bytes]:
    return {
        name: content for name, content in checkout.files().items() if name.startswith("tables/")
    }
