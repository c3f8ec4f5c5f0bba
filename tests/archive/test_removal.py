"""A directory is there whole or not at all, however often its removal was killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workflow_src.archive.removal import clear_rests, remove


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """One with a file, to be removed."""
    return made(tmp_path / "runs" / "vae" / "digits-gaussian" / "one")


def made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "file").touch()
    return directory


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_killed_removal_is_in_nobodys_way(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                remove(directory)
        assert not directory.exists()
        made(directory)
    remove(directory)
    rests = list(directory.parent.iterdir())
    assert len(rests) == 2
    assert all(rest.name.startswith(".one.removed-") for rest in rests)


def test_rests_of_removals_go_and_nothing_else(directory: Path, tmp_path: Path) -> None:
    made(directory.with_name(".one.removed"))
    made(directory.with_name(".one.removed-0123"))
    made(directory.with_name(".one.partial-0123"))
    clear_rests(tmp_path, ["runs", "evaluations"])
    assert {path.name for path in directory.parent.iterdir()} == {"one", ".one.partial-0123"}
