"""SLURM's own daemons fail: the controller is away, or a node is declared dead that is not."""

from __future__ import annotations

import subprocess
import time

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout, Training
from support.slurm import LONG_FORM, Slurm, eventually
from support.wholeness import assert_one_more_start_completes, assert_whole, run_records

pytestmark = pytest.mark.slurm

OUTAGE = 20
"""Seconds for which the controller does not answer; more than one status query waits."""


def test_the_controller_is_away_while_jobs_run_and_end(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    with cluster.driving() as driver:
        trainings = [cluster.held(driver), cluster.held(driver)]
        cluster.slurm.kill_controller()
        for training in trainings:
            training.go_on()
        time.sleep(OUTAGE)
        cluster.slurm.start_controller()
        assert end_with_resumed_nodes(cluster, driver) == 0, cluster.said()
    assert_one_more_start_completes(cluster, undisturbed)


def test_the_controller_is_away_when_jobs_are_to_be_sent_and_is_restarted_later(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    cluster.slurm.stop_controller()
    with cluster.driving() as driver:
        # Of calls that SLURM did not answer and that are repeated.
        eventually(lambda: any(cluster.folder.glob("results/jobs/drivers/*.log")), driver)
        cluster.slurm.start_controller()
        trainings = [cluster.held(driver), cluster.held(driver)]
        cluster.slurm.kill_controller()
        cluster.slurm.start_controller()
        for training in trainings:
            training.go_on()
        assert end_with_resumed_nodes(cluster, driver) == 0, cluster.said()
    assert set(cluster.submissions("train_shard").values()) == {1}
    assert_one_more_start_completes(cluster, undisturbed)


def test_a_dead_node_works_on_beside_the_one_that_took_over(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    with cluster.driving() as driver:
        training = declared_dead(cluster, driver)
        # The step that SLURM knows nothing of any more, and the one that started in its place.
        eventually(lambda: another_training(cluster, training), driver)
        training.go_on()
        assert cluster.end(driver) == 0, cluster.said()
    eventually(training.has_ended)
    assert cluster.slurm.restarts(training.job) == 1
    assert_one_more_start_completes(cluster, undisturbed)


@LONG_FORM
def test_a_dead_node_wakes_up_when_all_is_done(
    cluster: ClusterCheckout, undisturbed: Checkout
) -> None:
    with cluster.driving() as driver:
        training = declared_dead(cluster, driver)
        assert cluster.end(driver) == 0, cluster.said()
    before = run_records(cluster)
    assert_whole(cluster, undisturbed)
    training.go_on()
    eventually(training.has_ended)
    assert run_records(cluster) == before
    assert_one_more_start_completes(cluster, undisturbed)


def declared_dead(cluster: ClusterCheckout, driver: subprocess.Popen[bytes]) -> Training:
    """Hold a training, kill its node's daemon, and have SLURM believe that the node is dead."""
    training = cluster.held(driver)
    node = cluster.slurm.job(training.job).node
    cluster.slurm.kill_node(node)
    cluster.slurm.down(node)
    return training


def another_training(cluster: ClusterCheckout, training: Training) -> bool:
    """Whether another process trains the same shard."""
    others = [one for one in cluster.trainings() if one.digest == training.digest]
    return any(one.process != training.process for one in others)


def end_with_resumed_nodes(cluster: ClusterCheckout, driver: subprocess.Popen[bytes]) -> int:
    """Wait until Snakemake ends, as an administrator who takes back what SLURM drains.

    A controller that was killed within seconds of starting a job has forgotten that it runs, sends
    it again, and drains the node that says so ("Duplicate jobid").
    """
    eventually(lambda: resume(cluster.slurm) or driver.poll() is not None)
    return cluster.end(driver)


def resume(slurm: Slurm) -> None:
    slurm.resume_all()
