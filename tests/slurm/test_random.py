"""Anything that a cluster does to its users, in any order and at any moment: seeded, and repeated.

No piece of work may ever have two jobs at once, and after all disturbances one more start makes
everything whole. ``DENSITY_BENCH_KILLS=100`` asks for a hundred disturbances instead of five, and
``DENSITY_BENCH_KILLS_SEED`` for others.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout, Training
from support.processes import nothing_left_in
from support.slurm import eventually
from support.wholeness import assert_one_more_start_completes

pytestmark = pytest.mark.slurm

KILLS = int(os.environ.get("DENSITY_BENCH_KILLS", "5"))
SEED = int(os.environ.get("DENSITY_BENCH_KILLS_SEED", "20"))
KILLS_OF_ONE_WORKFLOW = 10
"""After so many disturbances a workflow is let end, and another begins."""


@dataclass(frozen=True)
class Kill:
    """Something that happens, to which of the trainings, and after how many saves of its state."""

    happening: Callable[[Disturbed, Training], None]
    which: float
    """From 0 to 1, from the first to the last of them."""
    saves: int


class Disturbed:
    """A workflow on an unfriendly cluster; Snakemake is started again when it failed."""

    def __init__(self, cluster: ClusterCheckout) -> None:
        self.cluster = cluster
        self.slurm = cluster.slurm
        self.driver = cluster.drive()
        self.happened: list[str] = []

    def disturb(self, kill: Kill) -> bool:
        """Let something happen to a training; false if Snakemake ended well before."""
        training = self._some_training(kill)
        if training is None:
            return False
        name = kill.happening.__name__
        self.happened.append(f"{name} (shard {training.digest}, job {training.job})")
        print(self.happened[-1])
        kill.happening(self, training)
        training.go_on()
        active = Counter(job.key for job in self.cluster.jobs() if job.active)
        assert max(active.values(), default=0) <= 1, self.happened
        return True

    def end(self) -> None:
        """Let Snakemake end, well or not."""
        eventually(lambda: self._mend() or self.driver.poll() is not None)

    def assert_nothing_trains(self) -> None:
        """Also steps of nodes that were declared dead come to their end."""
        eventually(lambda: not self.cluster.trainings())

    def _some_training(self, kill: Kill) -> Training | None:
        """A training that stands still, either as it was found or after some states more."""
        eventually(lambda: self._keep_driving() or self.cluster.trainings())
        found = self.cluster.trainings()
        if not found:
            return None
        training = found[int(kill.which * len(found))]
        for _ in range(kill.saves):
            training.wait_for_a_save()
        training.hold()
        return training

    def _keep_driving(self) -> bool:
        """Start Snakemake again where it failed; whether it ended well."""
        self._mend()
        if self.driver.poll() is None or self.driver.returncode == 0:
            return self.driver.returncode == 0
        self.driver = self.cluster.drive()
        return False

    def _mend(self) -> None:
        """What an administrator does after a while."""
        self.slurm.revive()
        self.slurm.resume_all()


def cancel(disturbed: Disturbed, training: Training) -> None:
    disturbed.slurm.cancel(training.job)


def requeue(disturbed: Disturbed, training: Training) -> None:
    if disturbed.slurm.job(training.job).state == "RUNNING":
        disturbed.slurm.requeue(training.job)


def preempt(disturbed: Disturbed, training: Training) -> None:
    node = disturbed.slurm.job(training.job).node
    words = ("-p", "urgent", "-w", node, "--exclusive") if node else ("-p", "urgent")
    disturbed.slurm.submit(*words, command="sleep 3")


def drain(disturbed: Disturbed, training: Training) -> None:
    disturbed.slurm.drain(disturbed.slurm.job(training.job).node or disturbed.slurm.nodes[0])


def restart_the_controller(disturbed: Disturbed, training: Training) -> None:
    disturbed.slurm.stop_controller()
    disturbed.slurm.start_controller()


def lose_the_node(disturbed: Disturbed, training: Training) -> None:
    node = disturbed.slurm.job(training.job).node or disturbed.slurm.nodes[0]
    disturbed.slurm.kill_node(node)
    disturbed.slurm.down(node)


def kill_snakemake(disturbed: Disturbed, training: Training) -> None:
    disturbed.driver.kill()
    disturbed.driver.wait()


def kill_the_training(disturbed: Disturbed, training: Training) -> None:
    training.send(signal.SIGKILL)


def terminate_the_training(disturbed: Disturbed, training: Training) -> None:
    training.send(signal.SIGTERM)


def warn_the_training(disturbed: Disturbed, training: Training) -> None:
    training.send(signal.SIGUSR1)


HAPPENINGS: tuple[Callable[[Disturbed, Training], None], ...] = (
    cancel,
    requeue,
    preempt,
    drain,
    restart_the_controller,
    lose_the_node,
    kill_snakemake,
    kill_the_training,
    terminate_the_training,
    warn_the_training,
)


def test_whatever_happens_one_more_start_makes_everything_whole(
    make_cluster: Callable[[Path], ClusterCheckout], undisturbed: Checkout, tmp_path: Path
) -> None:
    kills = list(chosen_kills())
    while kills:
        cluster = make_cluster(tmp_path / f"with-{len(kills)}-left")
        with nothing_left_in(cluster.folder):
            disturbed = Disturbed(cluster)
            for kill in kills[:KILLS_OF_ONE_WORKFLOW]:
                if not disturbed.disturb(kill):
                    break
                kills.remove(kill)
            disturbed.end()
            disturbed.assert_nothing_trains()
            assert_one_more_start_completes(cluster, undisturbed)
            cluster.slurm.restore()


def chosen_kills() -> Iterator[Kill]:
    """As many kills as asked for: all kinds in some order, then all again in another."""
    chance = random.Random(SEED)
    for number in range(KILLS):
        if number % len(HAPPENINGS) == 0:
            order = chance.sample(HAPPENINGS, len(HAPPENINGS))
        yield Kill(order[number % len(HAPPENINGS)], chance.random(), chance.randrange(4))
