"""After an edit exactly that runs which the edit can change: on real Snakemake, job by job."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.checkout import CONFIG, Checkout
from support.jobs import evaluate, prepare, ran, train, would_run

pytestmark = pytest.mark.workflow

ALONE = "shard: {maximum_runs: 1}\n"
"""Each run has its own job, so that the jobs tell the runs."""

SPVAE = train("spvae", "4x2")
VAE = train("vae", "4x2", "8x2")
EVALUATIONS = evaluate("spvae", "vae")
REPORT = {"report"}
EVERYTHING = SPVAE | VAE | EVALUATIONS | REPORT
NOTHING: set[str] = set()

Edit = Callable[[Checkout], None]


@pytest.fixture
def edited(copy_of_finished: Checkout) -> Checkout:
    """A finished checkout with Snakemake's memory, where what is missing gets one job per run."""
    folder = copy_of_finished.folder
    (folder / "config.yaml").write_text(CONFIG + ALONE)
    return copy_of_finished


def append(place: str, text: str = "\nEDITED = True\n") -> Edit:
    """Put something at the end of a file."""

    def edit(checkout: Checkout) -> None:
        path = checkout.folder / place
        path.write_text(path.read_text() + text)

    return edit


def replace(place: str, *changes: tuple[str, str]) -> Edit:
    """Exchange pieces of a file, each of which stands there once, at the same time."""

    def edit(checkout: Checkout) -> None:
        path = checkout.folder / place
        text = path.read_text()
        for number, (old, _) in enumerate(changes):
            assert text.count(old) == 1, f"{old!r} in {place}"
            text = text.replace(old, f"<change {number}>")
        for number, (_, new) in enumerate(changes):
            text = text.replace(f"<change {number}>", new)
        path.write_text(text)

    return edit


def configure(text: str) -> Edit:
    """Ask for something else in config.yaml."""

    def edit(checkout: Checkout) -> None:
        (checkout.folder / "config.yaml").write_text(text + ALONE)

    return edit


def rename(old: str, new: str) -> Edit:
    """Give a file another name."""
    return lambda checkout: (checkout.folder / old).rename(checkout.folder / new) and None


def say_more(checkout: Checkout) -> None:
    """Put comments into every module and words into every docstring."""
    for path in (checkout.folder / "workflow_src").rglob("*.py"):
        text = re.sub(r'^( *""")(?=\w)', r"\1More: ", path.read_text(), flags=re.MULTILINE)
        assert "More: " in text
        path.write_text(f"# A comment.\n{text}\n\n# Another.\n")


def lay_out_anew(checkout: Checkout) -> None:
    """Format every module for narrow lines, with blank lines more."""
    modules = list((checkout.folder / "workflow_src").rglob("*.py"))
    before = {path: path.read_text() for path in modules}
    checkout.must(f"{sys.executable} -m ruff format --quiet --line-length 60 workflow_src")
    for path in modules:
        path.write_text("\n\n" + path.read_text().replace("\n\n", "\n\n\n"))
    assert all(path.read_text() != text for path, text in before.items())


def touch_everything(checkout: Checkout) -> None:
    """Give every file another time, none the same, code after results and before them."""
    for age, path in enumerate(sorted(checkout.folder.rglob("*"))):
        if not path.is_symlink():
            os.utime(path, (1_500_000_000 + age, 1_500_000_000 + age))
    for path in (checkout.folder / "workflow_src").rglob("*"):
        path.touch()


def forget(checkout: Checkout) -> None:
    """Take Snakemake's memory away."""
    shutil.rmtree(checkout.folder / ".snakemake")


SPVAE_RATE = "spvae: {learning_rate: 0.01}"
VAE_RATE = "vae: {learning_rate: 0.001}"
SPVAE_CELL = "hidden_units: [4]\n              latent_dimensions: [2]"
VAE_UNITS = "hidden_units: [4, 8]"
STUDY = "tiny.yaml"
DATA_SETS = "workflow_src/config/data_sets.yaml"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(
            append("workflow_src/models/vae/model.py"),
            VAE | evaluate("vae") | REPORT,
            id="inside one model",
        ),
        pytest.param(append("workflow_src/models/banks.py"), EVERYTHING, id="a shared layer"),
        pytest.param(
            append("workflow_src/evaluate/selection.py"),
            EVALUATIONS | REPORT,
            id="the evaluation",
        ),
        pytest.param(
            append("workflow_src/models/spvae/drawing.py"),
            evaluate("spvae") | REPORT,
            id="how one model is drawn",
        ),
        pytest.param(append("workflow_src/report/tables.py"), REPORT, id="the report"),
        pytest.param(
            append("workflow_src/data/preparation.py"),
            prepare() | EVERYTHING,
            id="how data are prepared",
        ),
        pytest.param(append("workflow_src/provenance/record.py"), NOTHING, id="the records"),
        pytest.param(append("workflow_src/plan/shards.py"), NOTHING, id="the packing of shards"),
        pytest.param(say_more, NOTHING, id="comments and docstrings"),
        pytest.param(lay_out_anew, NOTHING, id="formatting"),
        pytest.param(
            rename("workflow_src/commands/show.py", "workflow_src/commands/present.py"),
            NOTHING,
            id="the name of a module that nothing imports",
        ),
        pytest.param(touch_everything, NOTHING, id="times of files"),
        pytest.param(forget, NOTHING, id="the memory of Snakemake"),
    ],
)
def test_an_edit_of_files_runs_what_it_reaches(
    edit: Edit, expected: set[str], edited: Checkout
) -> None:
    edit(edited)
    assert would_run(edited) == expected


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(
            replace(STUDY, (SPVAE_CELL, "hidden_units: [2]\n              latent_dimensions: [4]")),
            train("spvae", "2x4") | evaluate("spvae") | REPORT,
            id="two values of one model exchanged",
        ),
        pytest.param(
            replace(
                STUDY,
                (SPVAE_RATE, SPVAE_RATE.replace("0.01", "0.001")),
                (VAE_RATE, VAE_RATE.replace("0.001", "0.01")),
            ),
            EVERYTHING,
            id="the learning rates of two models exchanged",
        ),
        pytest.param(
            replace(STUDY, (VAE_UNITS, "hidden_units: [8, 4]")),
            NOTHING,
            id="the values of a list in another order",
        ),
        pytest.param(
            replace(STUDY, (VAE_UNITS, "hidden_units: [4, 8, 16]")),
            train("vae", "16x2") | evaluate("vae") | REPORT,
            id="one grid value more",
        ),
        pytest.param(
            replace(STUDY, (VAE_UNITS, "hidden_units: [8]")),
            evaluate("vae") | REPORT,
            id="one grid value less",
        ),
        pytest.param(
            configure("studies: [tiny.yaml]\nseeds: [0, 1]\n"),
            train("spvae", "4x2", seed=1)
            | train("vae", "4x2", "8x2", seed=1)
            | evaluate("spvae", "vae", seed=1)
            | REPORT,
            id="one seed more",
        ),
        pytest.param(
            configure(CONFIG + "data_sets: [digits, mnist]\n"),
            {"fetch mnist"}
            | prepare("mnist")
            | train("spvae", "4x2", data_set="mnist")
            | train("vae", "4x2", "8x2", data_set="mnist")
            | evaluate("spvae", "vae", data_set="mnist")
            | REPORT,
            id="one data set more",
        ),
        pytest.param(
            replace(DATA_SETS, ("train: 1297, validation: 250", "train: 1296, validation: 251")),
            prepare() | EVERYTHING,
            id="the recipe of the data",
        ),
        pytest.param(
            configure(CONFIG + "threads: 2\nevaluation: {memory_megabytes: 64}\n"),
            NOTHING,
            id="how, not what, is computed",
        ),
    ],
)
def test_an_edit_of_settings_runs_what_is_new(
    edit: Edit, expected: set[str], edited: Checkout
) -> None:
    edit(edited)
    assert would_run(edited) == expected


def test_a_clone_with_the_results_has_nothing_to_do(edited: Checkout, tmp_path: Path) -> None:
    edited.commit("All")
    clone = edited.clone(tmp_path / "elsewhere" / "clone")
    shutil.copytree(edited.folder / "results", clone.folder / "results", dirs_exist_ok=True)
    assert would_run(clone) == NOTHING


def test_to_an_edit_and_back_with_git(copy_of_finished: Checkout) -> None:
    checkout = copy_of_finished
    first = checkout.commit("First")
    before = checkout.files()
    append("workflow_src/models/vae/model.py")(checkout)
    second = checkout.commit("Second")

    assert ran(checkout) == VAE | evaluate("vae") | REPORT
    after = checkout.files()
    assert results_of(before).items() <= results_of(after).items()

    checkout.must(f"git checkout --quiet {first}")
    assert ran(checkout) == REPORT
    back = checkout.files()
    assert results_of(back) == results_of(after)
    assert tables_of(back) == tables_of(before)

    checkout.must(f"git checkout --quiet {second}")
    assert would_run(checkout) == REPORT


def test_a_grid_value_more_is_trained_and_nothing_else_is_touched(
    copy_of_finished: Checkout,
) -> None:
    checkout = copy_of_finished
    before = checkout.files()
    replace(STUDY, (VAE_UNITS, "hidden_units: [4, 8, 16]"))(checkout)
    assert ran(checkout) == train("vae", "16x2") | evaluate("vae") | REPORT
    after = checkout.files()
    assert results_of(before).items() <= results_of(after).items()
    new = results_of(after).keys() - results_of(before).keys()
    assert sum(name.endswith("run.json") for name in new) == 2
    assert sum(name.endswith("evaluation.json") for name in new) == 2
    assert not any("/spvae/" in name for name in new)


def test_an_edited_report_writes_the_report_alone(copy_of_finished: Checkout) -> None:
    checkout = copy_of_finished
    before = checkout.files()
    append("workflow_src/report/tables.py")(checkout)
    assert ran(checkout) == REPORT
    after = checkout.files()
    assert results_of(after) == results_of(before)
    assert tables_of(after) == tables_of(before)


def test_an_edited_evaluation_trains_nothing(copy_of_finished: Checkout) -> None:
    checkout = copy_of_finished
    before = checkout.files()
    append("workflow_src/evaluate/selection.py")(checkout)
    assert ran(checkout) == EVALUATIONS | REPORT
    after = checkout.files()
    assert results_of(before).items() <= results_of(after).items()
    new = results_of(after).keys() - results_of(before).keys()
    assert {name.split("/")[0] for name in new} == {"evaluations"}
    assert tables_of(after) == tables_of(before)


def results_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """Runs, measurements and evaluations, which lie under their fingerprints."""
    return {n: b for n, b in files.items() if n.startswith(("runs/", "meas", "evaluations/"))}


def tables_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """The tables as read; their CSV files name evaluations too."""
    return {n: b for n, b in files.items() if n.startswith("tables/") and n.endswith(".md")}
