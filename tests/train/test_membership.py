"""Membership files: read as the plan wrote them, refused when damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow_src.errors import UserError
from workflow_src.train.membership import read_shard

CONTENT: dict[str, Any] = {
    "schema": 2,
    "digest": "d1",
    "settings": {"scale": "demo"},
    "sources": "results/sources",
    "code": {"digest": "c1", "modules": {}},
    "runs": [
        {
            "fingerprint": "f1",
            "spec": {"model": "vae"},
            "directory": "results/runs/f1",
            "state": "results/states/f1",
            "prepared": {"fingerprint": "p1", "directory": "data/prepared/p1"},
        }
    ],
}


def test_a_membership_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shard.json"
    path.write_text(json.dumps(CONTENT))
    shard = read_shard(path)
    assert shard.digest == "d1"
    (run,) = shard.runs
    assert (run.fingerprint, run.prepared_fingerprint) == ("f1", "p1")
    assert run.directory == Path("results/runs/f1")
    assert run.state == Path("results/states/f1")
    assert run.prepared == Path("data/prepared/p1")
    assert run.spec == {"model": "vae"}
    assert run.settings == {"scale": "demo"}
    assert run.sources == Path("results/sources")


@pytest.mark.parametrize(
    "missing", ["digest", "runs", "fingerprint", "prepared", "state", "sources", "code"]
)
def test_a_membership_that_lacks_something_is_refused(tmp_path: Path, missing: str) -> None:
    content = json.loads(json.dumps(CONTENT))
    content.pop(missing, None)
    content.get("runs", [{}])[0].pop(missing, None)
    path = tmp_path / "shard.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=missing) as refused:
        read_shard(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"runs": [1], "digest": "d"}'])
def test_a_damaged_membership_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shard.json"
    path.write_text(text)
    with pytest.raises(UserError, match="damaged"):
        read_shard(path)


def test_a_missing_membership_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_shard(tmp_path / "shard.json")
