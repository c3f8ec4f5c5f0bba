"""The index made from the packs is the one that was written with them, or none."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_src.archive.rebuilding import rebuild_index
from workflow_src.errors import UserError
from workflow_src.provenance.record import record_is_whole

A = "a" * 16
RUN_A = f"runs/vae/digits-gaussian/100pct-seed0-{A}"
RUNS = "runs-vae-digits-gaussian.zip"


@pytest.fixture
def packed(tree: Any) -> Any:
    """The tree in packs alone; a checkpoint was not kept."""
    tree.pack()
    tree.remove_loose()
    return tree


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("text", [None, "", '{"directories": {}}'])
def test_the_index_is_made_again_to_the_byte(packed: Any, text: str | None) -> None:
    before = packed.packed()
    path = packed.root / "packed" / "index.json"
    path.unlink() if text is None else path.write_text(text)
    rebuild_index(packed.root, record_is_whole)
    assert packed.packed() == before


def reword(members: dict[str, bytes]) -> None:
    name = f"{RUN_A}/run.json"
    members[name] = json.dumps(json.loads(members[name]) | {"fingerprint": "x"}).encode()


@pytest.mark.parametrize(
    "change",
    [
        reword,
        lambda members: members.update({f"{RUN_A}/history.parquet": b"else"}),
        lambda members: members.update({f"{RUN_A}/mine.txt": b"a person's own"}),
        lambda members: members.update({f"{RUN_A}/run.json": b"{}"}),
        lambda members: members.pop(f"{RUN_A}/run.json"),
    ],
)
def test_what_no_whole_record_vouches_for_is_not_indexed(packed: Any, change: Any) -> None:
    rewrite(packed.root / "packed" / RUNS, change)
    before = packed.packed()
    with pytest.raises(UserError, match="no whole record vouches for") as caught:
        rebuild_index(packed.root, record_is_whole)
    assert RUN_A in str(caught.value)
    assert packed.packed() == before


def test_a_damaged_pack_is_named(packed: Any) -> None:
    (packed.root / "packed" / RUNS).write_bytes(b"PK")
    with pytest.raises(UserError, match=RUNS):
        rebuild_index(packed.root, record_is_whole)


def test_without_packs_there_is_nothing_to_index(empty: Any) -> None:
    with pytest.raises(UserError, match="there are no packs"):
        rebuild_index(empty.root, record_is_whole)
    assert not (empty.root / "packed").exists()
