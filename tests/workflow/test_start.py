"""What Snakemake says before anything runs: refusals in one line, both profiles, quick plans."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.checkout import ROOT, Checkout


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error")]


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("studies: [tiny.yaml]\nseads: [0]\n", "config.yaml, line 2, key seads"),
        ("studies: [tiny.yaml]\n\nthreads: two\n", "config.yaml, line 3, key threads"),
        ("studies: [tiny.yaml]\nseeds: []\n", "config.yaml, line 2, key seeds"),
        ("studies: [tinny.yaml]\n", "tinny.yaml"),
        ("studies: [tiny.yaml]\ndata_sets: [digit]\n", "config.yaml, line 2, key data_sets"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line_and_nothing_runs(
    config: str, place: str, checkout: Checkout
) -> None:
    (checkout.folder / "config.yaml").write_text(config)
    done = checkout.shell("snakemake --profile local")
    assert done.returncode != 0
    (line,) = errors(done.stdout)
    assert place in line
    assert "Traceback" not in done.stdout
    assert not (checkout.folder / "results").exists()


def test_a_mistake_on_the_command_line_is_told_as_such(checkout: Checkout) -> None:
    done = checkout.shell("snakemake --profile local --config thread=2")
    assert done.returncode != 0
    (line,) = errors(done.stdout)
    assert "command line" in line
    assert "threads" in line


def test_lists_on_the_command_line_keep_their_numbers(checkout: Checkout) -> None:
    told = checkout.snakemake("-n --config seeds='[3, 4]' shard='{maximum_runs: 1}'")
    assert "train_shard          12" in told


def test_an_unknown_model_in_a_study_is_told_with_its_line(checkout: Checkout) -> None:
    study = checkout.folder / "tiny.yaml"
    text = study.read_text().replace("          vae:\n", "          vea:\n")
    study.write_text(text)
    done = checkout.shell("snakemake --profile local -n")
    (line,) = errors(done.stdout)
    number = text[: text.index("          vea:")].count("\n") + 1
    assert f"tiny.yaml, line {number}" in line
    assert "vae" in line


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_profiles_are_found_as_typed(profile: str, checkout: Checkout) -> None:
    done = checkout.shell(f"snakemake --profile {profile} -n")
    assert done.returncode == 0, done.stdout
    assert "train_shard           4" in done.stdout


def test_a_gpu_is_asked_for_where_the_settings_say_so(checkout: Checkout) -> None:
    done = checkout.shell("snakemake --profile slurm -n --config device=cuda")
    rules = done.stdout.split("\nrule ")
    for rule in ("train_shard", "evaluate_group"):
        jobs = [text for text in rules if text.startswith(f"{rule}:")]
        assert jobs
        assert all("gpu=1" in job for job in jobs)


def test_targets_stop_where_their_names_say(checkout: Checkout) -> None:
    stops = {"data": "prepare", "train": "train_shard", "evaluate": "evaluate_group"}
    steps = ["fetch", "prepare", "train_shard", "evaluate_group", "report"]
    for target, last in stops.items():
        told = checkout.snakemake(f"-n {target}")
        asked = [step for step in steps if f"rule {step}:" in told]
        assert asked == steps[: steps.index(last) + 1]


def test_the_workflow_is_clean(checkout: Checkout) -> None:
    done = checkout.shell("snakemake --lint")
    assert done.returncode == 0, done.stdout
    form = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules"]
    assert subprocess.run(form, cwd=ROOT, capture_output=True).returncode == 0
