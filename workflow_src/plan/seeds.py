"""Seeds from named axes, so that compared runs share what they should share and nothing else.

A random choice names its purpose and the axes it may depend on; equal names give equal seeds in
every process and on every machine. Imports the standard library only: training code uses it.
"""

from __future__ import annotations

import hashlib
import json

Axis = str | int | float | bool | None

_BITS = 63


def seed(purpose: str, **axes: Axis) -> int:
    """A seed in [0, 2**63) that depends on ``purpose`` and on the named ``axes`` alone.

    The order of the axes does not matter; an axis left out is one that the choice ignores. Values
    are told apart as JSON tells them: ``1`` and ``1.0`` are two values.

    Raises
    ------
    TypeError
        Where an axis is not a string, a number, a truth value or None.
    ValueError
        Where an axis is infinite or not a number.
    """
    for name, value in axes.items():
        if not isinstance(value, str | int | float | bool | None):
            raise TypeError(f"axis {name} of seed {purpose!r} is a {type(value).__name__}")
    text = json.dumps(
        {"purpose": purpose, "axes": axes},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _BITS)
