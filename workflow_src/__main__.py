"""The command line: ``python -m workflow_src COMMAND``, one command per file in commands/.

A command's file is imported when it is called and not before, so that planning never waits for
torch. What a user can mend is told in one line; everything else keeps its traceback.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workflow_src.config.conflicts import refuse_conflict
from workflow_src.errors import UserError
from workflow_src.exit_codes import ExitCode
from workflow_src.jobs.heartbeat import Journal, StoppedError, stopping_on_signals
from workflow_src.provenance.record import ATTEMPT_VARIABLE
from workflow_src.storage import explain

COMMANDS = Path(__file__).parent / "commands"

_COMMON = ("debug", "log", "attempt", "journal")

log = logging.getLogger("workflow_src")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that ``words`` (the command line) name; return its exit code."""
    try:
        arguments = _parse(sys.argv[1:] if words is None else words)
    except SyntaxError as error:
        print(f"error: {_code_error(error)}", file=sys.stderr)
        return ExitCode.USER_ERROR
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
    except KeyboardInterrupt:
        log.error("cancelled")
        return ExitCode.CANCELLED
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


def command_names() -> list[str]:
    """The commands that there are, by the names of their files."""
    return sorted(path.stem for path in COMMANDS.glob("*.py") if path.stem != "__init__")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    common = _common_options()
    top = argparse.ArgumentParser(
        prog="python -m workflow_src",
        description="One command per step of the workflow; Snakemake calls most of them.",
        epilog=_summary(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
        allow_abbrev=False,
    )
    top.add_argument("command", nargs="?", help="one of those below; `COMMAND --help` explains it")
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = top.parse_args(words)
    if given.command is None:
        top.print_help(sys.stderr)
        top.exit(ExitCode.USER_ERROR)
    if given.command not in command_names():
        top.exit(ExitCode.USER_ERROR, f"{_unknown(given.command)}\n")
    module = importlib.import_module(f"workflow_src.commands.{given.command}")
    parser = argparse.ArgumentParser(
        prog=f"python -m workflow_src {given.command}",
        description=(module.__doc__ or "").partition(": ")[2],
        parents=[common],
        allow_abbrev=False,
    )
    parser.set_defaults(run=module.run)
    module.configure(parser)
    unset = argparse.Namespace(**dict.fromkeys(_COMMON))
    arguments = parser.parse_args(given.rest, namespace=unset)
    for name in _COMMON:
        setattr(arguments, name, getattr(given, name, getattr(arguments, name)))
    return arguments


def _common_options() -> argparse.ArgumentParser:
    """Options of every command; they may stand before or after its name."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--debug", action="store_true", help="show tracebacks of user errors")
    common.add_argument("--log", type=Path, metavar="FILE", help="write messages to FILE as well")
    common.add_argument("--attempt", type=int, metavar="N", help="recorded: Snakemake's attempt")
    common.add_argument("--journal", type=Path, metavar="FILE", help="tell there how the job goes")
    return common


def _unknown(command: str) -> str:
    names = command_names()
    near = difflib.get_close_matches(command, names, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"unknown command {command!r}; {guess}there are {', '.join(names)}"


def _summary() -> str:
    """Every command with the first sentence of its file, which is read and not imported."""
    lines = ["commands:"]
    for name in command_names():
        path = COMMANDS / f"{name}.py"
        said = ast.get_docstring(ast.parse(path.read_text(), filename=str(path))) or ""
        lines.append(f"  {name:<10} {said.splitlines()[0].partition(': ')[2]}" if said else name)
    lines.append("exit codes:")
    lines += [f"  {code.value:<10} {code.meaning}" for code in ExitCode]
    return "\n".join(lines)


def _open_log(file: Path | None) -> None:
    """Messages go to stderr, short; and to ``file``, with their time."""
    terminal = logging.StreamHandler()
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.NO_READER
    if error.filename is None or error.errno is None:
        raise error
    return _tell(explain(error, Path(os.fsdecode(error.filename))), debug)


if __name__ == "__main__":
    sys.exit(main())
