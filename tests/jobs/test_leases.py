"""One job at a time has a run, told by real processes that hold, stop, die and race."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from support.leases import Start, left_over, taken

from workflow_src.errors import UserError
from workflow_src.jobs.holders import this_process
from workflow_src.jobs.leases import LEASE_FILE, holder_of


def test_a_free_lease_is_taken_and_given_back(folder: Path) -> None:
    lease = taken(folder)
    assert lease is not None
    assert lease.is_held()
    assert os.listdir(folder) == [LEASE_FILE]
    assert holder_of(folder) == lease.holder
    lease.release()
    assert not lease.is_held()
    # Nothing is left of a run that has no state.
    assert not folder.exists()


def test_a_state_stays_when_the_lease_goes(folder: Path) -> None:
    lease = taken(folder)
    assert lease is not None
    (folder / "state.safetensors").touch()
    lease.release()
    assert os.listdir(folder) == ["state.safetensors"]


def test_what_another_process_holds_is_refused_until_it_lets_go(folder: Path, start: Start) -> None:
    other = start(folder)
    assert other.ask("take") == "held"
    assert taken(folder) is None
    assert other.ask("look") == "held"
    assert left_over(folder) == []
    assert other.ask("go") == "released"
    assert taken(folder) is not None


def test_the_lease_of_a_process_killed_here_is_free_at_once(folder: Path, start: Start) -> None:
    other = start(folder)
    assert other.ask("take") == "held"
    other.process.send_signal(signal.SIGKILL)
    other.process.wait()
    assert taken(folder) is not None


def test_a_later_start_of_the_same_slurm_job_takes_over_at_once(folder: Path, start: Start) -> None:
    other = start(folder, SLURM_JOB_ID="41", SLURM_RESTART_COUNT="1")
    assert other.ask("take") == "held"
    for job, restarts in ((None, 9), ("42", 9), ("41", 0), ("41", 1)):
        holder = dataclasses.replace(this_process(), slurm_job=job, slurm_restarts=restarts)
        assert taken(folder, holder) is None
    later = dataclasses.replace(this_process(), slurm_job="41", slurm_restarts=2)
    assert taken(folder, later) is not None
    # The earlier start lives on, on a node that SLURM believes to be down.
    assert other.ask("look") == "lost"
    earlier = dataclasses.replace(this_process(), slurm_job="41", slurm_restarts=1)
    assert taken(folder, earlier) is None


def test_of_many_that_want_a_free_lease_one_gets_it(folder: Path, start: Start) -> None:
    others = [start(folder) for _ in range(6)]
    for other in others:
        other.say("take")
    assert sorted(other.heard() for other in others) == ["held", *["refused"] * 5]
    assert left_over(folder) == []


@pytest.mark.parametrize("round_", range(3))
def test_of_many_that_take_a_dead_ones_lease_one_has_it_in_the_end(
    folder: Path, start: Start, round_: int
) -> None:
    dead = start(folder)
    assert dead.ask("take") == "held"
    dead.end()
    others = [start(folder) for _ in range(6)]
    for other in others:
        other.say("take")
    heard = [other.heard() for other in others]
    assert "held" in heard
    looked = [other.ask("look") for other in others]
    assert looked.count("held") == 1
    assert left_over(folder) == []


def test_our_own_lease_is_ours_again(folder: Path) -> None:
    holder = this_process()
    assert taken(folder, holder) is not None
    assert taken(folder, holder) is not None


def test_file_systems_without_links_have_leases_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*words: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    lease = taken(folder)
    assert lease is not None
    assert lease.is_held()
    assert taken(folder) is None
    lease.release()
    assert taken(folder) is not None


def test_a_request_that_was_repeated_by_the_network_counts_as_fulfilled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def repeated(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", repeated)
    assert taken(folder) is not None
    assert taken(folder) is None


def test_a_folder_that_vanishes_in_between_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, removed = os.link, []

    def late(source: Path, target: Path) -> None:
        if not removed:
            removed.append(source)
            shutil.rmtree(folder)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    lease = taken(folder)
    assert removed
    assert lease is not None
    assert lease.is_held()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "states").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="states") as caught:
        taken(tmp_path / "states" / "0123")
    assert isinstance(caught.value.__cause__, OSError)
