"""A checkout of the project of its own for a test, with a tiny study in its config.yaml."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = (
    "LICENSE",
    "Makefile",
    "README.md",
    "Snakefile",
    "environment.yaml",
    "local",
    "profiles",
    "pyproject.toml",
    "requirements.lock",
    "rules",
    "schemas",
    "slurm",
    "workflow_src",
)
CONFIG = "studies: [tiny.yaml]\nseeds: [0]\n"


class Checkout:
    """A copy of the project's files; what runs in it uses its code and this Python's packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PARTS:
            _copy(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests" / "workflow" / "tiny.yaml", folder)
        (folder / "config.yaml").write_text(CONFIG)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line as typed in the checkout with the environment active; stderr is in stdout."""
        folder = Path(sys.executable).parent
        environment = os.environ | {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("DENSITY_BENCH_MIRROR", None)
        return subprocess.run(
            command,
            cwd=self.folder,
            shell=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def snakemake(self, words: str = "") -> str:
        """Run Snakemake with the local profile, which must succeed; return what it said."""
        done = self.shell(f"snakemake --profile local {words}")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def files(self) -> dict[str, bytes]:
        """Every result by its path, but for logs."""
        folder = self.folder / "results"
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "logs" not in path.parts
        }


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copy2(source, target)
