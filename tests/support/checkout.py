"""A checkout of the project of its own for a test, with a tiny study in its config.yaml."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "Snakefile",
    "dvc.yaml",
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
NOT_TYPED = ("DENSITY_BENCH_MIRROR", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""What this process may have of make or of a user, and a shell that a test types in has not."""

PERSON = {"NAME": "Nobody", "EMAIL": "nobody@example.org"}


class Checkout:
    """A copy of the project's files; what runs in it uses its code and this Python's packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if (folder / "Snakefile").exists():
            return
        for name in PARTS:
            _copy(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests" / "workflow" / "tiny.yaml", folder)
        (folder / "config.yaml").write_text(CONFIG)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a shell in the checkout."""
        folder = Path(sys.executable).parent
        person = {f"GIT_{r}_{k}": v for r in ("AUTHOR", "COMMITTER") for k, v in PERSON.items()}
        environment = os.environ | {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "DVC_GLOBAL_CONFIG_DIR": str(self.folder / ".dvc" / "tmp"),
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc" / "tmp"),
            **person,
        }
        for name in NOT_TYPED:
            environment.pop(name, None)
        return environment

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line as typed in the checkout with the environment active; stderr is in stdout."""
        return subprocess.run(
            command,
            cwd=self.folder,
            shell=True,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def must(self, command: str) -> str:
        """As `shell`, for a line that must succeed; return what it said."""
        done = self.shell(command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def snakemake(self, words: str = "") -> str:
        """Run Snakemake with the local profile, which must succeed; return what it said."""
        return self.must(f"snakemake --profile local {words}")

    def commit(self, message: str) -> str:
        """Commit every file that is not ignored, in a repository made on first use; return it."""
        self.must("git init --quiet && git add --all")
        self.must(f"git commit --quiet --allow-empty --message {shlex.quote(message)}")
        return self.must("git rev-parse HEAD").strip()

    def clone(self, folder: Path) -> Checkout:
        """A clone of what is committed."""
        self.must(f"git clone --quiet . {shlex.quote(str(folder))}")
        return Checkout(folder)

    def files(self) -> dict[str, bytes]:
        """Every result by its path, but for logs, the journal of jobs and the lock's file."""
        folder = self.folder / "results"
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            and path.relative_to(folder).parts[0] not in ("logs", "jobs")
            and path.name != ".lock"
        }


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copy2(source, target)
