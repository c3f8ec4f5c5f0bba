"""docs/commands.md from the parsers: ``python -m workflow_src.command_line.reference`` writes it.

A test fails when the page is stale.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from workflow_src.command_line.commands import GROUPS, Command, by_group
from workflow_src.command_line.parsing import (
    PROGRAM,
    command_parser,
    paragraphs,
    sentence,
    whole_parser,
)
from workflow_src.exit_codes import ExitCode
from workflow_src.storage import write_text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

_BEGINNING = f"""\
<!-- Made by `make commands` from workflow_src/commands/; change it there. -->

# Commands

`{PROGRAM} COMMAND` and `python -m workflow_src COMMAND` are the same. What people type stands
first; the steps that Snakemake calls also work by hand. `--help` says everything below in the
terminal, in a fraction of a second.

"""

_PROGRESS = """\
## Bars, lines and colours

On a terminal, what takes long shows bars on stderr: how much is done, how fast, the time left, and
in training the best validation bound. Into a pipe or a file, in a job of Snakemake (`--journal`)
and where `TERM=dumb`, there are lines and no bars. `NO_COLOR` takes the colours away.

Once Python itself has started, Ctrl-C ends every command with exit code 130 and a word. What trains
saves its states first and ends with 75; the second Ctrl-C ends it at once. The next start goes on
from what was saved.

"""

_COMPLETION = f"""\
## Completion

```
{PROGRAM} completion bash > ~/.local/share/bash-completion/completions/{PROGRAM}
{PROGRAM} completion zsh > ~/.zfunc/_{PROGRAM}
{PROGRAM} completion tcsh > ~/.{PROGRAM}.tcsh
```

zsh needs `fpath=(~/.zfunc $fpath)` before `compinit` in ~/.zshrc, tcsh a line that sources the file
in ~/.tcshrc. Commands, options, files, studies, experiments, data sets and releases complete from
the next terminal on. Where there is no `{PROGRAM}` and one types `python -m workflow_src`, give
that a name that shells can complete: `alias {PROGRAM}='python -m workflow_src'`.
"""


def page() -> str:
    """The text of docs/commands.md."""
    return "".join([_BEGINNING, *_overview(), _PROGRESS, *_everything(), _COMPLETION])


def _overview() -> Iterator[str]:
    for group, commands in by_group().items():
        yield f"**{sentence(GROUPS.get(group, group)).removesuffix('.')}**\n\n"
        for one in commands:
            yield f"- [`{one.name}`](#{one.name}): {_escaped(one.summary)}\n"
        yield "\n"
    yield "## Options of every command\n\n"
    yield from _options(whole_parser()._actions)
    yield "\n## Exit codes\n\n| Code | What it means |\n| --- | --- |\n"
    for code in ExitCode:
        yield f"| {code.value} | {_escaped(code.meaning)} |\n"
    yield "\n"


def _everything() -> Iterator[str]:
    for group, commands in by_group().items():
        yield f"## {sentence(GROUPS.get(group, group)).removesuffix('.')}\n\n"
        for one in commands:
            yield from _one(one)


def _one(declared: Command) -> Iterator[str]:
    parser = command_parser(declared.name)
    yield f"### {declared.name}\n\n{_escaped(sentence(declared.summary))}\n\n"
    for text in paragraphs(declared.details):
        yield f"{_escaped(text)}\n\n"
    yield "```\n"
    for said, line in declared.examples:
        yield f"# {said}\n{PROGRAM} {line}\n"
    yield "```\n\n"
    own = [action for action in parser._actions if action.dest not in ("help", "debug", "log")]
    yield from _options(own)
    codes = "; ".join(f"{code}: {_escaped(text)}" for code, text in declared.codes.items())
    others = ", ".join(str(code) for code in declared.meanings() if code not in declared.codes)
    yield f"\nExit codes: {f'{codes}; else ' if codes else ''}{others}, as for every command.\n\n"


def _options(actions: Iterable[argparse.Action]) -> Iterator[str]:
    rows = [
        f"| {_called(action)} | {_escaped(_help(action))} |\n"
        for action in actions
        if action.help is not argparse.SUPPRESS
        and not isinstance(action, argparse._SubParsersAction)
    ]
    if rows:
        yield "| Argument | What it does |\n| --- | --- |\n"
        yield from rows


def _called(action: argparse.Action) -> str:
    value = action.metavar or (
        f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""
    )
    if not action.option_strings:
        name = str(value or action.dest)
        return {"?": f"`[{name}]`", "*": f"`[{name} ...]`"}.get(str(action.nargs), f"`{name}`")
    if action.nargs == 0:
        value = ""
    elif not value:
        value = action.dest.upper()
    if action.nargs == "+":
        value = f"{value} ..."
    elif action.nargs == "?":
        value = f"[{value}]"
    words = [f"{option} {value}".strip() for option in action.option_strings]
    return ", ".join(f"`{word}`" for word in words).replace("|", "\\|")


def _help(action: argparse.Action) -> str:
    text = (action.help or "") % {"default": action.default} if action.help else ""
    if action.required and action.option_strings:
        return f"{text} (needed)".strip()
    shown = action.default not in (None, False, [], (), argparse.SUPPRESS)
    if shown and "default" not in (action.help or ""):
        text = f"{text} (left out: {action.default})".strip()
    return text


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    write_text(PAGE, page())
