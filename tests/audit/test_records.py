"""What lies both loose and packed is the same, or at least the same result."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.forging import read, sealed
from support.spoiling import World

from workflow_src.archive.packs import (
    Index,
    PackedDirectory,
    PackedFile,
    Packs,
    index_content,
    read_index,
)
from workflow_src.audit.files import json_text, sha256
from workflow_src.storage import write_json

pytestmark = pytest.mark.workflow

RESULTS = Path("results")


@pytest.fixture
def twice(world: World) -> World:
    """Results that lie loose and packed."""
    Checkout(world.folder).must("python -m workflow_src pack")
    assert world.audit().findings == ()
    return world


def repack(directory: str, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Change one packed file, and make the pack and the index say so."""
    index, packs = read_index(RESULTS), Packs(RESULTS / "packed")
    one = index.directories[directory]
    members = {member: packs.read(one.pack, member) for member in packs.names(one.pack)}
    data = members[f"{directory}/{name}"] = edit(members[f"{directory}/{name}"])
    path = RESULTS / "packed" / one.pack
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(members):
            archive.writestr(member, members[member])
    files = {**one.files, name: PackedFile(sha256(data), len(data))}
    whole = path.read_bytes()
    write_json(
        RESULTS / "packed" / "index.json",
        index_content(
            Index(
                {**index.directories, directory: PackedDirectory(one.pack, files, one.not_kept)},
                {**index.packs, one.pack: PackedFile(sha256(whole), len(whole))},
            )
        ),
    )


def test_packed_bytes_that_are_not_those_of_the_record(twice: World) -> None:
    record = twice.file("results/runs/vae/digits-gaussian/*/run.json")
    directory = record.parent.relative_to(RESULTS).as_posix()
    repack(directory, "history.parquet", lambda data: data[:-1] + b"?")
    (finding,) = twice.audit().findings
    assert finding.kind == "changed"
    assert finding.place.endswith("history.parquet")


def test_another_packed_record_of_an_equal_result_is_a_remark(twice: World) -> None:
    record = twice.file("results/runs/vae/digits-gaussian/*/run.json")
    directory = record.parent.relative_to(RESULTS).as_posix()
    repack(directory, "run.json", lambda _: json_text(sealed(read(record) | {"threads": 7})))
    report = twice.audit()
    assert report.findings == ()
    assert any("equal result" in remark.text for remark in report.remarks)


def test_another_packed_result_is_found(twice: World) -> None:
    record = twice.file("results/runs/vae/digits-gaussian/*/run.json")
    directory = record.parent.relative_to(RESULTS).as_posix()
    repack(directory, "run.json", lambda _: record.read_bytes().replace(b"completed", b"diverged"))
    assert any(directory in finding.place for finding in twice.audit().findings)
