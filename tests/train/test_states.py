"""States of interrupted runs: whole or not there."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from workflow_src.errors import UserError
from workflow_src.jobs.failures import is_infrastructure
from workflow_src.plan.layout import STATE_FILE
from workflow_src.train.checkpoints import write_tensors
from workflow_src.train.states import discard_state, load_state, save_state

STATE = (
    {"weight": torch.tensor([[1.5, -0.0], [float("inf"), 1e-42]]), "best.weight": torch.ones(3)},
    {
        "step": 128,
        "history": [{"step": 128, "validation_bound": -1.25}],
        "stopping": {"best": -1.25},
    },
)


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save_state(tmp_path / "run", STATE)
    loaded = load_state(tmp_path / "run")
    assert loaded is not None
    tensors, facts = loaded
    assert facts == STATE[1]
    assert tensors.keys() == STATE[0].keys()
    for name, value in STATE[0].items():
        assert torch.equal(tensors[name].view(torch.int32), value.view(torch.int32))


def test_facts_keep_every_digit_and_what_is_below_every_number(tmp_path: Path) -> None:
    facts = {"step": 1, "bound": -0.1 - 0.2, "best": -float("inf")}
    save_state(tmp_path, ({}, facts))
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded[1] == facts


def test_transposed_and_trainable_tensors_are_saved_too(tmp_path: Path) -> None:
    value = torch.arange(6.0).view(2, 3).T.requires_grad_()
    save_state(tmp_path, ({"x": value}, {"step": 1}))
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded[0]["x"], value)


def test_a_new_state_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    save_state(tmp_path, STATE)
    save_state(tmp_path, ({"weight": torch.zeros(1)}, {"step": 256}))
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded[1] == {"step": 256}
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


@pytest.fixture
def small_files() -> Iterator[None]:
    """For a while, this process may write no file of more than 10,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_state_that_does_not_fit_is_told_in_one_line_and_the_last_one_stays(
    tmp_path: Path, small_files: None
) -> None:
    save_state(tmp_path, STATE)
    with pytest.raises(UserError, match="File too large") as told:
        save_state(tmp_path, ({"weight": torch.zeros(10_000)}, {"step": 256}))
    assert is_infrastructure(told.value)
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded[1] == STATE[1]
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_where_nothing_was_saved_there_is_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "run") is None


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_state_cut_short_is_none_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: int
) -> None:
    save_state(tmp_path, STATE)
    path = tmp_path / STATE_FILE
    path.write_bytes(path.read_bytes()[:kept])
    with caplog.at_level(logging.WARNING):
        assert load_state(tmp_path) is None
    assert str(path) in caplog.text
    assert "starts from its beginning" in caplog.text


def test_a_state_that_cannot_be_read_is_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state(tmp_path, STATE)

    def stale(path: Path) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", stale)
        with pytest.raises(UserError, match="Stale file handle") as told:
            load_state(tmp_path)
    assert is_infrastructure(told.value)
    assert load_state(tmp_path) is not None


def test_a_state_that_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        load_state(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o007])
def test_a_state_may_be_read_by_whom_the_user_allows(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        save_state(tmp_path, STATE)
    finally:
        os.umask(before)
    assert (tmp_path / STATE_FILE).stat().st_mode & 0o777 == 0o666 & ~mask


def test_files_are_those_that_safetensors_itself_writes(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(5, 3), "a": torch.zeros(2), "empty": torch.zeros(0, 3)}
    write_tensors(tmp_path / "ours", tensors, {"step": 1})
    save_file(tensors, tmp_path / "theirs", metadata={"facts": '{"step": 1}'})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    write_tensors(tmp_path / "ours", tensors)
    save_file(tensors, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_another_program_s_file_is_not_a_state(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / STATE_FILE)
    assert load_state(tmp_path) is None
    (tmp_path / STATE_FILE).write_text("hello")
    assert load_state(tmp_path) is None


def test_a_discarded_state_leaves_nothing(tmp_path: Path) -> None:
    save_state(tmp_path / "run", STATE)
    discard_state(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    discard_state(tmp_path / "run")
