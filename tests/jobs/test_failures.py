"""Failures of the machine are told from mistakes and faults, which would only fail again."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from workflow_src.data import prepared
from workflow_src.errors import UserError
from workflow_src.jobs.failures import MachineError, is_infrastructure
from workflow_src.provenance import record
from workflow_src.storage import explain


def from_another(error: Exception, cause: BaseException | None) -> Exception:
    error.__cause__ = cause
    return error


FULL = OSError(errno.ENOSPC, "No space left on device", "results/a")


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        TimeoutError(),
        MemoryError(),
        MachineError("device 'cuda' is not here"),
        from_another(UserError("cannot be used"), FULL),
        from_another(UserError("more"), from_another(UserError("less"), FULL)),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        from_another(UserError("no memory"), torch.OutOfMemoryError("CUDA out of memory")),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("NCCL error in: ProcessGroupNCCL.cpp"),
        RuntimeError("Found no NVIDIA driver on your system."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ESTALE, "Stale file handle", "results/a"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "results/a"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("/opt/libgomp.so.1: cannot open shared object file: Input/output error"),
        ImportError("libgomp.so.1: cannot allocate memory in static TLS block"),
        SafetensorError("Error while serializing: I/O error: No space left on device"),
    ],
)
def test_a_failure_of_the_machine_may_pass(error: BaseException) -> None:
    assert is_infrastructure(error)


@pytest.mark.parametrize(
    "error",
    [
        UserError("unknown device 'tpu'", place="device"),
        ZeroDivisionError(),
        KeyError("seed"),
        AssertionError("no such run"),
        RuntimeError("Expected all tensors to be on the same device, cuda:0 and cpu!"),
        RuntimeError("CUDA error: device-side assert triggered"),
        from_another(UserError("it does not fit"), ValueError("split_step 3")),
        SafetensorError("Error while deserializing header: header too large"),
        ModuleNotFoundError("No module named 'workflow_src.models.spn'"),
        ImportError("cannot import name 'build' from 'workflow_src.models.vae.model'"),
        PermissionError(errno.EACCES, "Permission denied", "results/a"),
        PermissionError("not allowed"),
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "results/a"),
        IsADirectoryError(errno.EISDIR, "Is a directory", "results/a"),
        OSError(errno.EROFS, "Read-only file system", "results/a"),
        OSError(errno.ENAMETOOLONG, "File name too long", "results/a"),
        from_another(UserError("cannot be used"), PermissionError(errno.EPERM, "no", "a")),
    ],
)
def test_what_would_fail_again_is_no_failure_of_the_machine(error: BaseException) -> None:
    assert not is_infrastructure(error)


def test_what_storage_explains_came_from_the_machine() -> None:
    def fail() -> None:
        try:
            raise FULL
        except OSError as error:
            raise explain(error, __file__) from error  # type: ignore[arg-type]

    with pytest.raises(UserError) as caught:
        fail()
    assert is_infrastructure(caught.value)


def test_errors_that_cause_each_other_come_to_an_end() -> None:
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert not is_infrastructure(one)


def test_the_machines_failure_is_told_like_any_other() -> None:
    error = MachineError("it is gone", place="device", remedy="look elsewhere")
    assert str(error) == "device: it is gone; to mend it: look elsewhere"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def unreadable(path: Path) -> str:
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def test_prepared_data_that_cannot_be_read_now_are_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "load_array", unreadable)
    with pytest.raises(UserError, match="Input/output error") as caught:
        prepared._open(tmp_path / "train_images.npy", (1, 1), np.dtype(np.uint8))
    assert "damaged" not in str(caught.value)
    assert "remove" not in str(caught.value)
    assert is_infrastructure(caught.value)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_prepared_data_that_are_cut_short_are_called_damaged(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match="damaged") as caught:
        prepared._open(tmp_path / "a.npy", (1, 1), np.dtype(np.uint8))
    assert not is_infrastructure(caught.value)


def test_an_output_that_cannot_be_read_now_may_be_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "sha256_file", unreadable)
    with pytest.raises(UserError, match="cannot be read") as caught:
        record.describe_file(tmp_path / "checkpoint")
    assert is_infrastructure(caught.value)
