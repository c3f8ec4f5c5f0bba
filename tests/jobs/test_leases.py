"""One job at a time has a run, told by real processes that hold, stop, die and race."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.errors import UserError
from workflow_src.jobs import leases
from workflow_src.jobs.holders import Holder, this_process
from workflow_src.jobs.leases import LEASE_FILE, Lease, acquire, holder_of
from workflow_src.jobs.renewing import RENEWALS, Renewals

ROOT = Path(__file__).parents[2]

# Takes a lease, says whether it has it, and holds it until it is told to go or to look.
HOLDER = """
import json, sys, time
from pathlib import Path
from workflow_src.jobs.leases import acquire
from workflow_src.jobs.holders import this_process

folder, expires_after = Path(sys.argv[1]), float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
lease = acquire(folder, this_process(), expires_after=expires_after)
print("held" if lease else "refused", flush=True)
for line in sys.stdin:
    if line.strip() == "look":
        print("held" if lease and lease.is_held() else "lost", flush=True)
    else:
        lease.release()
        print("released", flush=True)
"""


class Other:
    """Another process that takes a lease when it is told to."""

    def __init__(self, folder: Path, expires_after: float = 3600.0, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), str(expires_after)],
            cwd=ROOT,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.heard() == "ready"

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, word: str) -> str:
        self.say(word)
        return self.heard()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


Start = Callable[..., Other]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start another process; all of them end with the test."""
    started: list[Other] = []

    def begin(folder: Path, expires_after: float = 3600.0, **variables: str) -> Other:
        started.append(Other(folder, expires_after, **variables))
        return started[-1]

    yield begin
    for other in started:
        other.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "states" / "0123456789abcdef"


def age(folder: Path, seconds: float) -> None:
    """Make a lease older by so many seconds."""
    path = folder / LEASE_FILE
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def elsewhere(**changes: Any) -> Holder:
    """A holder on another node: nobody here can see whether it lives."""
    return dataclasses.replace(this_process(), boot="another boot", **changes)


def taken(folder: Path, holder: Holder | None = None, expires_after: float = 120.0) -> Lease | None:
    return acquire(
        folder, this_process() if holder is None else holder, expires_after=expires_after
    )


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LEASE_FILE)


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


def test_a_stopped_process_keeps_its_lease_until_it_expires(folder: Path, start: Start) -> None:
    other = start(folder, expires_after=60.0)
    assert other.ask("take") == "held"
    other.process.send_signal(signal.SIGSTOP)
    age(folder, 50)
    assert taken(folder, expires_after=1.0) is None
    age(folder, 20)
    lease = taken(folder, expires_after=1e6)
    assert lease is not None
    other.process.send_signal(signal.SIGCONT)
    assert other.ask("look") == "lost"
    other.ask("go")
    # It neither renews nor removes what is no longer its own.
    assert lease.is_held()


def test_the_clock_of_this_node_does_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    for shift in (-1e6, 1e6):
        monkeypatch.setattr(time, "time", lambda shift=shift: shift)
        assert taken(folder) is None


def test_a_lease_from_the_future_is_not_held_for_ever(folder: Path) -> None:
    assert taken(folder, elsewhere(), expires_after=60.0) is not None
    age(folder, -50)
    assert taken(folder) is None
    age(folder, -50)
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


def test_many_threads_that_take_expired_leases_leave_one_holder(folder: Path) -> None:
    for _ in range(30):
        assert taken(folder, elsewhere()) is not None
        age(folder, 1000)
        barrier = threading.Barrier(8)
        found: list[Lease | None] = []

        def race(barrier: threading.Barrier, found: list[Lease | None]) -> None:
            barrier.wait()
            found.append(taken(folder, elsewhere()))

        threads = [threading.Thread(target=race, args=(barrier, found)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = [lease for lease in found if lease is not None and lease.is_held()]
        assert len(held) == 1
        assert left_over(folder) == []
        held[0].release()


def test_a_lease_renewed_behind_our_back_is_put_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = taken(folder, elsewhere())
    assert theirs is not None
    age(folder, 1000)
    is_free = leases._is_free

    def slow(*words: Any) -> bool:
        found = is_free(*words)
        theirs.renew()
        return found

    monkeypatch.setattr(leases, "_is_free", slow)
    assert taken(folder) is None
    assert theirs.is_held()
    assert left_over(folder) == []


def test_a_lease_taken_over_behind_our_back_is_put_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(folder, elsewhere()) is not None
    age(folder, 1000)
    is_free = leases._is_free
    quicker: list[Lease | None] = []

    def slow(*words: Any) -> bool:
        found = is_free(*words)
        if not quicker:
            quicker.append(None)
            quicker[0] = taken(folder, elsewhere())
        return found

    monkeypatch.setattr(leases, "_is_free", slow)
    assert taken(folder) is None
    assert quicker[0] is not None
    assert quicker[0].is_held()


def test_a_lease_is_renewed_while_the_process_works(folder: Path) -> None:
    lease = taken(folder, expires_after=0.06)
    assert lease is not None
    for _ in range(2):
        age(folder, 1000)
        before = (folder / LEASE_FILE).stat().st_mtime
        end = time.monotonic() + 60
        while (folder / LEASE_FILE).stat().st_mtime == before:
            assert time.monotonic() < end, "it was never renewed"
            time.sleep(0.01)
    lease.release()


def test_a_renewal_finds_out_that_the_lease_is_lost(folder: Path) -> None:
    lease = taken(folder, elsewhere(), expires_after=3600)
    assert lease is not None
    age(folder, 7200)
    assert taken(folder) is not None
    assert not lease.is_lost
    changed = (folder / LEASE_FILE).stat().st_mtime_ns
    lease.renew()
    assert lease.is_lost
    assert (folder / LEASE_FILE).stat().st_mtime_ns == changed


def test_a_lease_whose_folder_went_is_lost(folder: Path) -> None:
    lease = taken(folder)
    assert lease is not None
    shutil.rmtree(folder)
    lease.renew()
    assert lease.is_lost
    lease.release()


def test_while_the_file_system_does_not_answer_a_lease_is_what_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = taken(folder)
    assert lease is not None

    def gone(*words: Any, **more: Any) -> int:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", gone)
        assert lease.is_held()
        with pytest.raises(OSError, match="Stale"):
            lease.renew()
    assert lease.is_held()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"holder": 1}', '{"holder": {}}', "\xff"])
def test_a_damaged_lease_counts_until_it_expires(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / LEASE_FILE).write_text(text, encoding="latin-1")
    assert holder_of(folder) is None
    assert taken(folder, expires_after=60.0) is None
    age(folder, 100)
    assert taken(folder, expires_after=60.0) is not None


@pytest.mark.parametrize("said", [0, -1, "long", None, float("inf"), float("nan")])
def test_a_lease_that_does_not_say_how_long_it_lasts_lasts_as_long_as_ours(
    folder: Path, said: object
) -> None:
    assert taken(folder, elsewhere()) is not None
    path = folder / LEASE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"expires_after": said}))
    assert taken(folder, expires_after=60.0) is None
    age(folder, 100)
    assert taken(folder, expires_after=60.0) is not None


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


@given(seconds=st.lists(st.floats(0.5, 50), min_size=1, max_size=4))
def test_the_renewing_thread_ends_with_the_last_lease(seconds: list[float]) -> None:
    class Counted:
        def __init__(self, expires_after: float) -> None:
            self.expires_after = expires_after
            self.is_lost = False

        def renew(self) -> None:
            self.is_lost = True

    renewals = Renewals()
    for one in [Counted(each) for each in seconds]:
        renewals.begin(one)
        thread = renewals._thread
        assert thread is not None
        assert thread.is_alive()
        renewals.end(one)
    thread.join(60)
    assert not thread.is_alive()


def test_nothing_is_left_to_renew(folder: Path) -> None:
    lease = taken(folder)
    assert lease is not None
    assert lease in RENEWALS._due
    lease.release()
    assert lease not in RENEWALS._due
