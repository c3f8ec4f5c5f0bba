"""What a command's exit code means; the same for every command of ``python -m workflow_src``."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes; the text of each is what `--help` prints."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """A member that is a number with its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    FINE = 0, "done, and nothing was found wrong"
    FINDINGS = 1, "audit, compare, release or status found something; accept a difference or no use"
    USER_ERROR = 2, "told in one line: settings, arguments, a missing or damaged file, the machine"
    INTERRUPTED = 75, "stopped by a signal; what was saved goes on at the next start"
    CANCELLED = 130, "cancelled by Ctrl-C"
    NO_READER = 141, "the reader of the output has gone (... | head)"
