"""The report of a small real workflow, copied to an unrelated folder, and a browser to read it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support import chromium
from support.page_world import Report, reported_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = f"needs one of {', '.join(chromium.PROGRAMS)} (Debian: chromium fonts-dejavu-core)"
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(chromium.program() is None, reason=reason))


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Tests leave it as it is."""
    root = tmp_path_factory.mktemp("workflow")
    reported_world(root)
    folder = tmp_path_factory.mktemp("elsewhere") / "a copy"
    shutil.copytree(root / "results" / "report", folder)
    return Report(folder, root)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium.started() as made:
        yield made


@pytest.fixture
def reader(browser: Browser) -> Iterator[Callable[..., chromium.Visit]]:
    """Makes readers; none of them may have had anything to complain of."""
    visits: list[Any] = []

    def make(**options: Any) -> chromium.Visit:
        visits.append(chromium.visit(browser, **options))
        made: chromium.Visit = visits[-1].__enter__()
        complaints.append(made.complaints)
        return made

    complaints: list[list[str]] = []
    yield make
    for one in visits:
        one.__exit__(None, None, None)
    assert [text for said in complaints for text in said] == []
