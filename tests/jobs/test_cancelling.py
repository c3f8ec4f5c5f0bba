"""The last line after Ctrl-C is the command that was typed."""

from __future__ import annotations

import signal

import pytest

from workflow_src.jobs.cancelling import end_in_order

WORDS = ["--profile", "local", "--configfile", "my paper.yaml"]


@pytest.mark.parametrize("by_make", [False, True])
def test_the_last_line_names_the_command(
    by_make: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    at_exit: list[object] = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.delenv("MAKELEVEL", raising=False)
    if by_make:
        monkeypatch.setenv("MAKELEVEL", "1")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        end_in_order(WORDS)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    (last,) = at_exit
    assert callable(last)
    last()
    told = capfd.readouterr().err.splitlines()[-1]
    typed = "start it again: snakemake --profile local --configfile 'my paper.yaml'"
    assert told.endswith(typed + (", or the same make command" if by_make else ""))
