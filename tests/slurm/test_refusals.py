"""What would fail again is not sent again, and what failed for scientific reasons is a result."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout
from support.slurm import LONG_FORM
from support.wholeness import assert_one_more_start_completes

pytestmark = pytest.mark.slurm

MODEL = "workflow_src/models/whole_images.py"
HEALTHY = "        return leaf_bounds[:, 0]\n"
NOT_SENT_AGAIN = "not sent again"


def test_a_run_that_diverges_is_a_result_and_takes_one_job(cluster: ClusterCheckout) -> None:
    # Adam moves every weight by about its learning rate, so the next bound overflows.
    exchange(cluster.folder / "slow.yaml", "learning_rate: 0.001", "learning_rate: 1.0e+30")
    cluster.complete()
    runs = pd.read_parquet(cluster.folder / "results" / "runs.parquet")
    assert list(runs["state"]) == ["diverged", "diverged"]
    assert sorted(cluster.submissions("train_shard").values()) == [1, 1]
    assert "diverged" in (cluster.folder / "results/tables/slow_comparison.md").read_text()
    sent = len(cluster.jobs())
    assert "nothing to be done" in cluster.complete().lower()
    assert len(cluster.jobs()) == sent


def test_a_bug_takes_one_job_and_is_told(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    exchange(cluster.folder / MODEL, HEALTHY, "        return leaf_bounds[:, 0] * (1 // 0)\n")
    told = cluster.fail()
    assert NOT_SENT_AGAIN in told
    assert "ZeroDivisionError" in told
    assert sorted(cluster.submissions("train_shard").values()) == [1, 1]
    exchange(cluster.folder / MODEL, "[:, 0] * (1 // 0)", "[:, 0]")
    assert_one_more_start_completes(cluster, undisturbed)


@LONG_FORM
def test_a_damaged_file_takes_one_job_and_a_start_after_its_repair_another(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    arrays = max(
        (path for path in cluster.folder.glob("data/prepared/*/*") if path.name != "record.json"),
        key=lambda path: path.stat().st_size,
    )
    content = arrays.read_bytes()
    arrays.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = cluster.fail()
    assert NOT_SENT_AGAIN in told
    assert arrays.parent.name in told
    assert sorted(cluster.submissions("train_shard").values()) == [1, 1]
    arrays.write_bytes(content)
    assert_one_more_start_completes(cluster, undisturbed)
    assert sorted(cluster.submissions("train_shard").values()) == [2, 2]


def exchange(path: Path, old: str, new: str) -> None:
    """Put a piece of a file in the place of the one that stands there once."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
