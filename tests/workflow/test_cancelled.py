"""Ctrl-C while jobs are training: nothing is lost, the last line says how to go on, and it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.checkout import Checkout
from support.processes import alive_in, nothing_left_in, start, until

pytestmark = pytest.mark.workflow

CONFIG = "studies: [tiny.yaml]\nseeds: [0]\nlikelihoods: [gaussian]\nshard: {maximum_runs: 1}\n"
COMMAND = "snakemake --profile local --cores 1"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout in which trainings take long enough to be cancelled; nothing outlives the test."""
    made = Checkout(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    for place, old, new in (
        ("tiny.yaml", "maximum_steps: 16", "maximum_steps: 1200"),
        ("rules/train.smk", " --threads {threads}", " --threads {threads} --save-every 0"),
    ):
        text = (tmp_path / place).read_text()
        assert text.count(old) == 1
        (tmp_path / place).write_text(text.replace(old, new))
    made.snakemake("data")
    with nothing_left_in(tmp_path):
        yield made


def in_training(checkout: Checkout) -> subprocess.Popen[bytes]:
    """Snakemake, in the middle of a training that has saved a state."""
    process = start(checkout, COMMAND)
    until(lambda: list(checkout.folder.glob("results/states/*/state.safetensors")), process)
    return process


def ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """What the terminal does: the signal goes to Snakemake and to all that it started."""
    os.killpg(process.pid, signal.SIGINT)


def said(checkout: Checkout) -> list[str]:
    return (checkout.folder / "said.txt").read_text().splitlines()


def records(checkout: Checkout) -> list[dict[str, Any]]:
    paths = sorted(checkout.folder.glob("results/runs/*/*/*/run.json"))
    return [json.loads(path.read_text()) for path in paths]


def assert_it_goes_on(checkout: Checkout) -> None:
    """The same command makes everything whole, and the run that was cancelled from its state."""
    checkout.must(f"timeout -s KILL 300 {COMMAND}")
    interruptions = [one["content"]["circumstances"]["interruptions"] for one in records(checkout)]
    assert len(interruptions) == 3
    assert any(interruptions)
    assert not list(checkout.folder.glob("results/states/*"))
    assert "Nothing to be done" in checkout.snakemake("-n")
    checkout.must("timeout -s KILL 120 python -m workflow_src audit")


def test_ctrl_c_says_how_to_go_on_and_the_next_start_does(checkout: Checkout) -> None:
    process = in_training(checkout)
    ctrl_c(process)
    assert process.wait(timeout=120) != 0
    lines = said(checkout)
    assert lines[-1].startswith("stopped by Ctrl-C: what is finished stays")
    assert lines[-1].endswith(f"start it again: {COMMAND}")
    told = "\n".join(lines)
    assert "Ctrl-C again ends them at once" in told
    assert "Traceback" not in told
    assert "Error in rule" not in told
    assert list(checkout.folder.glob("results/states/*/state.safetensors"))
    assert_it_goes_on(checkout)


def test_the_second_ctrl_c_ends_at_once_and_nothing_is_lost_either(checkout: Checkout) -> None:
    process = in_training(checkout)
    # A job that does not listen, as in the middle of a long computation.
    jobs = [one for one in alive_in(checkout.folder) if "--shard" in one.cmdline()]
    assert jobs
    for job in jobs:
        job.send_signal(signal.SIGSTOP)
    ctrl_c(process)
    until(lambda: "Ctrl-C again ends them at once" in "\n".join(said(checkout)), process)
    assert process.poll() is None
    ctrl_c(process)
    assert process.wait(timeout=60) == 130
    until(lambda: not alive_in(checkout.folder))
    assert said(checkout)[-1].startswith("stopped by Ctrl-C: what is finished stays")
    assert_it_goes_on(checkout)
