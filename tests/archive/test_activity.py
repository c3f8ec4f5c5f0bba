"""States and half written files that changed a moment ago may be a job's that is at work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workflow_src.archive.activity import (
    HOUR,
    SIGN_OF_LIFE,
    changed_within,
    in_use,
    refuse_while_writing,
)
from workflow_src.errors import UserError
from workflow_src.jobs.journal import Entry, State, entry_path, write_entry

NAMES = ("states/0123/state.safetensors", "runs/vae/digits-gaussian/.one.partial-0123/run.json")


@pytest.fixture(params=NAMES)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that a job wrote."""
    path = tmp_path / request.param
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_results_that_change_are_in_use_for_an_hour(written: Path, tmp_path: Path) -> None:
    changed = written.stat().st_mtime
    assert in_use(tmp_path, now=changed + HOUR / 2) == [written.parent]
    assert in_use(tmp_path, now=changed + HOUR * 2) == []


def test_what_is_in_use_is_named_with_the_way_to_go_on(written: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"jobs may be writing.*add --force") as caught:
        refuse_while_writing(tmp_path)
    assert written.parent.name in str(caught.value)


@pytest.mark.parametrize("state", State)
def test_a_job_that_says_that_it_runs_is_believed_while_it_gives_signs_of_life(
    state: State, tmp_path: Path
) -> None:
    path = entry_path(tmp_path, "evaluate_group", "0123456789abcdef")
    write_entry(path, Entry("evaluate_group", "0123456789abcdef", state, "then", "then"))
    (path.parent / ".train_shard-0.json.partial-0123").touch()
    changed = path.stat().st_mtime
    expected = [path] if state is State.RUNNING else []
    assert in_use(tmp_path, now=changed + SIGN_OF_LIFE / 2) == expected
    assert in_use(tmp_path, now=changed + SIGN_OF_LIFE * 2) == []


def test_finished_results_are_in_nobodys_use(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".one.removed-0123").mkdir()
    refuse_while_writing(tmp_path)
    refuse_while_writing(tmp_path / "nowhere")


def test_a_directory_is_as_young_as_the_youngest_thing_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, moment in ((tmp_path / "file", 1000.0), (tmp_path, 10.0)):
        os.utime(path, (moment, moment))
    assert changed_within(tmp_path, 5, now=1004)
    assert not changed_within(tmp_path, 5, now=1006)
