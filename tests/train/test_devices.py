"""A job that may use several GPUs takes one; the rest is as for any other device."""

from __future__ import annotations

import pytest
import torch

from workflow_src.errors import UserError
from workflow_src.jobs.failures import MachineError, is_infrastructure
from workflow_src.train import devices
from workflow_src.train.devices import open_job_device


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of devices that were opened; none of them has to be there."""
    names: list[str] = []

    def open_device(name: str, threads: int) -> torch.device:
        names.append(name)
        return torch.device(name)

    monkeypatch.setattr(devices, "open_device", open_device)
    return names


def free(position: int) -> object:
    def claim(names: tuple[str, ...], **more: object) -> int:
        assert len(names) > 1
        return position

    return claim


@pytest.mark.parametrize(
    ("name", "visible", "expected"),
    [
        ("cuda", ("4", "6"), "cuda:1"),
        ("cuda", ("4",), "cuda"),
        ("cuda", (), "cuda"),
        ("cuda:0", ("4", "6"), "cuda:0"),
        ("cpu", ("4", "6"), "cpu"),
    ],
)
def test_only_a_choice_is_made_where_there_is_one(
    name: str,
    visible: tuple[str, ...],
    expected: str,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "visible_gpus", lambda: visible)
    monkeypatch.setattr(devices, "claim_gpu", free(1))
    assert str(open_job_device(name, 1)) == expected
    assert opened == [expected]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_missing_gpu_is_the_machines_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(MachineError, match=f"device '{name}' is not here") as caught:
            open_job_device(name, 1)
        assert is_infrastructure(caught.value)


def test_an_unknown_device_is_a_mistake() -> None:
    with pytest.raises(UserError, match="unknown device 'tpu'") as caught:
        open_job_device("tpu", 1)
    assert not is_infrastructure(caught.value)
