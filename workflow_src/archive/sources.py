"""Texts of code as they are kept: below a first line, a comment, that holds their own digest.

They are named by the digest of their meaning, which comments do not change; the first line makes
every other byte tell as well.
"""

from __future__ import annotations

import hashlib

_HEADING = b"# sha256 of what follows: "


def sealed(text: bytes) -> bytes:
    """A module's text below its digest."""
    return _HEADING + hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def unsealed(kept: bytes) -> bytes:
    """The module's text again, whether its digest fits or not."""
    return kept.partition(b"\n")[2] if kept.startswith(_HEADING) else kept


def is_sealed(kept: bytes) -> bool:
    """Whether a kept text is byte for byte what was kept."""
    return kept == sealed(unsealed(kept))
