"""What a job costs on a SLURM cluster beside its work, and how soon the first one is sent.

    python benchmarks/submission.py [--jobs 20] [--rounds 3] [--sbatch "--partition=normal"]

Works on the cluster of this machine. Jobs that do nothing are sent by bare sbatch, by Snakemake's
plugin, and by the plugin with the commands of this project before SLURM's. Then the whole paper
grid is started, with empty files as its data, and ended once its first job is sent.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from workflow_src.config.loading import load_settings
from workflow_src.plan.plan import build_plan

ROOT = Path(__file__).resolve().parents[1]
SUBMITTED = re.compile(r"SLURM jobid (\d+)")
NOTHING = """\
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
if {ours} and workflow.is_main_process:
    from workflow_src.cluster.drivers import register

    register(Path("results"), [])


rule all:
    input:
        expand("{{name}}.done", name=[f"{{n:016x}}" for n in range({jobs})]),


rule nothing:
    output:
        "{{name}}.done",
    shell:
        "true > {{output}}"
"""


def snakemake(folder: Path, *words: str) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "--profile", str(ROOT / "profiles" / "slurm")),
        *("--directory", str(folder), "--latency-wait", "5"),
        *("--slurm-init-seconds-before-status-checks", "1", *words),
    ]


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@contextmanager
def started(words: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A driver whose words can be read as it says them; its jobs are cancelled in the end."""
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as driver:
        try:
            yield driver
        finally:
            if driver.poll() is None:
                driver.send_signal(signal.SIGINT)


def submissions(driver: subprocess.Popen[str]) -> Iterator[tuple[float, str]]:
    """When each job was sent, and its number."""
    assert driver.stdout is not None
    for line in driver.stdout:
        found = SUBMITTED.search(line)
        if found:
            yield time.monotonic(), found[1]


def seconds_on_node(job: str) -> float:
    """From the job's start to its end, which SLURM tells in whole seconds."""
    told = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout
    times = dict(re.findall(r"(StartTime|EndTime)=(\S+)", told))
    begun, ended = (datetime.fromisoformat(times[name]) for name in ("StartTime", "EndTime"))
    return (ended - begun).total_seconds()


def tell(title: str, calls: list[float], nodes: list[float]) -> None:
    print(
        f"{title:<34} sent every {statistics.mean(calls):6.2f} s (up to {max(calls):.2f}); "
        f"on its node {statistics.mean(nodes):5.1f} s ({min(nodes):.0f} to {max(nodes):.0f})",
        flush=True,
    )


def bare(count: int, options: list[str]) -> None:
    calls, jobs = [], []
    for _ in range(count):
        begun = time.monotonic()
        words = ["sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", "true"]
        jobs.append(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        calls.append(time.monotonic() - begun)
    jobs = [job.strip().split(";")[0] for job in jobs]
    wanted = ["squeue", "--noheader", f"--jobs={','.join(jobs)}"]
    while subprocess.run(wanted, capture_output=True, text=True).stdout.strip():
        time.sleep(1)
    tell("bare sbatch", calls, [seconds_on_node(job) for job in jobs])


def through_snakemake(count: int, *, ours: bool) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        text = NOTHING.format(root=str(ROOT), ours=ours, jobs=count)
        (folder / "Snakefile").write_text(text)
        words = snakemake(folder, "--set-resources", "nothing:mem_mb=300")
        with started(words, folder) as driver:
            sent = list(submissions(driver))
        assert driver.returncode == 0, "the workflow failed"
        calls = [later[0] - earlier[0] for earlier, later in itertools.pairwise(sent)]
        title = "plugin with this project's sbatch" if ours else "plugin alone"
        tell(title, calls, [seconds_on_node(job) for _, job in sent])


def pretend_prepared(folder: Path, config: Path) -> int:
    plan = build_plan(load_settings(config), root=folder)
    for data in plan.prepared:
        for path in (data.record, plan.layout.raw(data.data_set) / "record.json"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("{}\n")
    return len(plan.runs)


def first_submission() -> tuple[float, int]:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        config = folder / "config.yaml"
        config.write_text("studies: [spvae]\nscale: paper\nseeds: [0]\n")
        runs = pretend_prepared(folder, config)
        begun = time.monotonic()
        words = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(config)]
        with started(snakemake(folder, *words), folder) as driver:
            moment, _ = next(submissions(driver))
            driver.send_signal(signal.SIGINT)
            for _ in submissions(driver):
                pass
        return moment - begun, runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sbatch", default="--mem=300", help="options of the bare sbatch")
    arguments = parser.parse_args()
    bare(arguments.jobs, arguments.sbatch.split())
    through_snakemake(arguments.jobs, ours=False)
    through_snakemake(arguments.jobs, ours=True)
    taken = [first_submission() for _ in range(arguments.rounds)]
    seconds = [one for one, _ in taken]
    print(
        f"{taken[0][1]} runs: the first job is sent {statistics.median(seconds):.1f} s after the "
        f"start ({min(seconds):.1f} to {max(seconds):.1f})"
    )


if __name__ == "__main__":
    main()
