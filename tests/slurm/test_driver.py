"""Snakemake itself is killed on the login node; the next one adopts the jobs that it left.

No piece of work is ever sent to SLURM twice, and no second command is needed.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout
from support.slurm import LONG_FORM, eventually
from support.wholeness import assert_one_more_start_completes, interruptions

pytestmark = pytest.mark.slurm

TAKEN_OVER = "taken over, not sent again"
"""What a Snakemake says of jobs that it adopts."""


def test_killed_while_its_jobs_wait(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    for node in cluster.slurm.nodes:
        cluster.slurm.drain(node)
    with cluster.driving() as driver:
        eventually(lambda: len(cluster.jobs("train_shard")) == 2, driver)
        driver.kill()
        driver.wait()
    assert {job.state for job in cluster.jobs()} == {"PENDING"}
    with cluster.driving() as second:
        eventually(lambda: TAKEN_OVER in cluster.said(), second)
        cluster.slurm.resume_all()
        assert cluster.end(second) == 0, cluster.said()
    assert_each_was_sent_once(cluster)
    assert_one_more_start_completes(cluster, undisturbed)


def test_killed_twice_while_its_jobs_run(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
    with cluster.driving() as second:
        eventually(lambda: TAKEN_OVER in cluster.said(), second)
    with cluster.driving() as third:
        eventually(lambda: cluster.said().count(TAKEN_OVER) == 2, third)
        training.go_on()
        assert cluster.end(third) == 0, cluster.said()
    assert_each_was_sent_once(cluster)
    assert interruptions(cluster) == []
    assert_one_more_start_completes(cluster, undisturbed)


@LONG_FORM
def test_killed_and_its_job_requeued_meanwhile(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
    cluster.slurm.requeue(training.job)
    training.go_on()
    with cluster.driving() as second:
        assert cluster.end(second) == 0, cluster.said()
    assert cluster.slurm.restarts(training.job) == 1
    assert_each_was_sent_once(cluster)
    assert_one_more_start_completes(cluster, undisturbed)


def test_cancelled_with_its_jobs_by_ctrl_c(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
        driver.send_signal(signal.SIGINT)
        training.go_on()
        assert cluster.end(driver) != 0
    eventually(lambda: not any(job.active for job in cluster.jobs()))
    assert_one_more_start_completes(cluster, undisturbed)
    assert interruptions(cluster)


def test_ctrl_c_while_it_asks_how_its_jobs_are(
    cluster: ClusterCheckout, undisturbed: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The plugin has no jobs at hand then, and cancels none.
    asking, slow = slow_answers(cluster, monkeypatch)
    with cluster.driving() as driver:
        training = cluster.held(driver)
        slow.touch()
        eventually(asking.exists, driver)
        driver.send_signal(signal.SIGINT)
        eventually(lambda: any(cluster.folder.glob("results/jobs/drivers/*.cancelled")), driver)
        slow.unlink()
        # It would not end by itself while it is held.
        eventually(lambda: "RUNNING" not in {job.state for job in cluster.jobs("train_shard")})
        training.go_on()
        assert cluster.end(driver) != 0
    assert " cancelled; the next start goes on" in cluster.said()
    eventually(lambda: not any(job.active for job in cluster.jobs()))
    assert_one_more_start_completes(cluster, undisturbed)
    assert interruptions(cluster)


def slow_answers(cluster: ClusterCheckout, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Let squeue of the driver wait while the second file is there; the first says that it does."""
    folder = cluster.folder / "slow"
    folder.mkdir()
    asking, slow = folder / "asking", folder / "now"
    real = shutil.which("squeue")
    (folder / "squeue").write_text(
        f'#!/bin/sh\nwhile [ -e {slow} ]; do touch {asking}; sleep 0.1; done\nexec {real} "$@"\n'
    )
    (folder / "squeue").chmod(0o755)
    usual = cluster.environment
    there = usual | {"PATH": f"{folder}{os.pathsep}{usual['PATH']}"}
    monkeypatch.setattr(ClusterCheckout, "environment", there)
    return asking, slow


def assert_each_was_sent_once(cluster: ClusterCheckout) -> None:
    """No piece of work had two jobs."""
    keys = [job.key for job in cluster.jobs()]
    assert len(keys) == len(set(keys))
    assert len(cluster.submissions("train_shard")) == 2
