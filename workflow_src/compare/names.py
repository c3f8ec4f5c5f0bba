"""What a name on the command line means: a release, a git revision, a path; never a guess."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path

from workflow_src.changes.revisions import commit_named
from workflow_src.errors import UserError
from workflow_src.release.releases import FOLDER, RELEASE

_LONGEST = 250


class Kind(enum.StrEnum):
    """The kinds of sources; all but the last are prefixes that say so on the command line."""

    RELEASE = "release"
    COMMIT = "commit"
    PATH = "path"
    NOW = "now"


NAMED = (Kind.RELEASE, Kind.COMMIT, Kind.PATH)
"""The kinds that have names; the results as they are now are those that nobody names."""


@dataclass(frozen=True)
class Name:
    """A name and what it is one of."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}"


def resolved(text: str, *, root: Path) -> Name:
    """What ``text`` names in the project at ``root``; a prefix such as ``release:`` decides.

    Raises
    ------
    UserError
        For a text that names nothing, or two things.
    """
    word, _, rest = text.partition(":")
    if word in NAMED:
        name = Name(Kind(word), rest)
        _must_exist(name, root)
        return name
    found = [name for kind in NAMED if _exists(name := Name(kind, text), root)]
    if not found:
        raise UserError(
            f"{text!r} is neither a release, nor a git revision, nor a path",
            expected=f"a release ({_known_releases(root)}), a commit, branch or tag, or a "
            "metrics.parquet or the folder of results that holds one",
        )
    if len(found) > 1:
        listed = " and ".join(
            f"a {'git revision' if n.kind == 'commit' else n.kind}" for n in found
        )
        raise UserError(
            f"{text!r} is {listed}",
            expected=" or ".join(map(str, found)),
        )
    return found[0]


def release_folder(name: str, root: Path) -> Path:
    """Where a release of that name lies."""
    return root / FOLDER / name


def _exists(name: Name, root: Path) -> bool:
    if len(name.text) > _LONGEST or "\0" in name.text:
        # Neither git nor a file system takes it.
        return False
    if name.kind is Kind.RELEASE:
        is_name = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name.text) is not None
        return is_name and (release_folder(name.text, root) / RELEASE).is_file()
    if name.kind is Kind.PATH:
        return bool(name.text) and (root / name.text).exists()
    try:
        commit_named(root, name.text)
    except UserError:
        return False
    return True


def _must_exist(name: Name, root: Path) -> None:
    if _exists(name, root):
        return
    if name.kind is Kind.RELEASE:
        raise UserError(
            f"there is no release {name.text}",
            place=str(root / FOLDER),
            expected=_known_releases(root),
        )
    if name.kind is Kind.COMMIT:
        raise UserError(
            f"git knows no revision {name.text!r} here",
            place=str(name),
            expected="a commit, a branch or a tag of this repository",
        )
    raise UserError("there is no such file or folder", place=name.text)


def _known_releases(root: Path) -> str:
    names = sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{RELEASE}"))
    return ", ".join(names) or "none was made yet"
