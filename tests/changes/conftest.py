"""A small package with results of its own, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.world import SOURCES, World

from workflow_src.changes.reasons import Explanation


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which nothing was made yet."""
    package = tmp_path / "code" / "workflow_src"
    for name, text in SOURCES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    root = tmp_path / "root"
    root.mkdir()
    return World(package, root)


@pytest.fixture
def lines() -> Callable[[Explanation, str], set[tuple[str, str]]]:
    """Of a kind of thing (``runs``, ``evaluations``, ``prepared``), all reasons line by line."""

    def found(explanation: Explanation, kind: str) -> set[tuple[str, str]]:
        return {
            (reason.kind, line)
            for reasons in getattr(explanation, kind).values()
            for reason in reasons
            for line in reason.lines
        }

    return found
