"""A real SLURM for a test: controller and nodes on this machine, as this user, with counted GPUs.

It needs the programs munged, slurmctld, slurmd and SLURM's client commands (Debian: slurmctld,
slurmd, slurm-client, munge), no root, and nothing in /etc. What a test may do to it, a cluster
does to its users: kill a controller or a node's daemon, drain a node, cancel or requeue a job.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from support.processes import alive_in, until
from support.slurm_configuration import Ports, device_files, gres_conf, node_names, slurm_conf

PROGRAMS = (
    "setpriv",
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "squeue",
    "scancel",
    "scontrol",
    "srun",
)
ACTIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"}
"""The states of a job that has not ended."""
_PAUSE = 0.2

LONG_FORM = pytest.mark.skipif(
    "DENSITY_BENCH_LONG" not in os.environ,
    reason="one more turn of what the others test: DENSITY_BENCH_LONG=1 runs it too",
)

_KEY = re.compile(r"rule_(?P<rule>[a-z_]+?)(?:_wildcards_(?P<wildcards>.*))?")


def missing_programs() -> list[str]:
    """The programs that a SLURM needs and this machine lacks."""
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def eventually(
    happened: Callable[[], object], process: subprocess.Popen[bytes] | None = None
) -> None:
    """As `until`, where looking costs a process or a look at all processes of the machine."""
    until(happened, process, pause=_PAUSE)


@dataclass(frozen=True)
class Job:
    """One job as squeue tells of it.

    ``rule`` and ``name`` are those of Snakemake's job: the name is the digest that ends its
    wildcards. Both are empty for a job that is none of Snakemake's.
    """

    number: str
    state: str
    rule: str
    name: str
    node: str
    folder: Path

    @property
    def key(self) -> tuple[str, str]:
        """What names the piece of work that the job is for."""
        return self.rule, self.name

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE


class Slurm:
    """A SLURM whose files all lie in ``folder``, whose path must be short (it holds sockets)."""

    def __init__(self, folder: Path, nodes: int = 2) -> None:
        self.folder = folder
        self.nodes = node_names(nodes)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("etc", "run", "log", "state", "spool", "dev", "bin"):
            (folder / name).mkdir()
        for name in self.nodes:
            (folder / "spool" / name).mkdir()
        key = folder / "etc" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        for path in device_files(folder):
            path.symlink_to(os.devnull)
        self.configuration = folder / "etc" / "slurm.conf"
        self._write_configuration()
        self._write_srun()

    @property
    def environment(self) -> dict[str, str]:
        """What a shell needs to work with this SLURM and no other."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"SLURM_CONF": str(self.configuration), "PATH": path}

    # ---- starting and stopping

    def start(self) -> None:
        """Start every daemon and wait until all nodes are idle."""
        self._start_munge()
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        eventually(self.is_idle)

    def stop(self) -> None:
        """End all jobs and daemons; nothing that this SLURM started outlives this."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.cancel_all()
        for name in ["slurmctld", *self.nodes, "munged"]:
            self._kill(name, signal.SIGKILL)
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def restore(self) -> None:
        """Undo whatever a test did: no jobs, every daemon alive, every node idle."""
        self.revive()
        self.cancel_all()
        eventually(lambda: self.resume_all() or self.is_idle())

    def revive(self) -> None:
        """Start again what was killed."""
        if not self._is_alive("slurmctld"):
            self.start_controller()
        for name in self.nodes:
            if not self._is_alive(name):
                self.start_node(name)

    def start_controller(self) -> None:
        """Start slurmctld, which goes on from its saved state, and wait until it answers."""
        self._start("slurmctld", "slurmctld", "-D")
        until(lambda: self._run("scontrol", "ping").returncode == 0, self._daemons["slurmctld"])

    def stop_controller(self) -> None:
        """SIGTERM for slurmctld, as an update does; all requests fail until it is started again."""
        self._kill("slurmctld", signal.SIGTERM)

    def kill_controller(self) -> None:
        """SIGKILL for slurmctld, which then has forgotten what happened in the last five seconds.

        A job that it started then, it starts again, and drains the node that has it already. One
        that ended then, it believes to run until the node tells it better, which may take long.
        """
        self._kill("slurmctld", signal.SIGKILL)

    def start_node(self, name: str) -> None:
        """Start a node's slurmd."""
        self._start(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """SIGKILL for a node's slurmd; the steps that it started live on, as they do on sites."""
        self._kill(name, signal.SIGKILL)

    def processes(self) -> list[psutil.Process]:
        """Every living process that belongs to this SLURM: steps, and what jobs started."""
        mine = {"SLURM_CONF": str(self.configuration)}
        started = [one for one in psutil.process_iter() if _has_environment(one, mine)]
        # Those that look after a step hide their environment and stay in the daemons' folder.
        return [*started, *alive_in(self.folder)]

    # ---- what an administrator does

    def drain(self, name: str) -> None:
        """Let a node finish its jobs and take no more."""
        self.must("scontrol", "update", f"NodeName={name}", "State=DRAIN", "Reason=test")

    def down(self, name: str) -> None:
        """Declare a node dead: SLURM starts its jobs again elsewhere."""
        self.must("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def resume_all(self) -> None:
        """Take back every drain and every declaration of death."""
        for line in self.must("sinfo", "-h", "-N", "-o", "%N %T").splitlines():
            name, state = line.split()
            if state.rstrip("*$~#!%@^-") in {"drained", "draining", "down"}:
                self._run("scontrol", "update", f"NodeName={name}", "State=RESUME")

    # ---- jobs

    def jobs(self, folder: Path | None = None) -> list[Job]:
        """All jobs, also those that have ended; with ``folder``, those that work there."""
        told = self.must("squeue", "-h", "--states=all", "-o", "%i|%T|%Z|%N|%k")
        found = [_parse(line) for line in told.splitlines()]
        return [job for job in found if folder is None or job.folder == folder]

    def job(self, number: str) -> Job:
        """One job."""
        (found,) = [job for job in self.jobs() if job.number == number]
        return found

    def restarts(self, number: str) -> int:
        """How often SLURM itself has started a job again."""
        told = re.search(r"\bRestarts=(\d+)", self.must("scontrol", "show", "job", number))
        assert told is not None
        return int(told[1])

    def submit(self, *words: str, command: str) -> str:
        """Submit a shell command; return the job's number."""
        said = self.must("sbatch", "--parsable", "-o", os.devnull, *words, "--wrap", command)
        return said.strip()

    def cancel(self, number: str) -> None:
        """What a user does with scancel."""
        self.must("scancel", number)

    def warn(self, number: str) -> None:
        """SIGUSR1 to all processes of a job's steps, as `sbatch --signal=USR1@120` asks for."""
        self.must("scancel", "--signal=USR1", number)

    def requeue(self, number: str) -> None:
        """What a user does with `scontrol requeue`."""
        self.must("scontrol", "requeue", number)

    def cancel_all(self) -> None:
        """Cancel everything and wait until it has ended."""
        self.must("scancel", "--user", getpass.getuser())
        eventually(lambda: not any(job.active for job in self.jobs()))

    def is_idle(self) -> bool:
        """Whether every node is up and has nothing to do."""
        told = self._run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").stdout.split()
        return set(told) == set(self.nodes)

    def must(self, *words: str) -> str:
        """Run a command of SLURM that must succeed; return what it said."""
        done = self._run(*words)
        if done.returncode != 0:
            raise subprocess.SubprocessError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def said(self) -> str:
        """What the daemons logged, for the message of a test that fails."""
        logs = sorted((self.folder / "log").glob("*.log"))
        return "\n".join(f"==== {path.name}\n{path.read_text()[-4000:]}" for path in logs)

    # ---- how

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self.environment
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)

    def _start(self, name: str, *words: str) -> None:
        environment = os.environ | self.environment
        environment["PATH"] += f"{os.pathsep}/usr/sbin{os.pathsep}/sbin"
        # Found here, since the parent's PATH is searched and not that of the environment given.
        program = shutil.which(words[0], path=environment["PATH"])
        assert program is not None, words[0]
        self._daemons[name] = subprocess.Popen(
            # With this process, however it dies, its daemons go too.
            ["setpriv", "--pdeathsig", "KILL", program, *words[1:]],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _start_munge(self) -> None:
        run, log = self.folder / "run", self.folder / "log"
        self._start(
            "munged",
            *("munged", "--foreground", "--force", f"--key-file={self.folder}/etc/munge.key"),
            *(f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid"),
            *(f"--log-file={log}/munged.log", f"--seed-file={run}/munged.seed"),
        )
        until((run / "munge.sock").exists, self._daemons["munged"])

    def _kill(self, name: str, number: signal.Signals) -> None:
        if name in self._daemons:
            self._daemons[name].send_signal(number)
            self._daemons[name].wait()

    def _is_alive(self, name: str) -> bool:
        return self._daemons[name].poll() is None

    def _write_configuration(self) -> None:
        host = socket.gethostname().partition(".")[0]
        first, *others = _free_ports(1 + len(self.nodes))
        text = slurm_conf(self.folder, Ports(first, tuple(others)), host, getpass.getuser())
        self.configuration.write_text(text)
        gres = self.configuration.with_name("gres.conf")
        gres.write_text(gres_conf(self.folder, len(self.nodes)))

    def _write_srun(self) -> None:
        """An srun that knows its SLURM: Snakemake's plugin takes SLURM_CONF from the real one."""
        real = shutil.which("srun")
        script = self.folder / "bin" / "srun"
        script.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {real} "$@"\n')
        script.chmod(0o755)


@contextlib.contextmanager
def running_slurm(folder: Path, nodes: int = 2) -> Iterator[Slurm]:
    """A SLURM that is up, and is gone afterwards."""
    slurm = Slurm(folder, nodes)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def _parse(line: str) -> Job:
    number, state, folder, node, comment = line.split("|", 4)
    found = _KEY.fullmatch(comment)
    rule = found["rule"] if found else ""
    name = (found["wildcards"] or "")[-16:] if found else ""
    return Job(number, state, rule, name, node, Path(folder))


def _free_ports(number: int) -> list[int]:
    """Ports that nobody listens on; all are held until the last is known, so none comes twice."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _has_environment(process: psutil.Process, variables: dict[str, str]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        return variables.items() <= process.environ().items()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
