"""A real SLURM for each process of tests, and checkouts whose Snakemake works on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.cluster_checkout import ClusterCheckout
from support.processes import nothing_left_in
from support.slurm import Slurm, missing_programs, running_slurm

CONFIG = "studies: [slow.yaml]\nseeds: [0]\nshard: {maximum_runs: 1}\n"
"""Two runs of one model, each with a job of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each start of Snakemake on a SLURM has its own patience, and tests start it several times."""
    for item in items:
        if item.get_closest_marker("slurm") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def one_slurm() -> Iterator[Slurm]:
    """The SLURM of this process."""
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)} here (Debian: slurmctld slurmd slurm-client munge)")
    # Not below pytest's folder: the paths of sockets must be short.
    temporary = tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)
    with temporary as folder, running_slurm(Path(folder)) as slurm:
        yield slurm


@pytest.fixture
def slurm(one_slurm: Slurm) -> Slurm:
    """A SLURM that has nothing to do, whatever the test before did to it."""
    one_slurm.restore()
    return one_slurm


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The study without SLURM and without any disturbance: what the others are to end as."""
    made = Checkout(tmp_path_factory.mktemp("undisturbed"))
    slow_study(made)
    made.snakemake()
    return made


@pytest.fixture
def make_cluster(undisturbed: Checkout, slurm: Slurm) -> Callable[[Path], ClusterCheckout]:
    """Makes checkouts with the study and its data, and no results."""

    def make(folder: Path) -> ClusterCheckout:
        folder.mkdir(exist_ok=True)
        made = ClusterCheckout(folder, slurm)
        slow_study(made)
        shutil.copytree(undisturbed.folder / "data", folder / "data")
        return made

    return make


@pytest.fixture
def cluster(
    make_cluster: Callable[[Path], ClusterCheckout], tmp_path: Path
) -> Iterator[ClusterCheckout]:
    """A checkout with the study and its data, and no results; nothing in it outlives the test."""
    made = make_cluster(tmp_path / "checkout")
    with nothing_left_in(made.folder):
        yield made
        # Before what works here is killed, as SLURM would start it again.
        made.slurm.restore()


def slow_study(checkout: Checkout) -> None:
    """Ask for the study of two trainings, which save their states all the time."""
    shutil.copy(Path(__file__).with_name("slow.yaml"), checkout.folder)
    (checkout.folder / "config.yaml").write_text(CONFIG)
    # Where a state is saved changes no result, only where an interrupted run goes on.
    replace(
        checkout.folder / "rules" / "train.smk",
        (" --threads {threads}", " --threads {threads} --save-every 0"),
    )


def replace(path: Path, *changes: tuple[str, str]) -> None:
    """Exchange pieces of a file, each of which stands there once."""
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} in {path}"
        text = text.replace(old, new)
    path.write_text(text)
