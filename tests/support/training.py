"""The world around a trainer in tests: hooks that count, remember and interrupt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflow_src.train.training import Hooks


@dataclass
class World:
    """Hooks that count steps, keep states as copies, and may ask to stop."""

    stop_after_steps: int | None = None
    steps: int = 0
    states: dict[int, Any] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)

    def hooks(self) -> Hooks:
        return Hooks(
            save=self.states.__setitem__,
            saving_is_due=lambda: True,
            stop_is_wanted=self._stop_is_wanted,
            progress=self.told.append,
        )

    def _stop_is_wanted(self) -> bool:
        if self.stop_after_steps is not None and self.steps >= self.stop_after_steps:
            return True
        self.steps += 1
        return False
