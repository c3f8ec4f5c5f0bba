"""A holder renews its leases while it works, and finds out when one is lost."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.leases import age, elsewhere, taken

from workflow_src.jobs import leases
from workflow_src.jobs.leases import LEASE_FILE, Lease, holder_of
from workflow_src.jobs.renewing import RENEWALS, Renewals


def assert_renewed(folder: Path) -> None:
    """Make the lease look old, and wait until it does not."""
    age(folder, 1000)
    before = (folder / LEASE_FILE).stat().st_mtime
    end = time.monotonic() + 60
    while (folder / LEASE_FILE).stat().st_mtime == before:
        assert time.monotonic() < end, "it was never renewed"
        time.sleep(0.01)


def test_a_lease_is_renewed_while_the_process_works(folder: Path) -> None:
    lease = taken(folder, expires_after=0.06)
    assert lease is not None
    for _ in range(2):
        assert_renewed(folder)
    lease.release()


def test_a_renewal_finds_out_that_the_lease_is_lost(folder: Path) -> None:
    lease = taken(folder, elsewhere(), expires_after=3600)
    assert lease is not None
    (folder / LEASE_FILE).unlink()
    assert taken(folder) is not None
    assert not lease.is_lost
    changed = (folder / LEASE_FILE).stat().st_mtime_ns
    lease.renew()
    assert lease.is_lost
    assert (folder / LEASE_FILE).stat().st_mtime_ns == changed


@pytest.mark.parametrize("look", [Lease.renew, Lease.is_held])
def test_a_holder_that_looks_while_a_contender_has_the_lease_in_hand_keeps_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[Lease], object]
) -> None:
    lease = taken(folder)
    assert lease is not None
    path, aside = folder / LEASE_FILE, folder / "aside"
    path.rename(aside)
    waited: list[float] = []

    def pass_time(seconds: float) -> None:
        waited.append(seconds)
        aside.rename(path)

    with monkeypatch.context() as patched:
        patched.setattr(leases.time, "sleep", pass_time)
        look(lease)
    assert waited == [0.5]
    assert lease.is_held()


def test_without_a_thread_to_renew_it_no_lease_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(leases, "RENEWALS", Renewals())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(RuntimeError, match="new thread"):
            taken(folder)
    assert holder_of(folder) is None
    lease = taken(folder, expires_after=0.06)
    assert lease is not None
    assert_renewed(folder)
    lease.release()


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
