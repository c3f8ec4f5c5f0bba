"""Results whose records are read once, and hold once what they say alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.reports import write_record

from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.lineage.remembering import RememberedResults
from workflow_src.provenance.record import SCHEMA_VERSION

ENVIRONMENT = {"python": "3.11.7", "packages": {"torch": "2.1"}}
CODE = {"digest": "d" * 64, "modules": {"workflow_src": "e" * 64}}


def write(root: Path, name: str, **fields: Any) -> str:
    directory = f"runs/vae/digits-gaussian/{name}"
    write_record(root / directory / "run.json", fingerprint=name, **fields)
    return directory


def test_a_record_is_read_at_the_first_time_alone(tmp_path: Path) -> None:
    directory = write(tmp_path, "a")
    results = RememberedResults(tmp_path)
    first = results.record(directory)
    (tmp_path / directory / "run.json").write_text("{}")
    assert results.record(directory) is first
    assert results.record(directory)["fingerprint"] == "a"
    assert Results(tmp_path).record(directory) == {}


def test_what_records_say_alike_is_held_once(tmp_path: Path) -> None:
    names = [
        write(tmp_path, "a", environment=ENVIRONMENT, content={"code": CODE, "run": 1}),
        write(tmp_path, "b", environment=ENVIRONMENT, content={"code": CODE, "run": 2}),
        write(tmp_path, "c", environment={"python": "3.12.0"}, content={"code": CODE}),
    ]
    results = RememberedResults(tmp_path)
    a, b, c = (results.record(name) for name in names)
    assert a["environment"] is b["environment"]
    assert a["content"]["code"] is c["content"]["code"]
    assert c["environment"] == {"python": "3.12.0"}
    assert (a["content"]["run"], b["content"]["run"]) == (1, 2)


def test_records_equal_those_that_are_read_each_time(tmp_path: Path) -> None:
    names = [
        write(tmp_path, name, environment=ENVIRONMENT, content={"code": CODE}) for name in "ab"
    ]
    remembered, plain = RememberedResults(tmp_path), Results(tmp_path)
    for name in names:
        assert remembered.record(name) == plain.record(name) == remembered.whole_record(name)
    assert remembered.directories("runs") == plain.directories("runs") == names


def test_one_that_is_not_there_is_none(tmp_path: Path) -> None:
    results = RememberedResults(tmp_path)
    assert results.whole_record("runs/vae/digits-gaussian/a") is None
    assert results.whole_file(tmp_path / "record.json") is None


def test_one_that_was_changed_is_refused(tmp_path: Path) -> None:
    directory = write(tmp_path, "a", threads=1)
    path = tmp_path / directory / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threads": 2}))
    results = RememberedResults(tmp_path)
    for read in (lambda: results.whole_record(directory), lambda: results.whole_file(path)):
        with pytest.raises(UserError, match="changed after it was written") as refused:
            read()
        assert str(path) in str(refused.value)


def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    directory = write(tmp_path, "a", schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(UserError, match="newer"):
        RememberedResults(tmp_path).whole_record(directory)


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    directory = write(tmp_path, "a")
    (tmp_path / directory / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        RememberedResults(tmp_path).whole_record(directory)
