"""Snakemake is killed, with its jobs or alone; one more start as usual makes everything whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.jobs import jobs, training
from support.processes import alive_in, kill_group, nothing_left_in, start, until

pytestmark = pytest.mark.workflow

CONFIG = "studies: [tiny.yaml]\nseeds: [0]\nlikelihoods: [gaussian]\nshard: {maximum_runs: 1}\n"
TRAININGS = {f"train {cell} seed0 digits-gaussian" for cell in ("spvae 4x2", "vae 4x2", "vae 8x2")}
LOCAL = "snakemake --profile local"
ONE_AFTER_ANOTHER = f"{LOCAL} --cores 1"
CLUSTER = (
    "snakemake --profile slurm --executor cluster-generic --seconds-between-status-checks 1"
    " --cluster-generic-submit-cmd ./submit.sh --cluster-generic-status-cmd ./status.sh"
)

SUBMIT = """\
#!/bin/sh
# A job in a session of its own, as a cluster's would be on another machine; prints its name.
set -e
mkdir -p queue
job=$(mktemp -d queue/XXXXXX)
cp "$1" "$job/script"
setsid sh -c "sh $job/script; echo \\$? > $job/code; mv $job/code $job/ended" \\
    > "$job/said" 2>&1 < /dev/null &
echo "$job"
"""
STATUS = """\
#!/bin/sh
# What became of a job that submit.sh started.
if [ ! -e "$1/ended" ]; then echo running
elif [ "$(cat "$1/ended")" = 0 ]; then echo success
else echo failed
fi
"""


@pytest.fixture(scope="module")
def fresh(
    finished: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Checkout]:
    """Makes checkouts with data and without results, in which each of three runs has its job."""

    def make(name: str) -> Checkout:
        checkout = Checkout(tmp_path_factory.mktemp(name))
        folder = checkout.folder
        shutil.copytree(finished.folder / "data", folder / "data")
        (folder / "config.yaml").write_text(CONFIG)
        for place, old, new in (
            ("tiny.yaml", "maximum_steps: 16", "maximum_steps: 1200"),
            # Where a state is saved changes no result, only where an interrupted run goes on.
            ("rules/train.smk", " --threads {threads}", " --threads {threads} --save-every 0"),
        ):
            text = (folder / place).read_text()
            assert text.count(old) == 1
            (folder / place).write_text(text.replace(old, new))
        for script, text in (("submit.sh", SUBMIT), ("status.sh", STATUS)):
            (folder / script).write_text(text)
            (folder / script).chmod(0o755)
        return checkout

    return make


@pytest.fixture(scope="module")
def uninterrupted(fresh: Callable[[str], Checkout]) -> Checkout:
    """What the others are to end as."""
    checkout = fresh("uninterrupted")
    checkout.snakemake()
    return checkout


@pytest.fixture
def checkout(fresh: Callable[[str], Checkout]) -> Iterator[Checkout]:
    """A checkout to kill Snakemake in; nothing in it outlives the test."""
    made = fresh("killed")
    with nothing_left_in(made.folder):
        yield made


def test_killed_with_its_jobs(checkout: Checkout, uninterrupted: Checkout) -> None:
    driver = start(checkout, ONE_AFTER_ANOTHER)
    until(lambda: some_finished_and_one_begun(checkout), driver)
    before = records(checkout)
    kill_group(driver)
    until(lambda: not alive_in(checkout.folder))

    told = checkout.must(f"timeout -s KILL 300 {LOCAL}")
    trained = {name for name in jobs(checkout, told) if name.startswith("train ")}
    assert trained == TRAININGS - finished_trainings(before)
    assert any(interruptions(record) for record in records(checkout).values())
    assert before.items() <= records(checkout).items()
    assert_whole(checkout, uninterrupted)


def test_killed_alone_while_its_jobs_live_on(checkout: Checkout, uninterrupted: Checkout) -> None:
    driver = start(checkout, ONE_AFTER_ANOTHER)
    until(lambda: some_finished_and_one_begun(checkout), driver)
    before = records(checkout)
    driver.kill()
    driver.wait()
    orphans = alive_in(checkout.folder)
    for orphan in orphans:
        orphan.send_signal(signal.SIGSTOP)
    assert any("--shard" in orphan.cmdline() for orphan in orphans)
    assert len(records(checkout)) < len(TRAININGS)
    leases = list(checkout.folder.glob("results/states/*/lease.json"))
    assert leases
    for lease in leases:
        # As if it had stood still for longer than a lease lasts.
        os.utime(lease, (0, 0))

    checkout.must(f"timeout -s KILL 300 {LOCAL}")
    assert_whole(checkout, uninterrupted)
    assert before.items() <= records(checkout).items()
    complete = checkout.files()

    # The orphan wakes up in the middle of a run that another job has finished meanwhile.
    for orphan in orphans:
        orphan.send_signal(signal.SIGCONT)
    until(lambda: not alive_in(checkout.folder))
    assert checkout.files() == complete
    assert_whole(checkout, uninterrupted)


def test_killed_while_a_cluster_runs_its_jobs(checkout: Checkout, uninterrupted: Checkout) -> None:
    driver = start(checkout, f"{CLUSTER} --jobs 1")
    until(lambda: some_finished_and_one_begun(checkout), driver)
    before = records(checkout)
    kill_group(driver)
    assert alive_in(checkout.folder), "the cluster's job lives on"

    checkout.must(f"timeout -s KILL 300 {CLUSTER} --jobs 4")
    until(lambda: not alive_in(checkout.folder))
    assert before.items() <= records(checkout).items()
    assert_whole(checkout, uninterrupted)


def test_a_second_start_is_refused_and_a_dry_run_is_not(checkout: Checkout) -> None:
    driver = start(checkout, ONE_AFTER_ANOTHER)
    until(lambda: list(checkout.folder.glob("results/states/*/*.safetensors")), driver)
    os.killpg(driver.pid, signal.SIGSTOP)
    before = checkout.files()
    refused = checkout.shell(f"timeout -s KILL 60 {LOCAL}")
    assert refused.returncode == 1
    (line,) = [line for line in refused.stdout.splitlines() if line.startswith("error")]
    assert f"process {driver.pid} on {socket.gethostname()} since " in line
    assert "wait until it ends" in line
    assert checkout.files() == before
    for words in ("-n", "--summary", "--lint"):
        checkout.must(f"timeout -s KILL 60 {LOCAL} {words}")
    checkout.must("timeout -s KILL 60 python -m workflow_src plan")
    kill_group(driver)
    checkout.must(f"timeout -s KILL 60 {LOCAL} data")


def some_finished_and_one_begun(checkout: Checkout) -> bool:
    """Whether a kill now finds a finished run, and another in the middle."""
    states = checkout.folder.glob("results/states/*/state.safetensors")
    ended = {json.loads(text)["fingerprint"] for text in records(checkout).values()}
    return bool(ended) and any(path.parent.name not in ended for path in states)


def records(checkout: Checkout) -> dict[str, str]:
    """The text of every run's record, by its path."""
    paths = checkout.folder.glob("results/runs/*/*/*/run.json")
    return {path.relative_to(checkout.folder).as_posix(): path.read_text() for path in paths}


def finished_trainings(texts: dict[str, str]) -> set[str]:
    return {training(json.loads(text)["content"]["spec"]) for text in texts.values()}


def interruptions(record: str) -> list[object]:
    found: list[object] = json.loads(record)["content"]["circumstances"]["interruptions"]
    return found


def assert_whole(checkout: Checkout, uninterrupted: Checkout) -> None:
    """Everything is there once, vouched for, the same as without the kill, and nothing else."""
    made, expected = records(checkout), records(uninterrupted)
    assert made.keys() == expected.keys()
    assert finished_trainings(made) == TRAININGS
    for name in made:
        folder, same = checkout.folder / Path(name).parent, uninterrupted.folder / Path(name).parent
        parameters = "checkpoint.safetensors"
        assert (folder / parameters).read_bytes() == (same / parameters).read_bytes()
    files, others = checkout.files(), uninterrupted.files()
    assert {n for n in files if n.endswith(".md")} == {n for n in others if n.endswith(".md")}
    for name, content in files.items():
        if name.startswith("tables/"):
            assert content == others[name]
    assert [name for name in files if "partial" in name or name.startswith("states/")] == []
    checkout.must("timeout -s KILL 120 python -m workflow_src audit")
    assert "Nothing to be done" in checkout.snakemake("-n")
