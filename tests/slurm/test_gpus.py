"""A request for GPUs reaches SLURM, and each job computes on the one that SLURM gave it."""

from __future__ import annotations

import json
import re

import pytest
from support.cluster_checkout import ClusterCheckout

pytestmark = pytest.mark.slurm

GPU = "train --set-resources train_shard:gpu=1"


def test_jobs_of_one_node_get_its_gpus_by_index(cluster: ClusterCheckout) -> None:
    # Both jobs go to one node, as the other takes none.
    cluster.slurm.drain(cluster.slurm.nodes[0])
    with cluster.driving(GPU) as driver:
        first = cluster.held(driver)
        second = cluster.held(driver)
        for one in (first, second):
            asked = cluster.slurm.must("scontrol", "show", "job", one.job)
            assert re.search(r"TresPerJob=gres\Wgpu:1\b", asked), asked
        seen = {one.process.environ()["CUDA_VISIBLE_DEVICES"] for one in (first, second)}
        assert seen == {"0", "1"}
        first.go_on()
        second.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    entries = [
        json.loads(path.read_text())
        for path in cluster.folder.glob("results/jobs/train_shard-*.json")
    ]
    assert {entry["visible_devices"] for entry in entries} == {"0", "1"}
