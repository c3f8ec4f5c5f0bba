"""Data and results under DVC: a clone that pulls them has nothing to do and lacks nothing."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.checkout import ROOT, Checkout

from workflow_src.archive.packs import read_index
from workflow_src.archive.results import Results
from workflow_src.plan.closure import module_file
from workflow_src.plan.fingerprints import Closures

pytestmark = pytest.mark.workflow

NOTHING = "Nothing to be done"
UP_TO_DATE = "Data and pipelines are up to date."


@pytest.fixture(scope="module")
def published(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose results were reproduced, pushed to its folder remote and committed."""
    made = Checkout(tmp_path_factory.mktemp("dvc") / "original")
    for name in ("data", "results"):
        shutil.copytree(finished.folder / name, made.folder / name)
    made.commit("Code")
    made.must("dvc repro")
    made.must("dvc push")
    made.commit("Results")
    return made


@pytest.fixture
def clone(published: Checkout) -> Callable[[], Checkout]:
    """Makes clones beside the original, where they find the remote; the data are still to pull."""

    def make() -> Checkout:
        number = len(list(published.folder.parent.iterdir()))
        return published.clone(published.folder.parent / f"clone-{number}")

    return make


@pytest.fixture
def pulled(clone: Callable[[], Checkout]) -> Checkout:
    """A clone with data and results."""
    made = clone()
    made.must("dvc pull")
    return made


def prepared(checkout: Checkout) -> set[str]:
    return {path.parent.name for path in checkout.folder.glob("data/prepared/*/record.json")}


def loose(checkout: Checkout) -> list[Path]:
    return [
        path
        for kind in ("runs", "evaluations", "measurements")
        for path in (checkout.folder / "results" / kind).glob("*/*/*/*.json")
    ]


def test_after_a_reproduction_nothing_is_left_to_do(published: Checkout) -> None:
    assert UP_TO_DATE in published.must("dvc status")
    assert "are in sync" in published.must("dvc status --cloud")
    assert NOTHING in published.snakemake("-n")
    assert published.must("git status --porcelain") == ""


def test_results_travel_as_few_files(published: Checkout) -> None:
    lock = (published.folder / "dvc.lock").read_text()
    for place in ("runs", "evaluations", "measurements", "plan", "states"):
        assert f"results/{place}\n" not in lock
    assert len(list((published.folder / "results" / "packed").iterdir())) == 3 * 4 + 2


def test_a_clone_with_pulled_results_has_nothing_to_do(pulled: Checkout) -> None:
    assert loose(pulled) == []
    assert NOTHING in pulled.snakemake("-n")
    assert NOTHING in pulled.snakemake()
    assert UP_TO_DATE in pulled.must("dvc status")
    assert loose(pulled) == []
    assert pulled.must("git status --porcelain") == ""


def test_pulled_results_are_enough_for_snakemakes_report(pulled: Checkout) -> None:
    assert not (pulled.folder / ".snakemake").exists()
    told = pulled.must("snakemake --profile local --report report.html")
    assert "Missing metadata" in told
    page = (pulled.folder / "report.html").read_text()
    figures = [
        path
        for path in pulled.folder.glob("results/report/figures/*/*/*/*")
        if path.suffix in (".png", ".svg")
    ]
    assert len(figures) >= 3
    for path in figures:
        assert base64.b64encode(path.read_bytes()).decode() in page


def test_pulled_results_stand_the_audit(pulled: Checkout) -> None:
    pulled.must("python -m workflow_src audit")


def test_reproducing_in_a_clone_trains_nothing(pulled: Checkout) -> None:
    before = pulled.files()
    told = pulled.must("dvc repro --force")
    assert "train_shard" not in told
    assert "0 of them written now" in told
    assert {name: before[name] for name in before if "plan/" not in name}.items() <= (
        pulled.files().items()
    )
    assert UP_TO_DATE in pulled.must("dvc status")


def test_metrics_are_shown_and_compared(pulled: Checkout) -> None:
    metrics = json.loads((pulled.folder / "results" / "metrics.json").read_text())
    name = "tiny.comparison.spvae-authors-full.gaussian-digits"
    bound = metrics["tiny"]["comparison"]["spvae-authors-full"]["gaussian-digits"]
    assert name in pulled.must("dvc metrics show")
    assert pulled.must("dvc metrics diff") == ""
    metrics["tiny"]["comparison"]["spvae-authors-full"]["gaussian-digits"] = bound + 1
    (pulled.folder / "results" / "metrics.json").write_text(json.dumps(metrics))
    (changed,) = json.loads(pulled.must("dvc metrics diff --json")).values()
    assert changed[name]["diff"] == pytest.approx(1)
    assert len(changed) == 1


def test_plots_are_drawn_and_compared(pulled: Checkout) -> None:
    pulled.must("dvc plots show")
    page = (pulled.folder / "results" / "dvc_plots" / "index.html").read_text()
    assert "comparison spvae-authors-full gaussian-digits" in page
    assert "parameter_count" in page
    pulled.must("dvc plots diff HEAD~1")
    assert pulled.must("git status --porcelain") == ""


def test_a_changed_setting_is_told_by_its_name(pulled: Checkout) -> None:
    config = pulled.folder / "config.yaml"
    config.write_text(config.read_text().replace("seeds: [0]", "seeds: [0, 1]"))
    assert "seeds" in pulled.must("dvc status")
    assert "seeds" in pulled.must("dvc params diff")


def test_a_new_evaluation_takes_its_winner_out_of_the_packs(pulled: Checkout) -> None:
    study = pulled.folder / "tiny.yaml"
    study.write_text(study.read_text().replace("samples: 4", "samples: 5"))
    before = read_index(pulled.folder / "results")
    told = pulled.must("dvc repro --force --single-item results")
    assert "train_shard" not in told
    assert told.count("rule evaluate_group:") == 4
    after = read_index(pulled.folder / "results")
    runs = {name for name in before.packs if name.startswith("runs-")}
    assert {name: after.packs[name] for name in runs} == {name: before.packs[name] for name in runs}
    assert UP_TO_DATE in pulled.must("dvc status")
    assert "tiny.comparison" not in pulled.must("dvc metrics diff")


def test_a_checkpoint_that_was_not_kept_is_told_with_the_way_out(pulled: Checkout) -> None:
    results = Results(pulled.folder / "results")
    losers = {
        name: results.record(name)["content"]["spec"]["hidden_units"]
        for name in results.directories("runs")
        if results.not_kept(name)
    }
    assert len(losers) == 2
    # A grid of one size alone, in which a run that had lost wins.
    size = next(iter(losers.values()))
    study = pulled.folder / "tiny.yaml"
    study.write_text(study.read_text().replace("[4, 8]", f"[{size}]"))
    failed = pulled.shell("snakemake --profile local")
    assert failed.returncode != 0
    for name in [name for name in losers if losers[name] == size]:
        remedy = f"python -m workflow_src pack --forget {name[-16:]}"
        assert remedy in failed.stdout
        pulled.must(remedy)
    pulled.snakemake()
    assert NOTHING in pulled.snakemake("-n")


def test_loose_directories_may_go_once_they_are_packed(clone: Callable[[], Checkout]) -> None:
    emptied = clone()
    emptied.must("dvc pull && rm -r results/packed && dvc checkout")
    told = emptied.must("python -m workflow_src pack --remove-loose")
    assert "0 of them written now" in told
    assert loose(emptied) == []
    assert NOTHING in emptied.snakemake("-n")
    assert UP_TO_DATE in emptied.must("dvc status")


def test_the_original_without_loose_directories_is_as_complete(published: Checkout) -> None:
    folder = published.folder.parent / "without-loose"
    shutil.copytree(published.folder, folder, symlinks=True)
    emptied = Checkout(folder)
    assert loose(emptied)
    emptied.must("python -m workflow_src pack --remove-loose")
    assert loose(emptied) == []
    assert NOTHING in emptied.snakemake("-n")
    assert UP_TO_DATE in emptied.must("dvc status")
    after = emptied.clone(published.folder.parent / "clone-of-without-loose")
    after.must("dvc pull")
    assert NOTHING in after.snakemake("-n")


def test_all_code_that_prepared_data_depend_on_is_known_to_dvc() -> None:
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["prepared"]
    package = ROOT / "workflow_src"
    for name in Closures(package).of_preparation().modules:
        path = module_file(name, package)
        assert path is not None
        assert any(path.relative_to(ROOT).is_relative_to(one) for one in stage["deps"]), name


def test_edited_code_leaves_nothing_behind_that_dvc_does_not_know(pulled: Checkout) -> None:
    seeds = pulled.folder / "workflow_src" / "plan" / "seeds.py"
    seeds.write_text(seeds.read_text() + "\n\nEDITED = True\n")
    before = prepared(pulled)
    pulled.must("dvc repro")
    assert len(prepared(pulled)) == 2 * len(before)
    assert UP_TO_DATE in pulled.must("dvc status")
    pulled.must("dvc push")
    pulled.commit("Edited")
    after = pulled.clone(pulled.folder.with_name(f"{pulled.folder.name}-edited"))
    after.must("dvc pull")
    assert prepared(after) == prepared(pulled)
    after.must("python -m workflow_src audit")


def test_a_damaged_index_comes_back_either_way(pulled: Checkout) -> None:
    index = pulled.folder / "results" / "packed" / "index.json"
    whole = index.read_text()
    for remedy in (
        "dvc checkout --force results/packed",
        "python -m workflow_src pack --rebuild-index",
    ):
        index.write_text(whole[: len(whole) // 2])
        failed = pulled.shell("snakemake --profile local -n")
        assert failed.returncode != 0
        assert remedy in failed.stdout
        pulled.must(remedy)
        assert index.read_text() == whole
    assert NOTHING in pulled.snakemake("-n")
    assert UP_TO_DATE in pulled.must("dvc status")


def test_packs_that_come_after_the_same_was_trained_here_stay_as_they_are(
    pulled: Checkout,
) -> None:
    before = pulled.files()
    packed = pulled.folder / "results" / "packed"
    packed.rename(pulled.folder / "packed")
    pulled.snakemake("train")
    shutil.rmtree(packed, ignore_errors=True)
    (pulled.folder / "packed").rename(packed)
    told = pulled.must("python -m workflow_src pack")
    assert "packed stays what was packed" in told
    after = pulled.files()
    names = [name for name in before if name.startswith("packed/")]
    assert {name: after[name] for name in names} == {name: before[name] for name in names}


def test_dvc_and_snakemake_at_once_corrupt_neither(pulled: Checkout) -> None:
    for _ in range(2):
        for manifest in pulled.folder.glob("results/report/manifest-*.json"):
            manifest.unlink()
        running = subprocess.Popen(
            "snakemake --profile local && python -m workflow_src pack",
            cwd=pulled.folder,
            shell=True,
            env=pulled.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while running.poll() is None:
            pulled.shell("dvc commit --force")
            pulled.shell("dvc status")
        assert running.returncode == 0
    pulled.must("dvc commit --force")
    assert UP_TO_DATE in pulled.must("dvc status")
    assert NOTHING in pulled.snakemake("-n")
    for path in (pulled.folder / ".dvc/cache/files/md5").glob("*/*"):
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        assert digest == path.parent.name + path.name.removesuffix(".dir")


def test_a_reproduction_waits_for_no_other_snakemake_and_says_so(pulled: Checkout) -> None:
    before = (pulled.folder / "dvc.lock").read_bytes()
    with (pulled.folder / "results" / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        refused = pulled.shell("dvc repro --force")
    assert refused.returncode != 0
    assert "another Snakemake works on these results" in refused.stdout
    assert (pulled.folder / "dvc.lock").read_bytes() == before
