"""The manifest of the report of now vouches for what that report has, and for nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.forging import drop_output, forge, read, settle
from support.spoiling import World

from workflow_src.provenance.record import describe_file
from workflow_src.storage import write_json

pytestmark = pytest.mark.workflow

MANIFEST = "results/report/manifest-*.json"
FAKE = Path("results/tables/tiny_best.csv")


def kinds(world: World, place: Path) -> set[str]:
    return {one.kind for one in world.audit().findings if one.place == str(place)}


def is_of(image: Path, figure: Path) -> bool:
    """Whether an image of the report's folder is that of a file of figures."""
    return "_".join([*image.parts[-3:-1], image.stem]) == figure.stem


def test_a_second_manifest_vouches_for_nothing(world: World) -> None:
    path = world.file(MANIFEST)
    FAKE.write_text("model,ours\nvae,1.0\n")
    other = path.with_name("manifest-0123456789abcdef.json")
    record = read(path) | {"fingerprint": "0123456789abcdef"}
    write_json(other, record | {"outputs": {"../tables/tiny_best.csv": describe_file(FAKE)}})
    settle()
    assert kinds(world, other) == {"extra"}
    assert kinds(world, FAKE) == {"extra"}


def test_a_manifest_of_earlier_settings_vouches_until_the_report_is_made(world: World) -> None:
    text = Path("tiny.yaml").read_text()
    Path("tiny.yaml").write_text(text.replace("hidden_units: [4, 8]", "hidden_units: [4]"))
    assert {finding.kind for finding in world.audit().findings} == {"unmade"}


def test_a_table_that_the_plan_does_not_have(world: World) -> None:
    path = world.file(MANIFEST)
    FAKE.write_text("model,ours\nvae,1.0\n")
    outputs = {"../tables/tiny_best.csv": describe_file(FAKE)}
    forge(path, lambda record: record["outputs"].update(outputs))
    assert kinds(world, FAKE) == {"extra"}


def test_a_figure_taken_out_of_the_report(world: World) -> None:
    manifest, figure = world.file(MANIFEST), world.file("results/figures/*.png")
    figure.unlink()
    forge(manifest, lambda record: drop_output(record, figure, manifest.parent))
    assert "missing" in kinds(world, figure)


def test_a_figure_taken_out_of_the_report_and_of_its_page(world: World) -> None:
    manifest, figure = world.file(MANIFEST), world.file("results/figures/*.png")
    shown = [one for one in world.files("results/report/figures/*/*/*/*") if is_of(one, figure)]
    page = Path("results/report/tiny.html")
    text = page.read_text()
    for one in shown:
        (whole,) = [
            f"<figure{part.partition('</figure>')[0]}</figure>"
            for part in text.split("<figure")[1:]
            if one.name in part.partition("</figure>")[0]
        ]
        text = text.replace(whole, "")
    page.write_text(text)
    for path in [*world.files(f"{figure.with_suffix('')}.*"), *shown]:
        path.unlink()
        drop = path
        forge(manifest, lambda record, drop=drop: drop_output(record, drop, manifest.parent))
    assert "missing" in kinds(world, figure)


@pytest.mark.parametrize("folder", ["results/report", "results/tables"])
def test_a_mark_of_snakemake_holds_nothing(world: World, folder: str) -> None:
    mark = Path(folder, ".snakemake_timestamp")
    mark.write_bytes(b"")
    assert kinds(world, mark) == set()
    mark.write_text("vae,1.0")
    assert kinds(world, mark) == {"extra"}
    mark.unlink()
    mark.symlink_to("tiny_comparison.csv")
    assert kinds(world, mark) == {"extra"}


@pytest.mark.parametrize("moved", ["elsewhere", "deeper/below"])
def test_results_may_be_moved(world: World, moved: str) -> None:
    Path(moved).parent.mkdir(exist_ok=True)
    shutil.move("results", moved)
    config = Path("config.yaml")
    config.write_text(config.read_text() + f"directories: {{results: {moved}}}\n")
    report = world.audit()
    assert report.findings == ()
    assert report.counted["tables"] == 1
