"""What all tests share: one thread of arithmetic, and a finished workflow to spoil."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.checkout import Checkout
from support.judged_world import JudgedWorld, judged_world, without_mirror
from support.spoiling import World

os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says nothing about right or wrong, and on a busy machine a lot about
# the others on it. In CI the same examples are tried every time.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def numerical_settings() -> Iterator[None]:
    """A job sets its process up; here other tests share the process."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        torch.use_deterministic_algorithms(False)
        torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A committed checkout whose tiny workflow has run to its end; tests leave it as it is."""
    made = Checkout(tmp_path_factory.mktemp("finished"))
    made.commit("The project")
    made.snakemake()
    return made


@pytest.fixture
def copy_of_finished(finished: Checkout, tmp_path: Path) -> Checkout:
    """The same as a checkout of one's own, to spoil."""
    folder = tmp_path / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Checkout(folder)


@pytest.fixture
def world(copy_of_finished: Checkout) -> Iterator[World]:
    """A checkout to spoil as the working directory of this process."""
    mirror = os.environ.pop("DENSITY_BENCH_MIRROR", None)
    with contextlib.chdir(copy_of_finished.folder):
        yield World(copy_of_finished.folder)
    if mirror is not None:
        os.environ["DENSITY_BENCH_MIRROR"] = mirror


@pytest.fixture(scope="session")
def finished_judged(tmp_path_factory: pytest.TempPathFactory) -> JudgedWorld:
    """A workflow with judges, all of it made but the report; tests leave it as it is."""
    made = judged_world(tmp_path_factory.mktemp("judged"))
    with without_mirror():
        made.make()
    return made


@pytest.fixture
def judged(finished_judged: JudgedWorld, tmp_path: Path) -> JudgedWorld:
    """The same in a directory of one's own, to spoil."""
    folder = tmp_path / "judged"
    shutil.copytree(finished_judged.root, folder)
    return replace(finished_judged, root=folder, study=copy.deepcopy(finished_judged.study))
