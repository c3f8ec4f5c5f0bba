"""The software that a result was made with: Python, the locked packages and their versions.

Recorded with every result, and no part of any fingerprint; versions are read from the installed
packages' metadata, so nothing is imported for it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import re
from pathlib import Path
from typing import Any

LOCK_NAMES = ("requirements.lock", "requirements.txt")


@functools.cache
def describe_environment(root: Path) -> dict[str, Any]:
    """Python, platform, and the versions installed of the packages that the lock names.

    Without a lock at ``root``, every installed package is listed. Read once per process.
    """
    lock = next((root / name for name in LOCK_NAMES if (root / name).is_file()), None)
    text = lock.read_bytes() if lock else b""
    names = _locked_names(text.decode(errors="replace")) if lock else None
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "lock": {"name": lock.name, "sha256": hashlib.sha256(text).hexdigest()} if lock else None,
        "packages": _versions(names),
    }


def _locked_names(text: str) -> set[str]:
    matches = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line) for line in text.splitlines())
    return {_normal(match[1]) for match in matches if match}


def _versions(names: set[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        # The first one on the path is the one that an import finds.
        if name and (names is None or _normal(name) in names):
            found.setdefault(_normal(name), distribution.version)
    return dict(sorted(found.items()))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
