"""An edit changes the names of exactly what it can affect: on a copy of the real package."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.checkout import ROOT

from workflow_src.config.loading import settings_from_mapping
from workflow_src.plan.plan import Plan, build_plan

MODELS = ("vae", "spvae", "conv_vae", "conv_spvae")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "code" / "workflow_src"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow_src", folder, ignore=ignored)
    return folder


@pytest.fixture
def plan(package: Path, tmp_path: Path) -> Callable[[], Plan]:
    settings = settings_from_mapping(
        {"studies": ["spvae"], "seeds": [0], "experiments": ["table1"]}
    )
    return lambda: build_plan(settings, package_root=package, root=tmp_path)


def changed(before: Plan, after: Plan) -> set[str]:
    """What has another name: the models of runs, and the kinds of the other steps."""
    parts = {before.runs[name].spec.model for name in before.runs.keys() - after.runs.keys()}
    if {p.fingerprint for p in before.prepared} != {p.fingerprint for p in after.prepared}:
        parts.add("data")
    gone = {e.fingerprint for e in before.evaluations} - {e.fingerprint for e in after.evaluations}
    if len(gone) == len(before.evaluations):
        parts.add("every evaluation")
    elif gone:
        parts.add("some evaluations")
    if before.report != after.report:
        parts.add("report")
    return parts


def test_comments_docstrings_and_layout_change_nothing(
    package: Path, plan: Callable[[], Plan]
) -> None:
    before = plan()
    for path in package.rglob("*.py"):
        path.write_text(f"# A comment.\n\n{path.read_text()}\n\n# Another.\n")
    assert changed(before, plan()) == set()


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("models/vae/model.py", {"vae", "some evaluations", "report"}),
        ("models/spvae/model.py", {"spvae", "some evaluations", "report"}),
        ("models/whole_images.py", {"vae", "conv_vae", "some evaluations", "report"}),
        ("models/super_pixels.py", {"spvae", "conv_spvae", "some evaluations", "report"}),
        ("models/autoencoders.py", {"vae", "spvae", "some evaluations", "report"}),
        ("models/convolutions.py", {"conv_vae", "conv_spvae", "some evaluations", "report"}),
        ("models/banks.py", {*MODELS, "every evaluation", "report"}),
        ("train/gradient/stopping.py", {*MODELS, "every evaluation", "report"}),
        ("train/bank.py", {*MODELS, "every evaluation", "report"}),
        ("train/checkpoints.py", {*MODELS, "every evaluation", "report"}),
        ("data/preparation.py", {"data", *MODELS, "every evaluation", "report"}),
        ("data/arrays.py", {"data", *MODELS, "every evaluation", "report"}),
        ("data/prepared.py", {*MODELS, "every evaluation", "report"}),
        ("evaluate/selection.py", {"every evaluation", "report"}),
        ("evaluate/leaf_models/measurement.py", {"every evaluation", "report"}),
        ("report/report.py", {"report"}),
        ("storage.py", set()),
        ("provenance/record.py", set()),
        ("data/job.py", set()),
        ("train/shard.py", set()),
        ("evaluate/job.py", set()),
        ("commands/train.py", set()),
        ("plan/shards.py", set()),
    ],
)
def test_an_edit_reaches_what_can_depend_on_it(
    module: str, expected: set[str], package: Path, plan: Callable[[], Plan]
) -> None:
    before = plan()
    path = package / module
    path.write_text(path.read_text() + "\nEDITED = True\n")
    assert changed(before, plan()) == expected


def test_going_back_finds_the_earlier_names(package: Path, plan: Callable[[], Plan]) -> None:
    before = plan()
    path = package / "models" / "vae" / "model.py"
    text = path.read_text()
    path.write_text(text + "\nEDITED = True\n")
    assert changed(before, plan())
    path.write_text(text)
    assert changed(before, plan()) == set()
