"""A checkout in which nothing has run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout of one's own in which nothing has run."""
    return Checkout(tmp_path)
