"""What SLURM's words for the state of a job mean here, and which of them the plugin understands."""

from __future__ import annotations

import enum

_PERHAPS_REQUEUED = frozenset({"NODE_FAIL", "PREEMPTED"})
_KNOWN_FAILURES = frozenset(
    {"BOOT_FAIL", "CANCELLED", "DEADLINE", "ERROR", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}
)
"""Failures that the plugin knows as such; others are told to it as FAILED."""
_OTHER_FAILURES = frozenset({"LAUNCH_FAILED", "RECONFIG_FAIL", "REVOKED"})


class Kind(enum.Enum):
    """What a state means for whoever waits for the job."""

    GOING_ON = enum.auto()
    PERHAPS_REQUEUED = enum.auto()
    """SLURM requeues such a job within seconds, or it is lost."""
    DONE = enum.auto()
    FAILED = enum.auto()


def plain(word: str) -> str:
    """A state without what sacct adds: ``CANCELLED by 0`` and ``CANCELLED+`` are CANCELLED."""
    first = word.split()[:1]
    return first[0].rstrip("+") if first else ""


def kind(state: str) -> Kind:
    """What a state, as `plain` gives it, means; one that nobody knows yet goes on."""
    if state == "COMPLETED":
        return Kind.DONE
    if state in _PERHAPS_REQUEUED:
        return Kind.PERHAPS_REQUEUED
    if state in _KNOWN_FAILURES | _OTHER_FAILURES:
        return Kind.FAILED
    return Kind.GOING_ON


def for_plugin(state: str) -> str:
    """The word for ``state`` that the plugin acts upon as it should."""
    match kind(state):
        case Kind.PERHAPS_REQUEUED:
            return "PENDING"
        case Kind.FAILED:
            return state if state in _KNOWN_FAILURES else "FAILED"
        case _:
            return state
