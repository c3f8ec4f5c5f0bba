"""The commands before SLURM's: one for each, which answer the plugin and pass on all else."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.conftest import COMMENT, RUN, Tools, line
from snakemake_executor_plugin_slurm.job_status_query import query_job_status_squeue
from support.checkout import ROOT

from workflow_src.cluster import __main__ as entry
from workflow_src.cluster.cancelling import note_cancelling
from workflow_src.cluster.drivers import Driver
from workflow_src.cluster.tools import COMMANDS
from workflow_src.cluster.waiting import answer_partitions
from workflow_src.jobs.journal import DRIVER_VARIABLE

STEP = """
import subprocess, sys
from workflow_src.cluster.steps import prepare_step
prepare_step()
sys.exit(subprocess.call(["sh", "-c", 'kill -USR1 $$; echo "$DENSITY_BENCH_SLURM_RESTARTS"']))
"""


def call(words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(words, shell=True, env=environment, capture_output=True, text=True)


def test_there_is_a_script_for_every_tool() -> None:
    scripts = {path.name: path for path in COMMANDS.iterdir()}
    assert scripts.keys() == entry._OURS.keys()
    for name, path in scripts.items():
        assert os.access(path, os.X_OK)
        assert f'workflow_src.cluster {name} "$@"' in path.read_text()


@pytest.mark.parametrize("name", sorted(entry._OURS))
def test_without_a_driver_they_are_the_real_tools(name: str, tools: Tools) -> None:
    tools.answer(name, ("as ever", 3))
    done = call(f"{name} 'a b' --c", **{DRIVER_VARIABLE: ""})
    assert (done.returncode, done.stderr) == (3, "as ever")
    assert tools.calls(name) == [["a b", "--c"]]


def test_without_the_real_tool_they_say_so(tools: Tools) -> None:
    done = call("sacct --version", **{DRIVER_VARIABLE: ""})
    assert done.returncode == 1
    assert done.stderr == "error: sacct: this machine has no such tool of SLURM\n"


def test_for_a_driver_they_send_ask_and_pass_on(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tools.folder))
    tools.answer("sbatch", "42\n")
    tools.answer("squeue", line("42", "RUNNING"), "all\n")
    sent = call(f"sbatch --parsable --job-name {RUN} --comment {COMMENT} --wrap true")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "42\n", "")
    assert call(query_job_status_squeue(RUN)).stdout == "42|RUNNING\n"
    assert call("squeue --me").stdout == "all\n"
    assert [job.id for job in driver.sent()] == ["42"]


def test_jobs_do_not_inherit_them(
    driver: Driver, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tools.folder))
    (tools.folder / "sbatch").write_text('#!/bin/sh\necho "$PATH" > "$0.path"; echo 42\n')
    (tools.folder / "sbatch").chmod(0o755)
    assert call(f"sbatch --parsable --job-name {RUN} --comment {COMMENT}").stdout == "42\n"
    assert (tools.folder / "sbatch.path").read_text() == f"{tools.folder}\n"


def test_after_cancelling_nothing_is_wanted(driver: Driver, tools: Tools) -> None:
    note_cancelling(["--help"], driver)
    assert driver.is_wanting
    note_cancelling(shlex.split("41 42"), driver)
    assert not driver.is_wanting


def test_the_default_partition_is_waited_for(
    driver: Driver,
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("workflow_src.cluster.waiting._PAUSE", 0.01)
    tools.answer("sinfo", ("slurm_load_partitions: Unable to contact", 1), "PARTITION\nmain*\n")
    assert answer_partitions(["-o", "%P"], driver) == 0
    assert capsys.readouterr().out == "PARTITION\nmain*\n"
    assert answer_partitions(["-h"], driver) is None
    assert len(tools.calls("sinfo")) == 2


def test_a_job_outlives_the_warning_and_knows_its_restarts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEP],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SLURM_JOB_ID": "7",
            "SLURM_RESTART_COUNT": "2",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode != -signal.SIGUSR1
    assert (done.returncode, done.stdout) == (0, "7:2\n")
