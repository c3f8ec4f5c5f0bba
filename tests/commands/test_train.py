"""Training stops on a signal in an orderly way, and says how to go on."""

from __future__ import annotations

import io
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workflow_src import __main__ as command_line
from workflow_src.commands.train import StopSignal
from workflow_src.train import shard
from workflow_src.train.training import InterruptedTrainingError

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
WORDS = ["train", "--shard", "a.json", "--manifest", "b.json", "--device", "cpu", "--threads", "3"]


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_makes_a_stop_wanted(number: signal.Signals) -> None:
    stop = StopSignal()
    assert not stop.is_wanted()
    os.kill(os.getpid(), number)
    assert stop.is_wanted()
    assert stop.name == number.name


def test_the_same_signal_again_ends_at_once() -> None:
    StopSignal()
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


class WrittenWhenItComes(io.RawIOBase):
    """Takes text, and has the signal come in the middle of the first piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        if len(self.pieces) == 1:
            signal.raise_signal(signal.SIGINT)
        return len(self.pieces[-1])


def test_a_signal_in_the_middle_of_a_message_waits_for_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = WrittenWhenItComes()
    handler = logging.StreamHandler(io.TextIOWrapper(io.BufferedWriter(raw)))
    log = logging.getLogger("workflow_src")
    log.addHandler(handler)
    try:
        stop = StopSignal()
        log.warning("step 8")
        assert stop.is_wanted()
        assert stop.is_wanted()
    finally:
        log.removeHandler(handler)
    assert b"".join(raw.pieces).decode().splitlines() == ["step 8", "SIGINT: stopping"]
    assert "reentrant" not in capsys.readouterr().err


def test_an_interrupted_shard_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(membership: Path, manifest: Path, options: shard.ShardOptions) -> None:
        assert not options.stop_is_wanted()
        os.kill(os.getpid(), signal.SIGTERM)
        assert options.stop_is_wanted()
        raise InterruptedTrainingError

    monkeypatch.setattr(shard, "train_shard", train)
    assert command_line.main(WORDS) == 75
    told = capsys.readouterr().err
    assert "SIGTERM" in told
    assert "start snakemake again" in told


def test_the_arguments_reach_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def train(membership: Path, manifest: Path, options: shard.ShardOptions) -> None:
        seen.update(membership=membership, manifest=manifest, options=options)

    monkeypatch.setattr(shard, "train_shard", train)
    assert command_line.main(WORDS) == 0
    assert (seen["membership"], seen["manifest"]) == (Path("a.json"), Path("b.json"))
    assert (seen["options"].device, seen["options"].threads) == ("cpu", 3)


def test_an_unknown_device_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    membership = tmp_path / "a.json"
    membership.write_text('{"schema": 1, "digest": "00", "runs": []}')
    words = ["train", "--shard", str(membership), "--manifest", str(tmp_path / "b.json")]
    assert command_line.main([*words, "--device", "tpu"]) == 2
    assert "unknown device 'tpu'" in capsys.readouterr().err
    assert not (tmp_path / "b.json").exists()
