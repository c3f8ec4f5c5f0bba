"""A name means one thing, or it is refused with the ways to say what is meant."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workflow_src.compare.names import Kind, Name, resolved
from workflow_src.errors import UserError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a tag, two releases and some files."""
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["commit", "--quiet", "--allow-empty", "--message=One"],
        ["tag", "v1"],
        ["tag", "old"],
    ):
        person = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *person, *words], check=True)
    for name in ("v1", "v2"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "release.json").write_text("{}")
    (tmp_path / "releases" / "half").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "old").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind"),
    [("v2", Kind.RELEASE), ("HEAD", Kind.COMMIT), ("main~0", Kind.COMMIT), ("results", Kind.PATH)],
)
def test_what_can_be_one_thing_alone(project: Path, text: str, kind: Kind) -> None:
    assert resolved(text, root=project) == Name(kind, text)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [("v1", "release:v1", "commit:v1"), ("old", "commit:old", "path:old")],
)
def test_what_can_be_two_things(project: Path, text: str, first: str, second: str) -> None:
    with pytest.raises(UserError) as raised:
        resolved(text, root=project)
    assert f"expected {first} or {second}" in str(raised.value)
    for way in (first, second):
        kind, _, rest = way.partition(":")
        assert resolved(way, root=project) == Name(Kind(kind), rest)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("v3", "'v3' is neither a release, nor a git revision, nor a path; expected a release "),
        ("release:v3", "there is no release v3; expected v1, v2"),
        ("release:half", "there is no release half"),
        ("release:../results", "there is no release ../results"),
        ("commit:nowhere", "git knows no revision 'nowhere' here"),
        ("commit:--all", "git knows no revision '--all' here"),
        ("path:nowhere", "nowhere: there is no such file or folder"),
        ("path:", "there is no such file or folder"),
        ("", "'' is neither a release"),
        ("a" * 5000, "is neither a release"),
        ("nul\0byte", "is neither a release"),
        ("now:results", "is neither a release"),
    ],
)
def test_what_is_nothing(project: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError) as raised:
        resolved(text, root=project)
    assert complaint in str(raised.value)


def test_known_releases_are_listed(project: Path) -> None:
    with pytest.raises(UserError, match=r"a release \(v1, v2\)"):
        resolved("v3", root=project)


def test_without_git_and_releases(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert resolved("here", root=tmp_path).kind is Kind.PATH
    with pytest.raises(UserError, match="none was made yet"):
        resolved("v1", root=tmp_path)
