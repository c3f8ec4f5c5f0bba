"""The one kind of console that commands print through."""

from __future__ import annotations

from rich.console import Console


class OutputConsole(Console):
    """A console on which a reader that has gone is a `BrokenPipeError`, as it is for print."""

    def on_broken_pipe(self) -> None:
        """Raise the error again that is being handled; rich itself would end the process with 1."""
        self.quiet = True
        raise
