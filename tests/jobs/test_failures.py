"""Failures of the machine are told from mistakes and faults, which would only fail again."""

from __future__ import annotations

import errno
import pickle

import pytest
import torch
from safetensors import SafetensorError

from workflow_src.errors import UserError
from workflow_src.jobs.failures import MachineError, is_infrastructure
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
