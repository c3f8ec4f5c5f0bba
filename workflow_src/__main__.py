"""The command line: ``python -m workflow_src COMMAND``, one command per file in commands/.

A command's file is imported when it is called and not before, so that planning never waits for
torch. What a user can mend is told in one line; everything else keeps its traceback.
"""

from __future__ import annotations

import sys

try:
    import argparse
    import errno
    import logging
    import os
    import time
    from collections.abc import Sequence
    from datetime import UTC, datetime
    from pathlib import Path
    from typing import TextIO

    from workflow_src.command_line.commands import FOLDER as COMMANDS
    from workflow_src.command_line.parsing import parse
    from workflow_src.config.conflicts import refuse_conflict
    from workflow_src.errors import UserError
    from workflow_src.exit_codes import ExitCode
    from workflow_src.jobs.heartbeat import Journal, StoppedError, stopping_on_signals
    from workflow_src.provenance.record import ATTEMPT_VARIABLE
    from workflow_src.storage import explain
except KeyboardInterrupt:
    # These imports are most of the first tenth of a second; main() is not there yet.
    print("cancelled", file=sys.stderr)
    sys.exit(130)

log = logging.getLogger("workflow_src")

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What may befall a write to standard output that goes to a file."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that ``words`` (the command line) name; return its exit code."""
    given = sys.argv[1:] if words is None else words
    try:
        return _execute(_parsed(given))
    except OSError as error:
        return _tell_system_error(error, "--debug" in given)
    except SyntaxError as error:
        print(f"error: {_code_error(error)}", file=sys.stderr)
        return ExitCode.USER_ERROR
    except KeyboardInterrupt:
        if sys.stderr.isatty() and "--journal" not in given:
            # Below what the terminal echoes of the key.
            print(file=sys.stderr)
        log.error("cancelled")
        return ExitCode.CANCELLED


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """The arguments; help that was asked for is printed whole, or the error is told."""
    try:
        return parse(given)
    finally:
        sys.stdout.flush()


def _execute(arguments: argparse.Namespace) -> int:
    """Run the parsed command, tell how it ended where that is not well; its exit code."""
    if arguments.attempt is not None:
        os.environ[ATTEMPT_VARIABLE] = str(arguments.attempt)
    try:
        _open_log(arguments.log)
        second = None if arguments.attempt is None else _second_name(arguments.log)
        code = _run(arguments)
        if second is not None and code == ExitCode.FINE:
            second.unlink(missing_ok=True)
        return code
    except StoppedError as error:
        log.warning("stopped by %s; start snakemake again as before", error)
        return ExitCode.INTERRUPTED
    except UserError as error:
        return _tell(error, arguments.debug)
    except SyntaxError as error:
        return _tell(_code_error(error), arguments.debug)
    except OSError as error:
        return _tell_system_error(error, arguments.debug)
    except Exception:
        # To the log file alone: Python itself shows the traceback on the terminal.
        log.critical("failed", exc_info=True, extra={"file_only": True})
        raise


def _run(arguments: argparse.Namespace) -> int:
    """Run the command; with a journal, signals end it in an orderly way that its entry tells."""
    if arguments.journal is None:
        code = int(arguments.run(arguments))
    else:
        with Journal(arguments.journal, attempt=arguments.attempt) as journal:
            with stopping_on_signals():
                code = int(arguments.run(arguments))
            journal.end_with_code(code)
    sys.stdout.flush()
    return code


def _second_name(file: Path | None) -> Path | None:
    """Give the log of a job that may fail another name too: Snakemake removes it when it repeats.

    None where that cannot be had.
    """
    if file is None:
        return None
    second = file.with_name(f"{file.stem}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.log")
    try:
        second.hardlink_to(file)
    except OSError:
        return None
    return second


class _Terminal(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment: bars put something of their own in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """Standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        raise AttributeError("it is always standard error")


def _open_log(file: Path | None) -> None:
    """Messages go to stderr, short; and to ``file``, with their time."""
    terminal = _Terminal()
    terminal.setFormatter(logging.Formatter("%(message)s"))
    terminal.addFilter(lambda record: not getattr(record, "file_only", False))
    handlers: list[logging.Handler] = [terminal]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = logging.FileHandler(file, encoding="utf-8")
        form = logging.Formatter(
            "%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ"
        )
        form.converter = time.gmtime
        written.setFormatter(form)
        handlers.append(written)
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    log.setLevel(logging.INFO)


def _tell(error: UserError, debug: bool) -> int:
    log.error("error: %s", error, exc_info=debug)
    return ExitCode.USER_ERROR


def _code_error(error: SyntaxError) -> UserError:
    """Code of this project that Python cannot read, such as after a merge with conflicts."""
    path = Path(error.filename or "")
    if not path.is_file() or not path.is_relative_to(COMMANDS.parent):
        raise error
    try:
        refuse_conflict(path.read_text(errors="replace"), str(path), line_sign=":")
    except UserError as conflict:
        return conflict
    place = f"{path}:{error.lineno}"
    return UserError(f"the code does not parse ({error.msg})", place=place, remedy="mend that line")


def _tell_system_error(error: OSError, debug: bool) -> int:
    """A full disk, a missing permission: told as if storage had met it."""
    if isinstance(error, BrokenPipeError):
        # The reader of our output has gone (`... | head`); nobody is left to tell.
        _drop_output()
        return ExitCode.NO_READER
    if error.errno is None:
        raise error
    if error.filename is not None:
        return _tell(explain(error, Path(os.fsdecode(error.filename))), debug)
    if error.errno not in _OF_THE_DISK:
        raise error
    # What is written to files is told with their names; printing has none.
    _drop_output()
    return _tell(explain(error, Path("standard output")), debug)


def _drop_output() -> None:
    """Let nothing more of what was printed go anywhere, nor fail when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
