"""A record names the commit and keeps what differs from it; without git it says so."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from workflow_src.provenance import repository
from workflow_src.provenance.git import git as ask
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


def test_a_change_as_old_as_the_index_and_as_long_as_before_is_kept(clone: Path) -> None:
    # What a quick edit after a checkout is: to git's eyes size and time say that nothing changed.
    git(clone, "config", "core.trustctime", "false")
    moment = 1_700_000_000 * 10**9
    os.utime(clone / "code.py", ns=(moment, moment))
    git(clone, "update-index", "--refresh")
    (clone / "code.py").write_text("x = 2\n")
    (clone / "new.py").write_text("y = 1\n")
    for path in (clone / "code.py", clone / ".git" / "index"):
        os.utime(path, ns=(moment, moment))
    assert "+x = 2" in describe(clone)["difference"]


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


HOSTILE = """
[diff]
    noprefix = true
    mnemonicPrefix = true
    external = /bin/false
    context = 0
    interHunkContext = 9
    renames = copies
    algorithm = histogram
    suppressBlankEmpty = true
    relative = true
    submodule = log
    orderFile = /nowhere
[diff "told"]
    textconv = tr x y <
[core]
    quotePath = false
    attributesFile = {attributes}
    pager = /bin/false
    fsmonitor = /bin/false
    whitespace = tab-in-indent
[color]
    ui = always
    diff = always
[status]
    relativePaths = false
    showUntrackedFiles = no
    short = true
    branch = true
[apply]
    whitespace = error
"""


def test_a_person_s_own_settings_change_nothing(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "long.py").write_text("".join(f"x{number} = 1\n" for number in range(40)))
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "second")
    lines = (clone / "long.py").read_text().replace("x5 =", "\nx5 = 2 +").replace("x9 ", "\ty ")
    (clone / "long.py").write_text(lines)
    (clone / "code.py").rename(clone / "ümlaut.py")
    (clone / "copy.bin").write_bytes(bytes(range(256)))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    plain = describe(clone)
    (tmp_path / "attributes").write_text("*.py diff=told\n")
    settings = tmp_path / "settings"
    settings.write_text(HOSTILE.format(attributes=tmp_path / "attributes"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    monkeypatch.setenv("GIT_DIFF_OPTS", "-u0")
    facts = describe(clone)
    assert facts == plain

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(clone), str(other))
    (tmp_path / "patch").write_bytes(facts["difference"].encode(errors="surrogateescape"))
    git(other, "apply", str(tmp_path / "patch"))
    for name in ("long.py", "ümlaut.py", "copy.bin"):
        assert (other / name).read_bytes() == (clone / name).read_bytes()
    assert not (other / "code.py").exists()


@pytest.mark.parametrize("with_commit", [False, True])
def test_a_repository_inside_is_named_and_the_rest_is_copied(
    clone: Path, with_commit: bool
) -> None:
    inner = clone / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    if with_commit:
        git(inner, "commit", "--quiet", "--allow-empty", "--message", "first")
    (clone / "code.py").write_text("x = 2\n")
    (clone / "new.py").write_text("y = 1\n")
    facts = describe(clone)
    assert facts["left_out_files"] == [{"name": "inner/", "bytes": 0}]
    assert "+x = 2" in facts["difference"]
    assert "+y = 1" in facts["difference"]
    assert "inner" not in facts["difference"]


@pytest.mark.parametrize("failing", ["add", "diff", "rev-parse --show-toplevel", "apply"])
def test_a_copy_that_cannot_be_made_is_not_an_empty_one(
    clone: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "code.py").write_text("x = 2\n")
    (clone / "new.py").write_text("y = 1\n")

    def late(root: Path, *words: str, **options: Any) -> bytes | None:
        return None if " ".join(words).startswith(failing) else ask(root, *words, **options)

    monkeypatch.setattr(repository, "git", late)
    facts = describe(clone)
    assert f"git {failing.partition(' ')[0]} failed" in facts["reason"]
    assert facts["dirty"] is True
    assert facts["new_files"] == ["new.py"]
    assert not {"difference", "difference_bytes", "changes_digest"} & facts.keys()


def test_a_file_that_cannot_be_read_is_a_reason(clone: Path) -> None:
    (clone / "code.py").write_text("x = 2\n")
    (clone / ".git" / "index").unlink()
    (clone / ".git" / "index").mkdir()
    facts = describe(clone)
    assert facts["reason"]
    assert "difference" not in facts


def test_a_hook_s_variables_do_not_name_another_repository(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = describe(clone)
    git(tmp_path, "init", "--quiet", "another")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    assert describe(clone) == clean
