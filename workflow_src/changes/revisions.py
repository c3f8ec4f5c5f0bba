"""The plan as a git revision would make it: by its own code, from its own settings and studies.

The revision's files are laid out in a temporary folder and its own `plan --json` is run there,
looking at the results and data that are here now.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.config.loading import load_layered
from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.plan.plan import PACKAGE_ROOT, Plan, build_plan
from workflow_src.provenance.git import git, must_git
from workflow_src.storage import write_json

Described = dict[str, Any]
"""What `workflow_src.changes.description.described` gives."""

_SECONDS = 300.0


@dataclass(frozen=True)
class Since:
    """A revision's plan, and the plan of now.

    Attributes
    ----------
    revision, commit:
        The revision as it was given, and the commit that it is.
    before:
        Its plan; ``exists`` says what is there now.
    plan:
        The plan of the code and settings as they are now.
    """

    revision: str
    commit: str
    before: Described
    plan: Plan


def plans_since(
    revision: str, files: Sequence[Path], *, package_root: Path = PACKAGE_ROOT
) -> Since:
    """Plan ``revision`` and now; ``files`` are the settings files, config.yaml first.

    Raises
    ------
    UserError
        For a revision that git does not know, and one whose code cannot say its plan as JSON.
    """
    code = package_root.parent
    commit = commit_named(code, revision)
    settings = load_layered(files)
    with _planning(code, commit, files, settings) as (process, tree):
        plan = build_plan(settings, package_root=package_root)
        before = _answer(process, revision, tree)
    return Since(revision, commit, before, plan)


def plan_of_revision(
    revision: str, files: Sequence[Path], *, package_root: Path = PACKAGE_ROOT
) -> tuple[str, Described]:
    """The commit that ``revision`` is, and its plan alone; as `plans_since`."""
    code = package_root.parent
    commit = commit_named(code, revision)
    with _planning(code, commit, files, load_layered(files)) as (process, tree):
        return commit, _answer(process, revision, tree)


@contextlib.contextmanager
def _planning(
    code: Path, commit: str, files: Sequence[Path], settings: Settings
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A commit's files in a temporary folder, and the process that plans with them."""
    with tempfile.TemporaryDirectory(prefix="density-bench-") as name:
        # Below the folder as below the root, so that relative paths lead to the like places.
        folder = Path(name).resolve()
        tree = _mirrored(code, folder)
        _extract(code, commit, tree)
        process = _start(folder, tree, files, settings)
        try:
            yield process, tree
        finally:
            process.kill()
            process.wait()


def commit_named(root: Path, revision: str) -> str:
    """The commit that ``revision`` names in the repository at ``root``."""
    if not revision or revision.startswith("-"):
        raise _unknown(revision)
    done = git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if done is None:
        raise _unknown(revision)
    return done.decode().strip()


def _unknown(revision: str) -> UserError:
    return UserError(
        f"git knows no revision {revision!r} here",
        place="--since",
        expected="a commit, a branch or a tag of this repository",
    )


def _extract(code: Path, commit: str, tree: Path) -> None:
    packed = must_git(code, "archive", "--format=tar", commit, timeout=_SECONDS)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")


def _mirrored(path: Path, folder: Path) -> Path:
    whole = path.resolve()
    return folder / whole.relative_to(whole.anchor)


def _start(
    folder: Path, tree: Path, files: Sequence[Path], settings: Settings
) -> subprocess.Popen[str]:
    """Start planning with a revision's files, which lie in ``tree``."""
    here = Path.cwd()
    place = _mirrored(here, folder)
    place.mkdir(parents=True, exist_ok=True)
    for path in (*files, *_studies(settings)):
        _complete(place, here, path)
    overlay = folder / "directories-of-now.json"
    directories = settings.directories
    write_json(
        overlay,
        {
            "directories": {
                "data": str(here / directories.data),
                "results": str(here / directories.results),
            }
        },
    )
    layers = [str(path) for path in (*files[1:], overlay)]
    command = [sys.executable, "-m", "workflow_src", "plan", "--json", "--configfile", *layers]
    return subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _studies(settings: Settings) -> list[Path]:
    """Studies that are files of the user, with the folder of their published numbers."""
    paths = [Path(name) for name in settings.studies if name.endswith((".yaml", ".yml"))]
    return [*paths, *dict.fromkeys(path.parent / "published" for path in paths)]


def _complete(place: Path, here: Path, path: Path) -> None:
    """Take a file of now where the revision has none of that name."""
    target = place / path
    if path.is_absolute() or not (here / path).exists() or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if (here / path).is_dir():
        shutil.copytree(here / path, target)
    else:
        shutil.copyfile(here / path, target)


def _answer(process: subprocess.Popen[str], revision: str, tree: Path) -> Described:
    try:
        answer, complaints = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(f"planning revision {revision} takes too long", place="--since") from None
    if process.returncode == 0:
        value = json.loads(answer)
        if isinstance(value, dict):
            return value
    if re.search("(unrecognized arguments:|unknown option) --json", complaints):
        raise UserError(
            f"revision {revision} is of a time when plans could not be compared",
            place="--since",
            expected="a revision whose `python -m workflow_src plan` has --json",
        )
    last = (complaints.strip().splitlines() or ["it says nothing"])[-1]
    told = last.removeprefix("error: ").replace(f"{tree}{os.sep}", "")
    raise UserError(f"revision {revision} cannot be planned ({told})", place="--since")
