"""A record names the commit and keeps what differs from it; without git it says so."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from workflow_src.provenance.repository import describe_repository

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "code.py").write_text("x = 1\n")
    (folder / ".gitignore").write_text("results/\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def describe(folder: Path) -> dict[str, Any]:
    describe_repository.cache_clear()
    return describe_repository(folder)


def test_a_clean_tree_is_its_commit(clone: Path) -> None:
    assert describe(clone) == {"commit": git(clone, "rev-parse", "HEAD"), "dirty": False}


def test_what_git_ignores_is_no_change(clone: Path) -> None:
    (clone / "results").mkdir()
    (clone / "results" / "run.json").write_text("{}")
    assert describe(clone)["dirty"] is False


def test_the_copy_of_changes_makes_them_again(clone: Path, tmp_path: Path) -> None:
    (clone / "code.py").write_text("x = 2\n")
    (clone / "new file.py").write_text("y = 1\n")
    (clone / "weights.bin").write_bytes(bytes(range(256)))
    before = (clone / ".git" / "index").read_bytes()
    facts = describe(clone)
    assert (clone / ".git" / "index").read_bytes() == before
    assert facts["changed_files"] == ["code.py"]
    assert facts["new_files"] == ["new file.py", "weights.bin"]

    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(clone), str(other))
    patch = tmp_path / "patch"
    patch.write_text(facts["difference"])
    git(other, "apply", str(patch))
    for name in ("code.py", "new file.py", "weights.bin"):
        assert (other / name).read_bytes() == (clone / name).read_bytes()


def test_different_changes_have_different_digests(clone: Path) -> None:
    digests = set()
    for name, text in [
        ("code.py", "x = 2\n"),
        ("code.py", "x = 3\n"),
        ("new.py", "1"),
        ("n.py", "1"),
    ]:
        git(clone, "checkout", "--quiet", ".")
        (clone / name).write_text(text)
        digests.add(describe(clone)["changes_digest"])
    assert len(digests) == 4


def test_without_large_new_files_the_digest_is_that_of_the_copy(clone: Path) -> None:
    (clone / "code.py").write_text("x = 2\n")
    (clone / "new.py").write_text("y = 1\n")
    facts = describe(clone)
    copy = facts["difference"].encode()
    assert facts["changes_digest"] == hashlib.sha256(copy).hexdigest()
    assert facts["left_out_files"] == []


def test_a_large_new_file_is_named_and_not_copied(clone: Path) -> None:
    (clone / "large.bin").write_bytes(os.urandom(2_000_000))
    facts = describe(clone)
    assert facts["new_files"] == ["large.bin"]
    assert facts["left_out_files"] == [{"name": "large.bin", "bytes": 2_000_000}]
    assert facts["difference"] == ""


def test_before_the_first_commit_everything_is_new(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    facts = describe(tmp_path)
    assert facts["commit"] is None
    assert facts["new_files"] == ["code.py"]
    assert "x = 1" in facts["difference"]


def test_a_folder_without_git_is_said_to_be_one(tmp_path: Path) -> None:
    facts = describe(tmp_path)
    assert facts["commit"] is None
    assert "git" in facts["reason"]


def test_a_machine_without_git_is_no_error(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert describe(clone)["commit"] is None
