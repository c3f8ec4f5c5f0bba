"""Checkouts of the project: fresh, finished, and finished to be spoilt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in which nothing has run."""
    return Checkout(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose tiny workflow has run to its end; tests leave its results as they are."""
    made = Checkout(tmp_path_factory.mktemp("finished"))
    made.commit("The project")
    made.snakemake()
    return made


@pytest.fixture
def copy_of_finished(finished: Checkout, tmp_path: Path) -> Checkout:
    """The same as a checkout of one's own, to spoil."""
    copied = Checkout(tmp_path)
    for name in (".git", "data", "results"):
        shutil.copytree(finished.folder / name, tmp_path / name)
    return copied
