"""The whole workflow on a real SLURM, typed as it is, when nothing happens."""

from __future__ import annotations

import json

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout
from support.wholeness import assert_one_more_start_completes

pytestmark = pytest.mark.slurm


def test_an_undisturbed_start_sends_every_job_once(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    cluster.complete()
    sent = cluster.jobs()
    assert {job.state for job in sent} == {"COMPLETED"}
    for rule, number in (("train_shard", 2), ("evaluate_group", 1), ("report", 1)):
        assert sorted(cluster.submissions(rule).values()) == [1] * number
    for path in cluster.folder.glob("results/jobs/*.json"):
        entry = json.loads(path.read_text())
        assert entry["state"] == "finished"
        assert entry["slurm_job"] in {job.number for job in sent}
        # No GPU was asked for, so SLURM hides those of the node or says nothing of them.
        assert entry["visible_devices"] in {None, "", "NoDevFiles"}
    assert_one_more_start_completes(cluster, undisturbed)
    assert cluster.jobs() == sent
