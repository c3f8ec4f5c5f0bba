"""The seal of a membership: a digest of all that it says, so that a changed one is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.storage import digest

SEAL = "membership_digest"


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` with its seal."""
    return content | {SEAL: digest(content)}


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether a membership still says what it said when it was written."""
    rest = {name: one for name, one in content.items() if name != SEAL}
    return bool(content.get(SEAL) == digest(rest))
