"""Loose or packed, results read the same; a loose directory goes before a packed one."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import Any

import pytest

from workflow_src.archive.packs import PackedFile
from workflow_src.archive.results import Results, bring
from workflow_src.errors import UserError
from workflow_src.provenance.record import verify_outputs

A, B = "a" * 16, "b" * 16
RUN_A = f"runs/vae/digits-gaussian/100pct-seed0-{A}"
RUN_B = f"runs/vae/digits-gaussian/100pct-seed0-{B}"


@pytest.fixture
def packed(tree: Any) -> Any:
    """The tree with its runs in packs alone."""
    tree.pack()
    shutil.rmtree(tree.root / "runs")
    return tree


def test_half_written_and_unfinished_directories_are_none(tree: Any) -> None:
    half = tree.root / "runs/vae/digits-gaussian/.x.partial-1"
    shutil.copytree(tree.root / RUN_A, half)
    (tree.root / "runs/vae/digits-gaussian/empty").mkdir()
    assert Results(tree.root).directories("runs") == [RUN_A, RUN_B]


def test_a_record_and_a_digest_are_the_same_loose_and_packed(tree: Any) -> None:
    loose = Results(tree.root)
    before = loose.record(RUN_A), loose.sha256(RUN_A, "history.parquet")
    tree.pack()
    shutil.rmtree(tree.root / "runs")
    after = Results(tree.root)
    assert (after.record(RUN_A), after.sha256(RUN_A, "history.parquet")) == before
    assert not after.is_loose(RUN_A)
    assert after.is_packed(RUN_A)


def test_a_brought_directory_is_whole_and_stands_its_check(packed: Any) -> None:
    bring(packed.root / RUN_A, packed.root)
    place = packed.root / RUN_A
    assert {path.name for path in place.iterdir()} == {
        "run.json",
        "history.parquet",
        "checkpoint.safetensors",
    }
    assert verify_outputs(json.loads((place / "run.json").read_text()), place) == []


def test_what_was_not_kept_is_named_in_the_brought_directory(packed: Any) -> None:
    results = Results(packed.root)
    missing = results.not_kept(RUN_B)
    results.bring(RUN_B)
    place = packed.root / RUN_B
    assert not (place / "checkpoint.safetensors").exists()
    assert results.not_kept(RUN_B) == missing
    record = json.loads((place / "run.json").read_text())
    facts = record["outputs"]["checkpoint.safetensors"]
    assert missing == {"checkpoint.safetensors": PackedFile(facts["sha256"], facts["bytes"])}
    assert verify_outputs(record, place) == []


def test_not_kept_excuses_no_other_file_and_no_changed_one(packed: Any) -> None:
    Results(packed.root).bring(RUN_B)
    place = packed.root / RUN_B
    record = json.loads((place / "run.json").read_text())
    (place / "checkpoint.safetensors").write_bytes(b"others")
    assert len(verify_outputs(record, place)) == 1
    (place / "checkpoint.safetensors").unlink()
    (place / "history.parquet").unlink()
    assert len(verify_outputs(record, place)) == 1


def test_bringing_leaves_what_is_loose_as_it_is(tree: Any) -> None:
    tree.pack()
    (tree.root / RUN_A / "history.parquet").write_bytes(b"a person's edit")
    Results(tree.root).bring(RUN_A)
    assert (tree.root / RUN_A / "history.parquet").read_bytes() == b"a person's edit"


def test_a_changed_pack_is_not_brought(packed: Any) -> None:
    path = packed.root / "packed" / "runs-vae-digits-gaussian.zip"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"parameters", b"Parameters"))
    with pytest.raises(UserError, match="pack"):
        Results(packed.root).bring(RUN_A)
    assert not (packed.root / RUN_A).exists()


def test_a_pack_that_is_none_of_the_index_is_not_read(packed: Any) -> None:
    # A whole zip file with other bytes, whose own checksums fit.
    path = packed.root / "packed" / "runs-vae-digits-gaussian.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(b"history of", b"History of"))
        archive.writestr(f"{RUN_A}/another.txt", b"")
    results = Results(packed.root)
    assert results.record(RUN_A)["fingerprint"] == A
    for name in ("history.parquet", "another.txt"):
        with pytest.raises(UserError, match="is not what the index says"):
            results.read(RUN_A, name)
    with pytest.raises(UserError, match="is not what the index says"):
        results.sha256(RUN_B, "history.parquet")


def test_a_damaged_list_of_what_was_not_kept_is_told(packed: Any) -> None:
    Results(packed.root).bring(RUN_B)
    for text in ("[]", '{"a": 1}', '{"a": {}}'):
        (packed.root / RUN_B / "not_kept.json").write_text(text)
        with pytest.raises(UserError, match="damaged"):
            Results(packed.root).not_kept(RUN_B)


def test_a_directory_taken_from_packs_is_read_from_there(tree: Any) -> None:
    tree.pack()
    tree.run(A, note=", trained again")
    results = Results(tree.root, from_packs=[RUN_A])
    assert b"trained again" not in results.read(RUN_A, "checkpoint.safetensors")
    assert not results.is_loose(RUN_A)


def test_texts_of_code_are_read_from_the_pack(tree: Any) -> None:
    tree.pack()
    shutil.rmtree(tree.root / "sources")
    results = Results(tree.root)
    assert results.difference("changes") == "text of changes.patch\n"
    assert results.source("0" * 64) is None
