"""Writes requirements.lock and environment.yaml from what is installed: exact versions, no more.

Neither names an index, carries hashes or local version labels such as ``+cpu``, so that a site may
install its own build of torch. ``make lock`` calls this; a test compares the two files.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = "density-bench"
EXTRA = "develop"

LOCK = ROOT / "requirements.lock"
CONDA = ROOT / "environment.yaml"

LOCK_HEADING = """\
# Exact versions of everything that the project and its tests need; made by `make lock`.
# Install with `pip install -r requirements.lock`, from whatever index your site prefers.
"""
CONDA_HEADING = """\
# The same versions as requirements.lock for `snakemake --software-deployment-method conda`;
# made by `make lock`.
name: density-bench
channels: [conda-forge]
dependencies:
  - python >=3.11,<3.14
  - pip
  - pip:
"""


def main() -> None:
    """Write both files."""
    pins = pinned()
    LOCK.write_text(lock_text(pins))
    CONDA.write_text(conda_text(pins))


def pinned() -> list[str]:
    """``name==version`` of every package that the project needs here, sorted by name."""
    names: dict[str, str] = {}
    waiting = [(name, "") for name in declared()]
    seen = set()
    while waiting:
        text, extra = waiting.pop()
        if (text, extra) in seen:
            continue
        seen.add((text, extra))
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        name = canonicalize_name(requirement.name)
        names[name] = distribution.version.partition("+")[0]
        for wanted in ("", *sorted(requirement.extras)):
            waiting += [(needed, wanted) for needed in distribution.requires or []]
    return [f"{name}=={version}" for name, version in sorted(names.items())]


def declared() -> list[str]:
    """What pyproject.toml asks for, with the extra that developers need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"][EXTRA]]


def lock_text(pins: list[str]) -> str:
    """The text of requirements.lock."""
    return LOCK_HEADING + "".join(f"{pin}\n" for pin in pins)


def conda_text(pins: list[str]) -> str:
    """The text of environment.yaml."""
    return CONDA_HEADING + "".join(f"      - {pin}\n" for pin in pins)


if __name__ == "__main__":
    main()
