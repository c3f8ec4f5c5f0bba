"""DVC and a writer of versioned files wait for each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.lock import Lock, LockError

from workflow_src.archive.dvc_lock import LOCK, without_dvc
from workflow_src.errors import UserError


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The results of a repository that DVC knows."""
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def dvc_lock(results: Path) -> Lock:
    return Lock(str(results.parent / LOCK))


def test_dvc_is_kept_out_as_long_as_files_are_written(results: Path) -> None:
    with without_dvc(results), pytest.raises(LockError):
        dvc_lock(results)._do_lock()
    with dvc_lock(results):
        pass


def test_while_dvc_works_nothing_is_written(results: Path) -> None:
    with (
        dvc_lock(results),
        pytest.raises(UserError, match="a command of DVC works on these files"),
        without_dvc(results, patience=0),
    ):
        pytest.fail("written")
    with without_dvc(results, patience=0):
        pass


def test_a_problem_while_writing_lets_the_lock_go(results: Path) -> None:
    with pytest.raises(KeyboardInterrupt), without_dvc(results):
        raise KeyboardInterrupt
    with without_dvc(results, patience=0):
        pass


def test_without_dvc_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    with without_dvc(tmp_path / "results"):
        assert list(tmp_path.iterdir()) == []
