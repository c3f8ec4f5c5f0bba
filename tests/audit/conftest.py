"""A finished tiny workflow, and a copy of it that tests spoil and mend."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.spoiling import World


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A committed checkout whose tiny workflow has run to its end; tests leave it as it is."""
    made = Checkout(tmp_path_factory.mktemp("finished"))
    made.commit("The project")
    made.snakemake()
    return made


@pytest.fixture
def world(finished: Checkout, tmp_path: Path) -> Iterator[World]:
    """The same as a working directory of the test's own."""
    folder = tmp_path / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)
    mirror = os.environ.pop("DENSITY_BENCH_MIRROR", None)
    with contextlib.chdir(folder):
        yield World(folder)
    if mirror is not None:
        os.environ["DENSITY_BENCH_MIRROR"] = mirror


@pytest.fixture
def copy_of_finished(world: World) -> Checkout:
    """The world as a checkout in which commands run."""
    return Checkout(world.folder)
