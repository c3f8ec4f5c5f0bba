"""Which failures may pass when the job is started again: the machine's, and no others.

A mistake in the settings or a fault of the program would only fail again.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from workflow_src.errors import UserError

_OUT_OF_MEMORY = "OutOfMemoryError"
_SAFETENSORS = "SafetensorError"
"""What safetensors raises where Python's own writing would raise an OSError."""

# As torch and CUDA's libraries write it; "cuda:0" in a message about shapes is small on purpose.
_MACHINE = re.compile(
    r"CUDA|cuDNN|CUDNN|cuBLAS|CUBLAS|NCCL|NVIDIA driver"
    r"|can't allocate memory|not enough memory|can't start new thread"
    r"|No space left on device|I/O error|std::bad_alloc"
)
# A library of this machine that could not be loaded now, as the dynamic loader writes it.
_LOADING = re.compile(r"failed to map segment|cannot open shared object file|static TLS")
_PROGRAM = re.compile(r"device-side assert")


_MISTAKES = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)
"""What the operating system says of a wrong path or a missing permission."""


class MachineError(UserError):
    """Something about this machine that another one, or another hour, may not share."""


def is_infrastructure(error: BaseException) -> bool:
    """Whether the machine failed and not the work: a full disk, no memory, a lost device.

    An error counts as what it came from (``raise ... from error``).
    """
    return any(_is_the_machines(one) for one in _causes(error))


def _is_the_machines(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno not in _MISTAKES and not isinstance(error, PermissionError)
    if isinstance(error, (MemoryError, MachineError)):
        return True
    if isinstance(error, ImportError):
        return bool(_LOADING.search(str(error)))
    if any(one.__name__ == _OUT_OF_MEMORY for one in type(error).__mro__):
        return True
    if isinstance(error, RuntimeError) or type(error).__name__ == _SAFETENSORS:
        text = str(error)
        return bool(_MACHINE.search(text)) and not _PROGRAM.search(text)
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__
