"""How a run ends, from its history: it diverges, or its trainer's stopping rule says so.

Every trainer has a module ``stopping`` with a function ``ended``, an `Ended`. No tensors here or
there: the audit follows them too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, float]

Ended = Callable[[Mapping[str, Any], Sequence[float], int], str | None]
"""Of a canonical spec, the bounds of all validations in nats and the steps taken: why training is
over, or None where it goes on."""


def verdict(
    ended: Ended, spec: Mapping[str, Any], history: Sequence[Row]
) -> tuple[str, str] | None:
    """``(state, reason)`` of a run with that history once it is over, else None."""
    last = history[-1]
    for name in ("training_bound", "validation_bound"):
        if not math.isfinite(last[name]):
            named = name.replace("_", " ")
            return "diverged", f"the {named} was {last[name]} at step {last['step']}"
    bounds = [row["validation_bound"] for row in history]
    reason = ended(spec, [one for one in bounds if math.isfinite(one)], int(last["step"]))
    return None if reason is None else ("completed", reason)
