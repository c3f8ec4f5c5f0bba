"""Git is asked in one way: without questions, and with its own words where it refuses."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from workflow_src.errors import UserError
from workflow_src.provenance.git import git, git_text, has_commit, must_git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that never answers."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))


def test_an_answer_is_what_git_prints(tmp_path: Path) -> None:
    assert must_git(tmp_path, "init", "--quiet") == b""
    assert git(tmp_path, "rev-parse", "--is-inside-work-tree") == b"true\n"
    assert git_text(tmp_path, "rev-parse", "--is-inside-work-tree") == "true"


def test_git_reads_what_it_is_given(tmp_path: Path) -> None:
    must_git(tmp_path, "init", "--quiet")
    name = git(tmp_path, "hash-object", "-w", "--stdin", text=b"x")
    assert name is not None
    assert git(tmp_path, "cat-file", "blob", name.decode().strip()) == b"x"


def test_another_index_leaves_the_repository_s_alone(tmp_path: Path) -> None:
    must_git(tmp_path, "init", "--quiet")
    (tmp_path / "new.py").write_text("x = 1\n")
    assert git(tmp_path, "add", "new.py", index=tmp_path / "index") == b""
    assert git(tmp_path, "ls-files", index=tmp_path / "index") == b"new.py\n"
    assert git(tmp_path, "ls-files") == b""


def test_a_refusal_is_no_answer(tmp_path: Path) -> None:
    assert git(tmp_path, "rev-parse", "HEAD") is None
    assert git_text(tmp_path, "rev-parse", "HEAD") == ""
    assert not has_commit(tmp_path, "0" * 40)


def test_a_refusal_is_told_in_git_s_own_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"git rev-parse failed .*not a git repository") as refused:
        must_git(tmp_path, "rev-parse", "HEAD")
    assert "\n" not in str(refused.value)


def test_a_machine_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git(tmp_path, "version") is None
    with pytest.raises(UserError, match="git is not installed"):
        must_git(tmp_path, "version")


@pytest.mark.usefixtures("slow")
def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    assert git(tmp_path, "version", timeout=0.1) is None
    with pytest.raises(UserError, match="did not end within"):
        must_git(tmp_path, "version", timeout=0.1)
