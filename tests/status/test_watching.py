"""Watching ends by itself when nothing is left to do."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from support.progress import RUNS, SHARDS, Folder

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


def looks(folder: Folder, *steps: Callable[[], object]) -> int:
    """How many looks were taken until watching ended; ``steps`` happen between them."""
    left = [*steps]
    taken = [1]

    def sleep(seconds: float) -> None:
        taken.append(1)
        left.pop(0)()

    watch(Scanner(folder.results), 7.0, Console(file=io.StringIO()), sleep=sleep)
    return len(taken)


def nothing() -> None:
    pass


def test_it_ends_where_something_failed_and_nothing_is_under_way(folder: Folder) -> None:
    folder.say(SHARDS[0], "failed", reason="-")
    assert looks(folder, *[nothing] * 9) == 3


@pytest.mark.parametrize("state", ["running", "queued"])
def test_it_goes_on_while_something_is_under_way(state: str, folder: Folder) -> None:
    folder.say(SHARDS[0], "failed", reason="-")

    def sent_again() -> None:
        folder.say(SHARDS[0], state)

    def failed_again() -> None:
        folder.say(SHARDS[0], "failed", reason="-")

    # Three looks in a row begin anew after each sign of life.
    steps = [nothing, sent_again, nothing, failed_again, *[nothing] * 9]
    assert looks(folder, *steps) == 7


def test_it_goes_on_between_jobs_where_nothing_failed(folder: Folder) -> None:
    assert looks(folder, *[nothing] * 9, folder.finish_everything) == 11
