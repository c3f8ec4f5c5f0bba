"""The disk of the results is full for a while: what is half written is never taken for whole."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout
from support.processes import nothing_left_in
from support.slurm import LONG_FORM, eventually
from support.wholeness import assert_one_more_start_completes, run_records

pytestmark = pytest.mark.slurm

MEGABYTES = 16


@pytest.fixture
def small_disk(
    make_cluster: Callable[[Path], ClusterCheckout], tmp_path: Path
) -> Iterator[ClusterCheckout]:
    """A checkout whose results lie on a small file system of their own."""
    made = make_cluster(tmp_path / "checkout")
    results = made.folder / "results"
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(results)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        with nothing_left_in(made.folder):
            yield made
            made.slurm.restore()
    finally:
        # Lazily, as a process that was killed a moment ago may still have a file open there.
        subprocess.run(["umount", "--lazy", str(results)], check=True)


def test_a_full_disk_ends_the_job_and_room_on_it_lets_the_next_start_complete(
    small_disk: ClusterCheckout, undisturbed: Checkout
) -> None:
    with small_disk.driving("--retries 0") as driver:
        trainings = [small_disk.held(driver), small_disk.held(driver)]
        ballast = fill(small_disk.folder / "results")
        for training in trainings:
            training.go_on()
        assert small_disk.end(driver) == 1
    assert "No space left on device" in small_disk.said()
    assert run_records(small_disk) == {}
    ballast.unlink()
    assert_one_more_start_completes(small_disk, undisturbed)


@LONG_FORM
def test_room_on_the_disk_comes_while_the_job_is_sent_again(
    small_disk: ClusterCheckout, undisturbed: Checkout
) -> None:
    with small_disk.driving() as driver:
        training = small_disk.held(driver)
        ballast = fill(small_disk.folder / "results")
        training.go_on()
        eventually(training.has_ended, driver)
        ballast.unlink()
        assert small_disk.end(driver) == 0, small_disk.said()
    assert_one_more_start_completes(small_disk, undisturbed)


def fill(folder: Path) -> Path:
    """Write a file in a folder until not a byte more goes there."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while stream.write(bytes(size)) > 0:
                    pass
            except OSError:
                continue
    return path
