"""Whatever is changed, taken away or put beside in a finished workflow, the audit finds it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.spoiling import CHANGES, World, mended, remove

pytestmark = pytest.mark.workflow

R = "results"
KINDS = {
    "tables": (f"{R}/tables/*",),
    "figures": (f"{R}/figures/*",),
    "pages": (f"{R}/report/*.html",),
    "files of pages": (f"{R}/report/assets/*", f"{R}/report/figures/**/*"),
    "metrics of DVC": (f"{R}/metrics.json", f"{R}/plots/*"),
    "metrics": (f"{R}/metrics.parquet", f"{R}/runs.parquet"),
    "manifest": (f"{R}/report/manifest-*.json",),
    "evaluations": (f"{R}/evaluations/*/*/*/evaluation.json",),
    "measurements": (f"{R}/measurements/*/*/*/measurement.json",),
    "arrays of measurements": (f"{R}/measurements/*/*/*/*.npz",),
    "runs": (f"{R}/runs/*/*/*/run.json",),
    "histories": (f"{R}/runs/*/*/*/history.parquet",),
    "checkpoints": (f"{R}/runs/*/*/*/checkpoint.safetensors",),
    "prepared records": ("data/prepared/*/record.json",),
    "prepared images": ("data/prepared/*/*.npy",),
    "split indices": ("data/prepared/*/split_indices.npz",),
    "raw records": ("data/raw/*/record.json",),
}
UNNEEDED = {
    "manifests of shards": (f"{R}/shards/*.json",),
    "memberships of shards": (f"{R}/plan/shards/*.json",),
    "memberships of evaluations": (f"{R}/plan/evaluations/*.json",),
    "memberships of reports": (f"{R}/plan/reports/*.json",),
    "memberships of prepared data": (f"{R}/plan/prepared/*.json",),
}
"""Files without which all can be verified all the same, or that the next start writes anew."""

TIMES = 12


def changeable(world: World, patterns: tuple[str, ...]) -> list[Path]:
    """The files but for Snakemake's empty marks, which say nothing."""
    return [path for path in world.files(*patterns) if path.name != ".snakemake_timestamp"]


@pytest.mark.parametrize("kind", [*KINDS, *UNNEEDED])
def test_any_change_of_a_file_is_found(world: World, kind: str) -> None:
    chance = random.Random(kind)
    files = changeable(world, (KINDS | UNNEEDED)[kind])
    for time in range(TIMES):
        path, change = chance.choice(files), CHANGES[time % len(CHANGES)]
        with mended(path):
            change(path, chance)
            assert_told(world, path, f"{change.__name__} number {time}")
    assert world.audit().findings == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_missing_is_found(world: World, kind: str) -> None:
    for path in changeable(world, KINDS[kind])[:3]:
        with mended(path):
            remove(path, random.Random(0))
            assert_told(world, path, "removed")
    assert world.audit().findings == ()


def test_a_file_that_nobody_vouches_for_is_found(world: World) -> None:
    folders = {path.parent for path in world.files("results/**/*", "data/p*/**/*", "data/r*/**/*")}
    skipped = {Path(R, "logs"), Path(R, "states")}
    for folder in sorted(folders):
        if skipped.isdisjoint([folder, *folder.parents]):
            path = folder / "notes.txt"
            with mended(path):
                path.write_text("nobody knows of this\n")
                assert_told(world, path, "put there")
    assert world.audit().findings == ()


def test_a_change_in_a_text_of_code_is_found_also_where_it_means_nothing(world: World) -> None:
    chance = random.Random("sources")
    files = [path for path in world.files(f"{R}/sources/*.py") if path.stat().st_size > 2]
    for time in range(3 * TIMES):
        path, change = chance.choice(files), CHANGES[time % len(CHANGES)]
        with mended(path):
            change(path, chance)
            assert_told(world, path, change.__name__)
    assert world.audit().findings == ()


def assert_told(world: World, path: Path, what: str) -> None:
    findings = [str(finding) for finding in world.audit().findings]
    assert any(path.name in finding for finding in findings), (what, path, findings)
