"""Packs hold what is referred to, say the same bytes for the same content, and lose nothing."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from workflow_src.archive import writing
from workflow_src.archive.forgetting import forget
from workflow_src.archive.loose import remove_loose
from workflow_src.archive.packs import Index, index_content, read_index
from workflow_src.archive.references import References
from workflow_src.archive.results import KINDS, Results
from workflow_src.archive.writing import pack_name
from workflow_src.errors import UserError
from workflow_src.provenance.record import describe_file
from workflow_src.storage import sha256_file, write_json

A, B, E, F = ("a" * 16, "b" * 16, "e" * 16, "f" * 16)
RUN_A = f"runs/vae/digits-gaussian/100pct-seed0-{A}"
RUN_B = f"runs/vae/digits-gaussian/100pct-seed0-{B}"
MEASUREMENT = f"measurements/vae/digits-gaussian/{A}-{'m' * 16}"
RUNS = "runs-vae-digits-gaussian.zip"


def test_one_pack_holds_one_kind_of_one_family() -> None:
    assert pack_name(RUN_A) == RUNS


def test_everything_is_read_from_the_packs_as_it_lay_loose(tree: Any) -> None:
    before = tree.loose()
    tree.pack(all_checkpoints=True)
    tree.remove_loose()
    results = Results(tree.root)
    read = {
        f"{directory}/{name}": results.read(directory, name)
        for kind in KINDS
        for directory in results.directories(kind)
        for name in results.names(directory)
    }
    assert read == before


def test_the_index_vouches_for_every_pack_and_file(tree: Any) -> None:
    tree.pack()
    index = read_index(tree.root)
    assert set(tree.packed()) == {*index.packs, "index.json"}
    for name, facts in index.packs.items():
        path = tree.root / "packed" / name
        assert (sha256_file(path), path.stat().st_size) == (facts.sha256, facts.bytes)
    for directory, one in index.directories.items():
        for name, facts in one.files.items():
            assert sha256_file(tree.root / directory / name) == facts.sha256


def test_checkpoints_of_runs_that_won_nothing_are_left_out_and_named(tree: Any) -> None:
    done = tree.pack()
    index = read_index(tree.root)
    assert set(index.directories[RUN_A].files) >= {"checkpoint.safetensors"}
    assert set(index.directories[RUN_B].not_kept) == {"checkpoint.safetensors"}
    assert done.not_kept == 1
    tree.pack(all_checkpoints=True)
    assert not read_index(tree.root).directories[RUN_B].not_kept


def test_a_run_that_an_evaluation_waits_for_keeps_its_checkpoint(tree: Any) -> None:
    tree.pack(tree.wanted | References(frozenset(), frozenset({RUN_B})))
    assert not read_index(tree.root).directories[RUN_B].not_kept


def test_only_texts_that_records_name_are_packed(tree: Any) -> None:
    tree.pack()
    with zipfile.ZipFile(tree.root / "packed" / "sources.zip") as archive:
        names = archive.namelist()
    assert "changes.patch" in names
    assert "nobody.py" not in names
    tree.pack(other_sources={"nobody.py", "never-written.py"})
    assert Results(tree.root).source("nobody") == "text of nobody.py\n"


def test_the_same_content_gives_the_same_bytes(tree: Any) -> None:
    tree.pack()
    first = tree.packed()
    shutil.rmtree(tree.root / "packed")
    tree.pack()
    assert tree.packed() == first
    entries = zipfile.ZipFile(tree.root / "packed" / RUNS).infolist()
    assert [e.filename for e in entries] == sorted(e.filename for e in entries)
    assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}
    kinds = {Path(e.filename).suffix: e.compress_type for e in entries}
    assert kinds == {
        ".json": zipfile.ZIP_DEFLATED,
        ".parquet": zipfile.ZIP_STORED,
        ".safetensors": zipfile.ZIP_STORED,
    }


def test_a_pack_whose_content_stays_is_not_written_again(tree: Any) -> None:
    tree.pack()
    places = [path for path in (tree.root / "packed").iterdir() if path.suffix == ".zip"]
    inodes = {path: path.stat().st_ino for path in places}
    assert tree.pack().written == 0
    run = tree.run("c" * 16)
    tree.evaluation(F, [run], run)
    tree.pack()
    changed = {path.name for path in places if path.stat().st_ino != inodes[path]}
    assert changed == {f"{kind}-vae-digits-gaussian.zip" for kind in KINDS}


def test_packing_again_from_packs_alone_changes_nothing(tree: Any) -> None:
    tree.pack()
    before = tree.packed()
    tree.remove_loose()
    assert tree.pack().written == 0
    assert tree.packed() == before


def test_what_is_no_longer_referred_to_leaves_the_packs_and_lies_loose_again(tree: Any) -> None:
    tree.pack()
    before = {name: data for name, data in tree.loose().items() if "checkpoint" not in name}
    tree.remove_loose()
    done = tree.pack(References(frozenset({RUN_A}), frozenset({RUN_A})))
    assert done.put_back == 3
    index = read_index(tree.root)
    assert set(index.directories) == {RUN_A}
    assert {path.name for path in (tree.root / "packed").iterdir()} == {
        "index.json",
        "sources.zip",
        RUNS,
    }
    results = Results(tree.root)
    assert all(results.read(*name.rsplit("/", 1)) == data for name, data in before.items())


def test_a_run_brought_back_without_its_checkpoint_is_packed_as_it_was(tree: Any) -> None:
    tree.pack()
    before = tree.packed()
    tree.remove_loose()
    for directory in (RUN_A, RUN_B):
        Results(tree.root).bring(directory)
    assert not (tree.root / RUN_B / "checkpoint.safetensors").exists()
    assert tree.pack(all_checkpoints=True).written == 0
    assert tree.packed() == before


def test_damaged_directories_are_named_and_nothing_is_written(tree: Any) -> None:
    tree.pack()
    before = tree.packed()
    (tree.root / RUN_A / "history.parquet").write_bytes(b"else")
    (tree.root / RUN_B / "mine.txt").write_text("a person's own")
    with pytest.raises(UserError, match="damaged results are not packed") as caught:
        tree.pack()
    assert f"{A}/history.parquet" in str(caught.value)
    assert f"{B}/mine.txt" in str(caught.value)
    assert tree.packed() == before


def test_the_way_out_of_a_damaged_run_drops_what_was_made_from_it(tree: Any) -> None:
    (tree.root / RUN_A / "history.parquet").write_bytes(b"else")
    with pytest.raises(UserError, match=rf"pack --forget {A}` and start Snakemake"):
        tree.pack()
    assert [name.split("/")[0] for name in forget(tree.root, A)] == [
        "evaluations",
        "measurements",
        "runs",
    ]
    assert tree.pack().directories == 0


def test_the_way_out_of_a_damaged_measurement_drops_its_evaluation(tree: Any) -> None:
    (tree.root / MEASUREMENT / "bounds.npz").write_bytes(b"else")
    with pytest.raises(UserError, match=rf"pack --forget {'m' * 16}` and start Snakemake"):
        tree.pack()
    assert [name.split("/")[0] for name in forget(tree.root, "m" * 16)] == [
        "evaluations",
        "measurements",
    ]
    assert Results(tree.root).directories("runs") == [RUN_A, RUN_B]


def test_a_damaged_loose_run_that_is_packed_is_only_to_be_removed(tree: Any) -> None:
    tree.pack()
    (tree.root / RUN_A / "history.parquet").write_bytes(b"else")
    with pytest.raises(UserError, match=f"remove {tree.root / RUN_A}, the packed one"):
        tree.pack()
    shutil.rmtree(tree.root / RUN_A)
    assert tree.pack().written == 0


def test_an_unreadable_record_is_named(tree: Any) -> None:
    (tree.root / RUN_A / "run.json").write_text('{"outputs": ')
    with pytest.raises(UserError, match=r"run\.json: the record is damaged"):
        tree.pack(References(frozenset({RUN_A}), frozenset()))


@pytest.mark.parametrize("killed_at", range(8))
def test_whenever_it_is_killed_nothing_is_lost_and_the_next_one_mends_it(
    tree: Any, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.pack()
    whole = {**tree.loose()}
    tree.remove_loose()
    run = tree.run("c" * 16)
    tree.evaluation(F, [run, RUN_A], run)
    whole |= tree.loose()
    steps = iter(range(100))

    def dying(step: Any) -> Any:
        def now(*arguments: Any, **options: Any) -> Any:
            if next(steps) == killed_at:
                raise KeyboardInterrupt
            return step(*arguments, **options)

        return now

    for name in ("_write_pack", "write_json", "_remove_stale", "put_back"):
        monkeypatch.setattr(writing, name, dying(getattr(writing, name)))
    tree.evaluations = tree.evaluations[1:]
    try:
        tree.pack()
    except KeyboardInterrupt:
        monkeypatch.undo()
        tree.pack()
    results = Results(tree.root)
    for name, data in whole.items():
        if name != f"{RUN_B}/checkpoint.safetensors":
            assert results.read(*name.rsplit("/", 1)) == data, name


def test_a_checkpoint_that_leaves_the_packs_lies_loose_again(tree: Any) -> None:
    tree.pack()
    tree.remove_loose()
    tree.pack(References(frozenset({RUN_A}), frozenset()))
    assert set(read_index(tree.root).directories[RUN_A].not_kept) == {"checkpoint.safetensors"}
    assert (tree.root / RUN_A / "checkpoint.safetensors").exists()


def test_a_loose_directory_without_its_checkpoint_gets_it_when_it_leaves(tree: Any) -> None:
    tree.pack()
    tree.remove_loose()
    tree.pack(all_checkpoints=True)
    Results(tree.root).bring(RUN_A)
    (tree.root / RUN_A / "checkpoint.safetensors").rename(tree.root / "elsewhere")
    write_json(
        tree.root / RUN_A / "not_kept.json",
        {"checkpoint.safetensors": describe_file(tree.root / "elsewhere")},
    )
    tree.pack(References(frozenset({RUN_A}), frozenset()))
    assert sorted(path.name for path in (tree.root / RUN_A).iterdir()) == [
        "checkpoint.safetensors",
        "history.parquet",
        "run.json",
    ]


def test_loose_directories_go_after_the_packs_were_read_back(tree: Any) -> None:
    tree.pack()
    assert remove_loose(tree.root) == 4
    assert tree.loose() == {}
    assert not (tree.root / "runs").exists()
    assert Results(tree.root).directories("runs") == [RUN_A, RUN_B]


def test_no_loose_directory_goes_where_a_pack_was_changed(tree: Any) -> None:
    tree.pack()
    before = tree.loose()
    path = tree.root / "packed" / RUNS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=RUNS):
        remove_loose(tree.root)
    assert tree.loose() == before
    assert tree.pack().written == 1
    assert remove_loose(tree.root) == 4


def test_what_a_pack_holds_beyond_the_index_goes(tree: Any) -> None:
    tree.pack()
    before = tree.packed()
    index = read_index(tree.root)
    tree.run("c" * 16)
    tree.pack(tree.wanted | References(frozenset({f"{RUN_A[:-16]}{'c' * 16}"}), frozenset()))
    packs = read_index(tree.root).packs
    write_json(tree.root / "packed/index.json", index_content(Index(index.directories, packs)))
    tree.pack()
    assert tree.packed() == before


def test_a_directory_made_anew_since_it_was_packed_stays(tree: Any) -> None:
    tree.pack()
    tree.run(A, note=", trained again")
    remove_loose(tree.root)
    assert (tree.root / RUN_A / "checkpoint.safetensors").exists()


def test_a_changed_pack_is_not_copied_into_a_new_one(tree: Any) -> None:
    tree.pack()
    tree.remove_loose()
    path = tree.root / "packed" / RUNS
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(b"parameters", b"Parameters"))
    with pytest.raises(UserError, match="not what its record says"):
        tree.pack()
