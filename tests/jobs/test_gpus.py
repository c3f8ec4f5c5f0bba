"""Jobs that share a node choose different GPUs, and let go of them by ending, however they end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workflow_src.jobs import gpus
from workflow_src.jobs.gpus import claim_gpu, visible_gpus

ROOT = Path(__file__).parents[2]

CLAIMER = """
import logging, sys
from workflow_src.jobs.gpus import claim_gpu
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
print(claim_gpu(sys.argv[1].split(","), seconds=0.01), flush=True)
sys.stdin.read()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place for locks, and a process that has claimed none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpus, "_claimed", {})
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a process that claims one GPU of those named and keeps it."""
    started: list[subprocess.Popen[str]] = []

    def begin(names: str = "0,1") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIMER, names],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ("0", ("0",)),
        ("2,0", ("2", "0")),
        (" 1 , 3", ("1", "3")),
        ("GPU-aa,MIG-bb/1/0", ("GPU-aa", "MIG-bb/1/0")),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        # As CUDA has it: devices after an invalid one do not count, nor do repeated ones.
        ("1,-1,2", ("1",)),
        ("1,1,2", ("1",)),
    ],
)
def test_the_variable_says_which_gpus_there_are(
    told: str, seen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible_gpus() == seen


LISTING = """GPU 0: NVIDIA H200 (UUID: GPU-a)
  MIG 1g.18gb     Device  0: (UUID: MIG-b)
GPU 1: NVIDIA H200 (UUID: GPU-c)
"""


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (f"cat <<'EOF'\n{LISTING}EOF", ("0", "1")),
        ("echo 'No devices found.'", ()),
        ("exit 9", ()),
        (None, ()),
    ],
)
def test_without_the_variable_the_driver_is_asked(
    script: str | None, seen: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if script is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == seen


def test_processes_choose_different_gpus_and_further_ones_wait(start: Start) -> None:
    first, second = start(), start()
    assert {line(first), line(second)} == {"0", "1"}
    third = start()
    assert "all 2 GPUs are at work" in line(third)
    # Killed, not ended: nothing has to be cleaned up.
    second.kill()
    second.wait()
    assert line(third) in ("0", "1")
    assert third.poll() is None


def test_names_are_what_is_locked_not_positions(start: Start) -> None:
    assert line(start("3,5")) == "0"
    assert line(start("5,3")) == "0"
    assert line(start("3,5,7")) == "2"


def test_a_process_that_asks_again_gets_the_same_one(folder: Path, start: Start) -> None:
    assert line(start()) == "0"
    assert claim_gpu(["0", "1"]) == 1
    assert claim_gpu(["0", "1"]) == 1
    assert claim_gpu(["1", "0"]) == 0


def test_waiting_can_be_given_up(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    assert line(start("0")) == "0"
    asked = []

    class GivenUpError(Exception):
        pass

    def give_up() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise GivenUpError

    caplog.set_level("INFO")
    with pytest.raises(GivenUpError):
        claim_gpu(["0"], while_waiting=give_up, seconds=0.0)
    assert caplog.text.count("are at work") == 1


def test_programs_that_a_job_starts_do_not_hold_its_gpu(folder: Path, start: Start) -> None:
    assert claim_gpu(["0"]) == 0
    child = subprocess.Popen(["sleep", "600"])
    try:
        waiting = start("0")
        assert "are at work" in line(waiting)
        os.close(gpus._claimed["0"])
        assert line(waiting) == "0"
    finally:
        child.kill()
        child.wait()


def test_a_folder_of_somebody_else_is_not_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "elsewhere").mkdir()
    (folder / f"density-bench-gpu-{os.getuid()}").symlink_to(folder / "elsewhere")
    assert claim_gpu(["0", "1"]) == 0
    assert "using the first GPU" in caplog.text
    assert list((folder / "elsewhere").iterdir()) == []


def test_where_there_are_no_locks_the_first_is_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / f"density-bench-gpu-{os.getuid()}").write_text("a file")
    assert claim_gpu(["0", "1"]) == 0
    assert "using the first GPU" in caplog.text


def test_many_at_once_never_share(start: Start) -> None:
    processes = [start("0,1,2,3") for _ in range(4)]
    assert sorted(line(process) for process in processes) == ["0", "1", "2", "3"]


def test_a_name_with_slashes_is_a_name(folder: Path) -> None:
    assert claim_gpu(["MIG-GPU-a/1/0", "0"]) == 0
    names = [path.name for path in (folder / f"density-bench-gpu-{os.getuid()}").iterdir()]
    assert names == ["MIG-GPU-a_1_0.lock"]


def test_a_gpu_that_becomes_free_is_found_while_waiting(folder: Path, start: Start) -> None:
    holder = start("0")
    assert line(holder) == "0"
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(claim_gpu(["0"], seconds=0.01)))
    thread.start()
    time.sleep(0.05)
    assert found == []
    holder.kill()
    thread.join(60)
    assert found == [0]
