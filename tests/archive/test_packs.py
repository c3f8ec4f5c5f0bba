"""An index is believed as it was written, and refused in every other state."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow_src.archive.packs import EMPTY, DamagedIndexError, index_content, read_index
from workflow_src.errors import UserError
from workflow_src.storage import digest


def test_without_packs_the_index_is_empty(empty: Any) -> None:
    assert read_index(empty.root) == EMPTY


def test_an_index_reads_as_it_was_written(tree: Any) -> None:
    tree.pack()
    text = (tree.root / "packed" / "index.json").read_text()
    assert index_content(read_index(tree.root)) == json.loads(text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"bytes": ', '"bytes": 1'),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: "{}",
    ],
)
def test_a_changed_index_is_refused(tree: Any, spoil: Any) -> None:
    tree.pack()
    path = tree.root / "packed" / "index.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(DamagedIndexError, match=r"index\.json") as caught:
        read_index(tree.root)
    told = str(caught.value)
    assert "dvc checkout --force results/packed" in told
    assert "python -m workflow_src pack --rebuild-index" in told
    assert "made anew" not in told


def test_an_index_of_a_newer_version_is_refused_as_such(tree: Any) -> None:
    tree.pack()
    path = tree.root / "packed" / "index.json"
    content = json.loads(path.read_text()) | {"schema_version": 99}
    del content["index_digest"]
    path.write_text(json.dumps(content | {"index_digest": digest(content)}))
    with pytest.raises(UserError, match="schema 99"):
        read_index(tree.root)
