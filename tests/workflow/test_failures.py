"""What goes wrong is either a result with a reason or an error that names the way out."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from support.checkout import Checkout

pytestmark = pytest.mark.workflow


def test_runs_that_diverge_are_results_and_the_table_says_so(checkout: Checkout) -> None:
    study = checkout.folder / "tiny.yaml"
    # Adam moves every weight by about its learning rate, so the next bound overflows.
    study.write_text(
        study.read_text().replace("vae: {learning_rate: 0.001}", "vae: {learning_rate: 1.0e+30}")
    )
    checkout.snakemake()
    runs = pd.read_parquet(checkout.folder / "results/runs.parquet")
    states = runs.groupby("model")["state"].agg(set)
    assert states["vae"] == {"diverged"}
    assert states["spvae"] == {"completed"}
    assert runs.loc[runs["model"] == "vae", "reason"].str.contains("bound was").all()
    for table in checkout.folder.glob("results/tables/*.md"):
        assert "diverged" in table.read_text()
    assert "nothing to be done" in checkout.snakemake().lower()


def test_a_changed_byte_stops_the_evaluation_and_the_advice_mends_it(
    copy_of_finished: Checkout,
) -> None:
    folder = copy_of_finished.folder
    checkpoint = next(folder.glob("results/runs/spvae/*gaussian/*/checkpoint.safetensors"))
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    for results in ("evaluations", "measurements"):
        shutil.rmtree(folder / "results" / results / "spvae")
    failed = copy_of_finished.shell("snakemake --profile local")
    assert failed.returncode != 0
    run = checkpoint.parent.relative_to(folder).as_posix()
    assert f"remove {run} and start again" in failed.stdout
    shutil.rmtree(checkpoint.parent)
    copy_of_finished.snakemake()
    assert checkpoint.exists()


def test_a_file_in_the_place_of_the_results_is_named(checkout: Checkout) -> None:
    (checkout.folder / "taken").write_text("a file\n")
    config = checkout.folder / "config.yaml"
    config.write_text(config.read_text() + "directories: {data: data, results: taken}\n")
    done = checkout.shell("snakemake --profile local -n")
    assert done.returncode != 0
    assert "taken" in done.stdout
    assert "remove or rename the file" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_gpu_that_is_not_there_is_told_in_one_line(checkout: Checkout) -> None:
    config = checkout.folder / "config.yaml"
    config.write_text(config.read_text() + "device: cuda:99\n")
    done = checkout.shell("snakemake --profile local train")
    assert done.returncode != 0
    assert "device 'cuda:99' is not here" in done.stdout
    assert "set device: cpu" in done.stdout
