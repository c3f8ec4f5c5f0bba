"""Loads all code of a step before its job begins to wait for devices and other jobs.

Python reads a module's file when it is first imported. Hours later that could be an edited file,
whose results would be filed under the code that was planned.
"""

from __future__ import annotations

import importlib

from workflow_src.plan.fingerprints import ENVIRONMENT, Code


def load_code(code: Code) -> None:
    """Import every module of a step's code; afterwards its files may change."""
    for name in code.modules:
        if name != ENVIRONMENT:
            importlib.import_module(name)
