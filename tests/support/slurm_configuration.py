"""The text of slurm.conf and gres.conf for a SLURM that runs whole on one machine.

Words are those of the manual pages slurm.conf(5) and gres.conf(5). Some settings are odd, because
several nodes share one host and because tests do not want to wait; each says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROCESSORS = 2
"""Processors that each node claims to have: how many jobs it runs at once."""
GPUS = 2
"""GPUs that each node claims to have. They are counted and given out; nothing computes on them."""
MEMORY = 64_000
"""Megabytes of memory that each node claims to have, whatever the host has."""


@dataclass(frozen=True)
class Ports:
    """The TCP ports of the daemons."""

    controller: int
    nodes: tuple[int, ...]


def node_names(number: int) -> list[str]:
    """The names of so many nodes."""
    return [f"node{index}" for index in range(1, number + 1)]


def slurm_conf(folder: Path, ports: Ports, host: str, user: str) -> str:
    """The text of slurm.conf for a SLURM whose files all lie below ``folder``."""
    return f"""\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports.controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that starts again waits for its earlier credential to expire: seconds instead of minutes.
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
CredType=cred/munge

StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log

# No cgroups, which need root and a mounted hierarchy: a step is a process group.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# A step that holds more memory than its job asked for is killed, as cgroups do elsewhere.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1

# The nodes claim more processors and memory than the host may have.
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=60
SlurmctldTimeout=60
InactiveLimit=0
# Seconds from SIGTERM to SIGKILL; the usual value is 30.
KillWait=10
# As sites have it that let squeue tell of jobs that have ended.
MinJobAge=3600

{_nodes(host, ports)}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 PriorityTier=10
PartitionName=short Nodes=ALL MaxTime=2 PriorityTier=10
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=100
"""


def gres_conf(folder: Path, nodes: int) -> str:
    """The text of gres.conf; without device files SLURM drains the nodes."""
    return "".join(
        f"NodeName=node[1-{nodes}] Name=gpu Type=counted File={path}\n"
        for path in device_files(folder)
    )


def device_files(folder: Path) -> list[Path]:
    """What stands for the device files of the GPUs."""
    return [folder / "dev" / f"gpu{index}" for index in range(GPUS)]


def _nodes(host: str, ports: Ports) -> str:
    shape = f"CPUs={PROCESSORS} Boards=1 SocketsPerBoard=1 CoresPerSocket={PROCESSORS}"
    rest = f"{shape} ThreadsPerCore=1 RealMemory={MEMORY} Gres=gpu:counted:{GPUS} State=UNKNOWN"
    return "\n".join(
        f"NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} {rest}"
        for name, port in zip(node_names(len(ports.nodes)), ports.nodes, strict=True)
    )
