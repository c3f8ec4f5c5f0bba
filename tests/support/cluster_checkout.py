"""A checkout whose Snakemake works on a SLURM of the test, and its trainings, to disturb them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from support.checkout import Checkout
from support.processes import alive_in, start, until
from support.slurm import Job, Slurm

SNAKEMAKE = "snakemake --profile slurm"
PATIENCE = 900
"""Seconds after which a Snakemake that has not ended counts as one that never will."""
STATE = "state.safetensors"
QUICK_POLLING = Path(__file__).parent / "quick_polling"


class ClusterCheckout(Checkout):
    """A checkout in whose shells one SLURM is the cluster."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        super().__init__(folder)
        self.slurm = slurm

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a shell in the checkout on the cluster's login node."""
        usual, there = super().environment, self.slurm.environment
        quick = f"{QUICK_POLLING}{os.pathsep}{usual['PYTHONPATH']}"
        first = Path(there["PATH"].partition(os.pathsep)[0])
        path = f"{first}{os.pathsep}{usual['PATH']}"
        return usual | there | {"PATH": path, "PYTHONPATH": quick}

    def drive(self, words: str = "") -> subprocess.Popen[bytes]:
        """Start Snakemake on the cluster and let it run; what it says goes to said.txt."""
        # Ctrl-C reaches it also where these tests run in the background of a script.
        return start(self, f"env --default-signal=INT {SNAKEMAKE} {words}")

    @contextlib.contextmanager
    def driving(self, words: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """As `drive`, for a while: a Snakemake that is still there on leaving is killed."""
        driver = self.drive(words)
        try:
            yield driver
        finally:
            if driver.poll() is None:
                driver.kill()
                driver.wait()

    def end(self, driver: subprocess.Popen[bytes]) -> int:
        """Wait until a Snakemake that `drive` started ends; return its exit code."""
        try:
            return driver.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it never ended\n{self.said()}\n{self.slurm.said()}") from None

    def complete(self, words: str = "") -> str:
        """Run Snakemake on the cluster to its end, which must be a success; return what it said."""
        return self.must(f"timeout -s KILL {PATIENCE} {SNAKEMAKE} {words}")

    def fail(self, words: str = "") -> str:
        """Run Snakemake on the cluster to its end, which must be a failure; return what it said."""
        done = self.shell(f"timeout -s KILL {PATIENCE} {SNAKEMAKE} {words}")
        assert done.returncode == 1, done.stdout
        return done.stdout

    def said(self) -> str:
        """What Snakemakes that `drive` started have said so far."""
        return (self.folder / "said.txt").read_text()

    def jobs(self, rule: str | None = None) -> list[Job]:
        """The jobs of this checkout, also ended ones; with ``rule``, of that rule alone."""
        return [job for job in self.slurm.jobs(self.folder) if rule in (None, job.rule)]

    def submissions(self, rule: str) -> Counter[str]:
        """How often each piece of a rule's work was sent to SLURM, by its digest."""
        return Counter(job.name for job in self.jobs(rule))

    def trainings(self) -> list[Training]:
        """The processes that train now, on whatever node."""
        found = [Training.of(process, self.folder) for process in alive_in(self.folder)]
        return [training for training in found if training is not None]

    def log_of(self, training: Training) -> str:
        """What a training's job said, which Snakemake keeps if the job failed."""
        place = f".snakemake/slurm_logs/rule_train_shard/{training.digest}/{training.job}.log"
        return (self.folder / place).read_text()

    def held(self, driver: subprocess.Popen[bytes] | None = None) -> Training:
        """Wait for a training in the middle of a run that has saved a state, and stop it there.

        It does nothing until it is continued; what SLURM sends it meanwhile reaches it then.
        """
        caught: list[Training] = []
        until(lambda: self._hold(caught), driver)
        return caught[0]

    def _hold(self, caught: list[Training]) -> bool:
        # A look at the files costs less than one at all processes, and the moment is short.
        if not any(self.folder.glob(f"results/states/*/{STATE}")):
            return False
        for training in self.trainings():
            if training.is_in_the_middle() and not training.is_held():
                training.hold()
                if training.is_in_the_middle() and training.is_held():
                    caught.append(training)
                    return True
                training.go_on()
        return False


@dataclass(frozen=True)
class Training:
    """A process that trains a shard."""

    process: psutil.Process
    folder: Path
    digest: str
    job: str
    """Its SLURM job's number."""

    @classmethod
    def of(cls, process: psutil.Process, folder: Path) -> Training | None:
        """The training that a process is; None for any other process."""
        try:
            words, variables = process.cmdline(), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        if "--shard" not in words or "SLURM_JOB_ID" not in variables:
            return None
        digest = Path(words[words.index("--shard") + 1]).stem
        return cls(process, folder, digest, variables["SLURM_JOB_ID"])

    def is_in_the_middle(self) -> bool:
        """Whether a run of this shard has a saved state and no result."""
        return any(
            (self.folder / run["state"] / STATE).exists()
            and not (self.folder / run["directory"] / "run.json").exists()
            for run in self._runs()
        )

    def states(self) -> dict[Path, int]:
        """When the states of its runs were saved last."""
        found: dict[Path, int] = {}
        for run in self._runs():
            path = self.folder / run["state"] / STATE
            with contextlib.suppress(FileNotFoundError):
                found[path] = path.stat().st_mtime_ns
        return found

    def wait_for_a_save(self) -> None:
        """Wait until it has saved one more state, or is gone."""
        before = self.states()
        until(lambda: self.has_ended() or self.states() != before)

    def hold(self) -> None:
        """Have it stand still; back when it does, or is gone."""
        self.send(signal.SIGSTOP)
        until(lambda: self.has_ended() or self.is_held())

    def go_on(self) -> None:
        """Let it run again, if it is still there."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.send_signal(number)

    def has_waiting(self, number: signal.Signals) -> bool:
        """Whether a signal was sent to it that it has not seen yet, as it stands still."""
        status = Path("/proc", str(self.process.pid), "status").read_text()
        waiting = [line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:")]
        return bool(int(waiting[0], 16) >> (number - 1) & 1)

    def is_held(self) -> bool:
        """Whether it stands still."""
        return self._status() == psutil.STATUS_STOPPED

    def has_ended(self) -> bool:
        """Whether its process is gone; one that nobody has waited for yet is."""
        return self._status() in {None, psutil.STATUS_ZOMBIE}

    def _status(self) -> str | None:
        try:
            # The process of this number may be another by now.
            return str(self.process.status()) if self.process.is_running() else None
        except psutil.NoSuchProcess:
            return None

    def _runs(self) -> list[dict[str, str]]:
        membership = self.folder / "results" / "plan" / "shards" / f"{self.digest}.json"
        runs: list[dict[str, str]] = json.loads(membership.read_text())["runs"]
        return runs
