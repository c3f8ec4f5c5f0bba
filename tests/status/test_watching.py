"""Watching ends by itself when nothing is left to do."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from support.progress import RUNS, Folder

from workflow_src.status.scanning import Scanner
from workflow_src.status.watching import watch


@pytest.mark.parametrize("terminal", [True, False])
def test_it_looks_again_until_all_is_done(
    terminal: bool, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [lambda: folder.finish_runs(RUNS[0]), folder.finish_everything]
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        steps.pop(0)()

    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=terminal, width=120, height=50)
    status = watch(Scanner(folder.results), 7.0, console, sleep=sleep)
    assert status.progress.is_complete
    assert waited == [7.0, 7.0]
    said = drawn.getvalue() if terminal else capsys.readouterr().out
    places = [said.index(f"{done} of 6 done") for done in (0, 1, 6)]
    assert places == sorted(places)
