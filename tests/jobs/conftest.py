"""Other processes that hold leases, and time that passes when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.leases import Clock, Other, Start

from workflow_src.jobs import leases


@pytest.fixture
def start() -> Iterator[Start]:
    """Start another process; all of them end with the test."""
    started: list[Other] = []

    def begin(folder: Path, expires_after: float = 3600.0, **variables: str) -> Other:
        started.append(Other(folder, expires_after, **variables))
        return started[-1]

    yield begin
    for other in started:
        other.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "states" / "0123456789abcdef"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which contenders watch leases."""
    made = Clock()
    monkeypatch.setattr(leases, "_clock", made)
    return made
