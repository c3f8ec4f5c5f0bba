"""A training is interrupted in the middle of a run, in every way that clusters know.

Each test stops a training that has saved a state, lets something happen to it, and lets it go on.
Then the same Snakemake ends well, the run went on from its state, and every result is the one of an
undisturbed run.
"""

from __future__ import annotations

import signal

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout, Training
from support.slurm import eventually
from support.wholeness import assert_one_more_start_completes, interruptions

pytestmark = pytest.mark.slurm

NEVER_ENDING = "sleep infinity"


def test_cancelled(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
        cluster.slurm.cancel(training.job)
        training.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    assert cluster.slurm.job(training.job).state == "CANCELLED"
    assert_went_on(cluster, training, jobs=2)
    assert_one_more_start_completes(cluster, undisturbed)


def test_requeued(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
        cluster.slurm.requeue(training.job)
        training.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    assert cluster.slurm.restarts(training.job) == 1
    assert_went_on(cluster, training, jobs=1)
    assert_one_more_start_completes(cluster, undisturbed)


def test_preempted(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    slurm = cluster.slurm
    with cluster.driving() as driver:
        training = cluster.held(driver)
        node = slurm.job(training.job).node
        urgent = slurm.submit("-p", "urgent", "-w", node, "--exclusive", command=NEVER_ENDING)
        training.go_on()
        eventually(lambda: slurm.job(urgent).state == "RUNNING", driver)
        eventually(lambda: slurm.restarts(training.job) == 1, driver)
        slurm.cancel(urgent)
        assert cluster.end(driver) == 0, cluster.said()
    assert_went_on(cluster, training, jobs=1)
    assert_one_more_start_completes(cluster, undisturbed)


def test_the_node_is_drained(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    slurm = cluster.slurm
    with cluster.driving("--jobs 1") as driver:
        training = cluster.held(driver)
        drained = slurm.job(training.job).node
        slurm.drain(drained)
        training.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    others = {job.node for job in cluster.jobs() if job.number != training.job}
    assert slurm.job(training.job).state == "COMPLETED"
    assert others == set(slurm.nodes) - {drained}
    assert set(cluster.submissions("train_shard").values()) == {1}
    assert_one_more_start_completes(cluster, undisturbed)


def test_the_training_alone_is_killed(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
        training.process.kill()
        assert cluster.end(driver) == 0, cluster.said()
    assert cluster.slurm.job(training.job).state == "FAILED"
    assert_went_on(cluster, training, jobs=2)
    assert_one_more_start_completes(cluster, undisturbed)


def test_the_time_limit_is_too_short(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving("--set-resources train_shard:runtime=attempt**3") as driver:
        training = cluster.held(driver)
        eventually(lambda: cluster.slurm.job(training.job).state != "RUNNING", driver)
        training.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    assert cluster.slurm.job(training.job).state in {"TIMEOUT", "FAILED"}
    assert_went_on(cluster, training, jobs=2)
    assert_one_more_start_completes(cluster, undisturbed)


def test_warned_before_the_time_is_up(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving() as driver:
        training = cluster.held(driver)
        cluster.slurm.warn(training.job)
        eventually(lambda: training.has_waiting(signal.SIGUSR1), driver)
        training.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    assert cluster.slurm.job(training.job).state == "FAILED"
    assert "stopped by SIGUSR1" in cluster.log_of(training)
    assert_went_on(cluster, training, jobs=2)
    assert_one_more_start_completes(cluster, undisturbed)


def test_memory_runs_out(cluster: ClusterCheckout, undisturbed: Checkout) -> None:
    with cluster.driving("--set-resources train_shard:mem_mb=20*10**attempt") as driver:
        assert cluster.end(driver) == 0, cluster.said()
    states = [job.state for job in cluster.jobs("train_shard")]
    assert states.count("COMPLETED") == 2
    assert states.count("FAILED") + states.count("OUT_OF_MEMORY") == 2
    assert_one_more_start_completes(cluster, undisturbed)


def assert_went_on(cluster: ClusterCheckout, training: Training, *, jobs: int) -> None:
    """A shard took so many jobs, and a run of it did not start from its beginning again."""
    assert cluster.submissions("train_shard")[training.digest] == jobs
    assert any(one["resumed_from_step"] > 0 for one in interruptions(cluster))
