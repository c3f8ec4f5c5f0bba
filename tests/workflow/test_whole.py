"""The whole workflow on a tiny study: it ends in tables, and what exists is never made again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from support.checkout import Checkout

pytestmark = pytest.mark.workflow

NOTHING = "Nothing to be done"


def test_it_ends_in_tables_metrics_and_a_page(finished: Checkout) -> None:
    results = finished.folder / "results"
    assert (results / "metrics.parquet").is_file()
    assert (results / "report" / "index.html").is_file()
    assert (results / "tables" / "tiny_comparison.csv").is_file()
    table = (results / "tables" / "tiny_comparison.md").read_text()
    assert "SPVAE" in table
    shown = finished.shell("python -m workflow_src show tiny_comparison").stdout
    assert table.rstrip() in shown


def test_every_run_and_evaluation_left_its_record(finished: Checkout) -> None:
    results = finished.folder / "results"
    runs = [json.loads(path.read_text()) for path in results.glob("runs/*/*/*/run.json")]
    evaluations = list(results.glob("evaluations/*/*/*/evaluation.json"))
    assert len(runs) == 6
    assert len(evaluations) == 4
    assert {run["content"]["status"]["state"] for run in runs} == {"completed"}


def test_a_second_start_has_nothing_to_do(finished: Checkout) -> None:
    assert NOTHING in finished.snakemake()


def test_no_temporary_files_and_states_are_left(finished: Checkout) -> None:
    names = [path.name for path in finished.folder.rglob("*") if "partial" in path.name]
    assert names == []
    assert not list((finished.folder / "results").glob("states/*"))


def test_times_of_files_and_snakemakes_memory_decide_nothing(copy_of_finished: Checkout) -> None:
    for age, path in enumerate(sorted(copy_of_finished.folder.rglob("*"))):
        if not path.is_symlink():
            os.utime(path, (1_500_000_000 + age, 1_500_000_000 + age))
    assert NOTHING in copy_of_finished.snakemake()
    shutil.rmtree(copy_of_finished.folder / ".snakemake")
    for path in (copy_of_finished.folder / "workflow_src").rglob("*.py"):
        path.touch()
    assert NOTHING in copy_of_finished.snakemake()


def test_without_a_profile_there_is_nothing_to_do_either(copy_of_finished: Checkout) -> None:
    assert NOTHING in copy_of_finished.must("snakemake --cores 1")


def test_results_without_data_are_complete(copy_of_finished: Checkout) -> None:
    shutil.rmtree(copy_of_finished.folder / "data")
    assert NOTHING in copy_of_finished.snakemake()


def test_a_lost_run_alone_is_trained_again_and_is_the_same(copy_of_finished: Checkout) -> None:
    folder = copy_of_finished.folder
    lost = sorted(folder.glob("results/runs/vae/*/*"))[0]
    checkpoint = (lost / "checkpoint.safetensors").read_bytes()
    shutil.rmtree(lost)
    for record in folder.glob("results/evaluations/vae/*/*/evaluation.json"):
        record.unlink()
        record.parent.rmdir()
    told = copy_of_finished.snakemake()
    assert told.count("rule train_shard:") == 1
    assert (lost / "checkpoint.safetensors").read_bytes() == checkpoint
    assert NOTHING in copy_of_finished.snakemake()


def test_a_job_on_a_node_works_from_its_membership_alone(copy_of_finished: Checkout) -> None:
    manifest = sorted((copy_of_finished.folder / "results" / "shards").glob("*.json"))[0]
    text = manifest.read_text()
    manifest.unlink()
    job = f"--target-jobs train_shard:digest={manifest.stem} --allowed-rules train_shard"
    words = f"--executor local --cores 1 --mode remote --nolock {job}"
    # The settings have moved on meanwhile: this shard is in no plan any more.
    done = copy_of_finished.shell(f"snakemake {words} --config seeds='[5]'")
    assert done.returncode == 0, done.stdout
    assert manifest.read_text() == text


def test_what_a_killed_job_left_half_written_stops_nothing(copy_of_finished: Checkout) -> None:
    folder = copy_of_finished.folder
    for path in folder.glob("results/runs/spvae/*/*"):
        shutil.rmtree(path)
        half = path.with_name(f".{path.name}.partial-elsewhere-1-2")
        half.mkdir()
        (half / "history.parquet").write_bytes(b"PAR")
    for record in folder.glob("results/evaluations/spvae/*/*/evaluation.json"):
        shutil.rmtree(record.parent)
    copy_of_finished.snakemake()
    assert len(list(folder.glob("results/runs/spvae/*/*/run.json"))) == 2


def test_a_terminated_shard_goes_on_at_the_next_start(checkout: Checkout) -> None:
    study = checkout.folder / "tiny.yaml"
    study.write_text(study.read_text().replace("maximum_steps: 16", "maximum_steps: 1200"))
    (checkout.folder / "config.yaml").write_text(
        "studies: [tiny.yaml]\nseeds: [0]\nlikelihoods: [gaussian]\n"
    )
    checkout.snakemake("data")
    memberships = sorted((checkout.folder / "results/plan/shards").glob("*.json"))
    words = f"train --shard {memberships[0]} --manifest out.json --save-every 0"
    stopped = checkout.shell(
        "python -m workflow_src --log a.log " + words + " & job=$!; "
        "until ls results/states/*/*.safetensors 2> /dev/null; do sleep 0.1; done; "
        "kill -TERM $job; wait $job"
    )
    assert stopped.returncode == 75, stopped.stdout
    assert "stopped by SIGTERM" in stopped.stdout
    assert not (checkout.folder / "out.json").exists()
    states = list((checkout.folder / "results/states").glob("*/state.safetensors"))
    assert states
    told = checkout.shell(f"python -m workflow_src {words}")
    assert told.returncode == 0, told.stdout
    runs = json.loads((checkout.folder / "out.json").read_text())["runs"]
    records = [Path(checkout.folder, run["directory"], "run.json").read_text() for run in runs]
    assert any("resumed_from_step" in record for record in records)


@pytest.mark.parametrize("words", ["make demo", "make data"])
def test_make_runs_the_workflow(words: str, copy_of_finished: Checkout) -> None:
    done = copy_of_finished.shell(with_this_environment(words))
    assert done.returncode == 0, done.stdout
    assert NOTHING in done.stdout
    if words == "make demo":
        assert "metrics.parquet" in done.stdout


def with_this_environment(command: str) -> str:
    """A make command without an installation."""
    folder = Path(sys.executable).parents[1]
    return f"make --assume-old={folder}/.installed VENV={folder} {command.removeprefix('make ')}"
