"""A results folder under way, and what `status` concludes from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.progress import Folder

from workflow_src.status.scanning import Scanner
from workflow_src.status.status import Status, look


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "results")
    made.plan()
    return made


def status_of(folder: Folder) -> Status:
    return look(Scanner(folder.results))
