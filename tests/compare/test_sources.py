"""Releases and folders give what they hold; what is damaged or not here is told in one line."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.comparisons import rows, write_parquet
from support.world import SOURCES, World

from workflow_src.archive.results import Results
from workflow_src.changes.description import described
from workflow_src.compare.commits import source_of_plan
from workflow_src.compare.comparison import compared
from workflow_src.compare.sources import (
    directory_of,
    results_records,
    source_of_path,
    source_of_release,
)
from workflow_src.compare.verdicts import Verdict
from workflow_src.errors import UserError
from workflow_src.storage import digest, write_json

METRICS = "results/metrics.parquet"
RECORD = "results/evaluations/vae/digits-gaussian/100pct-seed0-abc/evaluation.json"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of one file of numbers and one record, as far as comparisons read it."""
    folder = tmp_path / "releases" / "v1"
    data = write_parquet(
        tmp_path / "m.parquet",
        rows([1.5, 2.5]),
        git_commit="c0ffee",
        git_uncommitted_changes="false",
    ).read_bytes()
    folder.mkdir(parents=True)
    write_crate(folder, {METRICS: data, RECORD: b'{"content": {"winner": null}}'})
    return folder


def write_crate(folder: Path, files: dict[str, bytes], **changed: Any) -> None:
    with zipfile.ZipFile(folder / "crate.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    listed = {name: {"sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    content = {
        "schema_version": 1,
        "name": "v1",
        "commit": "c0ffee",
        "settings": {"seeds": [0, 1]},
        "crate": {"files": listed},
    } | changed
    write_json(folder / "release.json", content | {"release_digest": digest(content)})


def complaint_of(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        source_of_release(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_release_is_read_from_its_crate(release: Path) -> None:
    side = source_of_release(release)
    assert side.rows["value"].tolist() == [1.5, 2.5]
    assert (side.name, side.stem, side.commit, side.uncommitted) == (
        "release v1",
        "v1",
        "c0ffee",
        False,
    )
    assert side.settings == {"seeds": [0, 1]}
    assert side.records(directory_of(RECORD)) == {"content": {"winner": None}}
    assert side.records("evaluations/vae/digits-gaussian/another") is None


def test_the_folder_of_a_release_is_a_path_too(release: Path) -> None:
    assert source_of_path(release).name == "release v1"


def test_a_crate_that_is_elsewhere(release: Path) -> None:
    (release / "crate.zip").unlink()
    assert "fetch it from where it is published" in complaint_of(release)


def test_a_crate_with_other_numbers(release: Path, tmp_path: Path) -> None:
    other = write_parquet(tmp_path / "other.parquet", rows([9.0])).read_bytes()
    with zipfile.ZipFile(release / "crate.zip", "w") as archive:
        archive.writestr(METRICS, other)
    assert "it was changed after it was written" in complaint_of(release)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_crate_that_is_cut_off(release: Path, keep: int) -> None:
    data = (release / "crate.zip").read_bytes()
    (release / "crate.zip").write_bytes(data[:keep])
    assert "the crate cannot be read" in complaint_of(release)


def test_a_crate_with_a_damaged_byte(release: Path) -> None:
    data = bytearray((release / "crate.zip").read_bytes())
    data[data.index(b"PAR1") + 20] ^= 1
    (release / "crate.zip").write_bytes(data)
    assert "the crate cannot be read" in complaint_of(release)


def test_a_crate_without_numbers(release: Path) -> None:
    write_crate(release, {RECORD: b"{}"})
    assert f"the release lists no {METRICS}" in complaint_of(release)


@pytest.mark.parametrize("crate", [None, [], {}, {"files": None}, {"files": {METRICS: 3}}])
def test_a_release_that_says_nothing_of_its_crate(release: Path, crate: object) -> None:
    write_crate(release, {}, crate=crate)
    assert "the release lists no" in complaint_of(release)


def test_a_release_that_was_edited(release: Path) -> None:
    path = release / "release.json"
    path.write_text(path.read_text().replace("c0ffee", "decaf0"))
    assert "it was changed after it was written" in complaint_of(release)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 99}'])
def test_a_release_that_is_none(release: Path, text: str) -> None:
    (release / "release.json").write_text(text)
    assert str(release / "release.json") in complaint_of(release)


def test_a_folder_tells_who_made_it_and_what_was_asked_for(tmp_path: Path) -> None:
    write_parquet(tmp_path / "metrics.parquet", rows([1.0]), report_fingerprint="f00")
    manifest = {"content": {"settings": {"seeds": [0]}}}
    write_json(tmp_path / "report" / "manifest-f00.json", manifest)
    side = source_of_path(tmp_path)
    assert side.settings == {"seeds": [0]}
    assert (side.commit, side.uncommitted) == (None, None)


@pytest.mark.parametrize("name", ["empty", "empty/metrics.parquet", "nowhere"])
def test_a_folder_without_numbers(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"there is no metrics\.parquet"):
        source_of_path(tmp_path / name)


def test_records_that_are_damaged_explain_nothing(tmp_path: Path) -> None:
    path = tmp_path / RECORD.removeprefix("results/")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    look = results_records(Results(tmp_path))
    assert look(directory_of(RECORD)) is None
    assert look("elsewhere/x") is None


@pytest.fixture
def planned(tmp_path: Path) -> tuple[World, dict[str, Any]]:
    """A world in which nothing was made, and its plan as `plan --json` tells it."""
    package = tmp_path / "code" / "workflow_src"
    for name, text in SOURCES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    (tmp_path / "root").mkdir()
    world = World(package, tmp_path / "root")
    return world, json.loads(json.dumps(described(world.plan())))


def test_of_a_commit_nothing_may_be_here(planned: tuple[World, dict[str, Any]]) -> None:
    world, plan = planned
    results = world.root / "results"
    side = source_of_plan("HEAD", "c0ffee" * 6, plan, results)
    assert len(side.rows) == 2
    assert set(side.rows["state"]) == {"missing"}
    found = compared(side, side, level=0.05, results=results)
    assert set(found.rows["verdict"]) == {Verdict.NOT_HERE}
    assert found.absent == {side.name: 2}
    assert not found.has_findings
    assert "git worktree add" in side.remedy


@pytest.mark.parametrize("key", ["evaluations", "settings", "closures"])
def test_plans_of_another_form(planned: tuple[World, dict[str, Any]], key: str) -> None:
    world, plan = planned
    del plan[key]
    with pytest.raises(UserError, match="of another form than now") as raised:
        source_of_plan("HEAD", "c0ffee", plan, world.root / "results")
    assert str(raised.value).startswith("commit:HEAD: ")
