"""A lease that nobody renews is over: told by times of files and by the time of those who watch."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.leases import Clock, Start, age, elsewhere, left_over, taken

from workflow_src.jobs import leases
from workflow_src.jobs.holders import Holder, this_process
from workflow_src.jobs.leases import LEASE_FILE, Lease, acquire, holder_of

OURS = this_process()


def taken_after_watching(folder: Path, clock: Clock, expires_after: float = 120.0) -> Lease | None:
    """As `taken`, by one contender that looks again after a long time of its own."""
    holder = this_process()
    assert taken(folder, holder, expires_after) is None
    clock.passes(1e5)
    return taken(folder, holder, expires_after)


@pytest.mark.parametrize("ahead", [-130, 130])
def test_a_living_lease_of_a_node_whose_clock_is_wrong_is_not_taken(
    folder: Path, clock: Clock, ahead: float
) -> None:
    """Lustre and GPFS write the times of files by the clock of the node that writes."""
    assert taken(folder, elsewhere()) is not None
    for renewal in range(1, 10):
        # Renewed every twenty seconds.
        for second in (0, 5, 10, 15):
            moment = time.time() + ahead + renewal / 10
            os.utime(folder / LEASE_FILE, (moment, moment))
            assert taken(folder, OURS) is None, second
            clock.passes(5)
    # Then its node goes down.
    assert taken(folder, OURS) is None
    clock.passes(36)
    assert taken(folder, OURS) is not None


def test_a_lease_that_expired_long_ago_is_watched_before_it_is_taken(
    folder: Path, clock: Clock
) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    age(folder, 1e6)
    assert taken(folder, OURS) is None
    clock.passes(19)
    assert taken(folder, OURS) is None
    # Another contender has not seen it for so long.
    clock.passes(2)
    assert taken(folder) is None
    assert taken(folder, OURS) is not None


def test_a_lease_that_changes_is_watched_anew(folder: Path, clock: Clock) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    age(folder, 1e6)
    assert taken(folder, OURS) is None
    clock.passes(1e5)
    age(folder, 1)
    assert taken(folder, OURS) is None
    clock.passes(1e5)
    assert taken(folder, OURS) is not None


def test_what_may_be_done_twice_goes_by_the_times_of_files_alone(folder: Path) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    assert acquire(folder, OURS, watching=False) is None
    age(folder, 61)
    assert acquire(folder, OURS, watching=False) is not None


def test_a_stopped_process_keeps_its_lease_until_it_expires(
    folder: Path, start: Start, clock: Clock
) -> None:
    other = start(folder, expires_after=60.0)
    assert other.ask("take") == "held"
    other.process.send_signal(signal.SIGSTOP)
    age(folder, 50)
    assert taken_after_watching(folder, clock, expires_after=1.0) is None
    age(folder, 20)
    lease = taken_after_watching(folder, clock, expires_after=1e6)
    assert lease is not None
    other.process.send_signal(signal.SIGCONT)
    assert other.ask("look") == "lost"
    other.ask("go")
    # It neither renews nor removes what is no longer its own.
    assert lease.is_held()


def test_the_clock_of_this_node_does_not_matter(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    for shift in (-1e6, 1e6):
        monkeypatch.setattr(time, "time", lambda shift=shift: shift)
        assert taken_after_watching(folder, clock) is None


def test_a_lease_from_the_future_is_not_held_for_ever(folder: Path, clock: Clock) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    age(folder, -50)
    assert taken_after_watching(folder, clock) is None
    age(folder, -50)
    assert taken_after_watching(folder, clock) is not None


def test_many_threads_that_take_expired_leases_leave_one_holder(folder: Path, clock: Clock) -> None:
    for _ in range(30):
        assert taken(folder, elsewhere()) is not None
        age(folder, 1000)
        contenders = [elsewhere() for _ in range(8)]
        assert [taken(folder, one) for one in contenders] == [None] * 8
        clock.passes(1000)
        barrier = threading.Barrier(8)
        found: list[Lease | None] = []

        def race(barrier: threading.Barrier, found: list[Lease | None], one: Holder) -> None:
            barrier.wait()
            found.append(taken(folder, one))

        threads = [threading.Thread(target=race, args=(barrier, found, c)) for c in contenders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = [lease for lease in found if lease is not None and lease.is_held()]
        assert len(held) == 1
        assert left_over(folder) == []
        held[0].release()


def test_a_lease_renewed_behind_our_back_is_put_back(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = taken(folder, elsewhere())
    assert theirs is not None
    age(folder, 1000)
    watchers = [this_process(), this_process()]
    assert [taken(folder, one) for one in watchers] == [None, None]
    clock.passes(1000)
    is_free = leases._is_free

    def slow(*words: Any) -> bool:
        found = is_free(*words)
        assert found
        theirs.renew()
        return found

    monkeypatch.setattr(leases, "_is_free", slow)
    assert taken(folder, watchers[0]) is None
    assert theirs.is_held()
    assert left_over(folder) == []


def test_a_lease_taken_over_behind_our_back_is_put_back(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(folder, elsewhere()) is not None
    age(folder, 1000)
    watchers = [this_process(), this_process()]
    assert [taken(folder, one) for one in watchers] == [None, None]
    clock.passes(1000)
    is_free = leases._is_free
    quicker: list[Lease | None] = []

    def slow(*words: Any) -> bool:
        found = is_free(*words)
        assert found or quicker
        if not quicker:
            quicker.append(None)
            quicker[0] = taken(folder, watchers[1])
        return found

    monkeypatch.setattr(leases, "_is_free", slow)
    assert taken(folder, watchers[0]) is None
    assert quicker[0] is not None
    assert quicker[0].is_held()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"holder": 1}', '{"holder": {}}', "\xff"])
def test_a_damaged_lease_counts_until_it_expires(folder: Path, clock: Clock, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / LEASE_FILE).write_text(text, encoding="latin-1")
    assert holder_of(folder) is None
    assert taken_after_watching(folder, clock, expires_after=60.0) is None
    age(folder, 100)
    assert taken_after_watching(folder, clock, expires_after=60.0) is not None


@pytest.mark.parametrize("said", [0, -1, "long", None, float("inf"), float("nan")])
def test_a_lease_that_does_not_say_how_long_it_lasts_lasts_as_long_as_ours(
    folder: Path, clock: Clock, said: object
) -> None:
    assert taken(folder, elsewhere()) is not None
    path = folder / LEASE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"expires_after": said}))
    assert taken_after_watching(folder, clock, expires_after=60.0) is None
    age(folder, 100)
    assert taken_after_watching(folder, clock, expires_after=60.0) is not None
