"""Files are whole or absent, whatever goes wrong while they are written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src import storage
from workflow_src.errors import UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_while_writing_file(path: Path) -> None:
    with storage.replacing_file(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError


def fail_while_writing_directory(path: Path) -> None:
    with storage.new_directory(path) as temporary:
        (temporary / "part").write_text("half")
        raise RuntimeError


@given(JSON)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    storage.write_json(path, value)
    assert storage.read_json(path) == value


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert storage.digest(value) == storage.digest(backwards)


def test_a_digest_is_the_sha256_of_compact_json() -> None:
    expected = hashlib.sha256(b'{"a":[1,2.5,"\\u00e9"],"b":null}').hexdigest()
    assert storage.digest({"b": None, "a": [1, 2.5, "é"]}) == expected


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    storage.write_text(path, "old")
    with pytest.raises(RuntimeError):
        fail_while_writing_file(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["result.txt"]


def test_a_failed_directory_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail_while_writing_directory(tmp_path / "run")
    assert names(tmp_path) == []


def test_of_two_writers_of_one_directory_the_first_stays(tmp_path: Path) -> None:
    with storage.new_directory(tmp_path / "run") as slow:
        (slow / "who").write_text("slow")
        with storage.new_directory(tmp_path / "run") as quick:
            (quick / "who").write_text("quick")
    assert (tmp_path / "run" / "who").read_text() == "quick"
    assert names(tmp_path) == ["run"]


def test_an_empty_directory_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with storage.new_directory(tmp_path / "run") as temporary:
        (temporary / "who").write_text("me")
    assert (tmp_path / "run" / "who").read_text() == "me"


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "quota"), (errno.EROFS, "writable disk")],
)
def test_a_full_disk_is_told_in_one_line_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    path = tmp_path / "result.json"
    storage.write_json(path, {"old": 1})

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError) as caught:
        storage.write_json(path, {"new": 2})
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert advice in str(caught.value)
    assert json.loads(path.read_text()) == {"old": 1}
    assert names(tmp_path) == ["result.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_write_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="write permission"):
            storage.write_text(tmp_path / "result.txt", "text")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_a_directory_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a directory")
    with pytest.raises(UserError, match="stands where a directory is needed"):
        storage.write_text(tmp_path / "results" / "table.csv", "text")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1'])
def test_a_damaged_json_file_is_named_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"record\.json.*damaged.*start again"):
        storage.read_json(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.json.*does not exist"):
        storage.read_json(tmp_path / "absent.json")


def test_a_user_error_survives_the_way_between_processes() -> None:
    error = UserError("it is broken", place="here:3", expected="whole", remedy="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "here:3: it is broken; expected whole; to mend it: mend it"
