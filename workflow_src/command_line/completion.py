"""Completion for shells, as a script that the shell reads once.

Names that come with the program (studies, experiments, data sets) are written into the script;
releases are listed when the key is pressed. What takes a path completes files.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import shtab

from workflow_src.command_line.parsing import whole_parser
from workflow_src.config.data_sets import DATA_SETS
from workflow_src.config.studies import load_study, study_names

SHELLS = ("bash", "zsh", "tcsh")

_DEVICES = ("cpu", "cuda", "cuda:0", "cuda:1")
_FOLDERS = ("DIR", "DIRECTORY")

_RELEASED = (("release", "name"),)
"""Arguments that name a release."""

_SIDES = (("compare", "before"), ("compare", "after"))
"""Arguments that name a release or a path."""

_RELEASES = {
    "bash": "_density_bench_releases",
    "zsh": "_density_bench_releases",
    "tcsh": "`ls releases`",
}
"""How each shell lists the releases that are there."""

_RELEASES_AND_FILES = {
    "bash": "_density_bench_sides",
    "zsh": "_density_bench_sides",
    "tcsh": "`ls releases`",
}
"""Where a release or a path may stand; tcsh has one source for a word, and offers releases."""

_PREAMBLES = {
    "bash": """\
_density_bench_releases() {
  compgen -W "$(ls releases 2>/dev/null)" -- "$1"
}
_density_bench_sides() {
  _density_bench_releases "$1"
  compgen -f -- "$1"
}
""",
    "zsh": """\
_density_bench_releases() {
  compadd -- $(ls releases 2>/dev/null)
}
_density_bench_sides() {
  _density_bench_releases
  _files
}
""",
    "tcsh": "",
}


def script(shell: str) -> str:
    """The script that completes the command line in ``shell``, one of `SHELLS`."""
    parser = whole_parser()
    for name, below in _commands(parser).items():
        for action in below._actions:
            _complete(name, action)
    for action in parser._actions:
        _complete("", action)
    return str(shtab.complete(parser, shell=shell, preamble=_PREAMBLES[shell])) + "\n"


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    (below,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(below.choices)


def _complete(name: str, action: argparse.Action) -> None:
    """Tell shtab what an argument of a command may be; the parser refuses nothing more by that."""
    if action.choices is not None or action.nargs == 0:
        return
    if (name, action.dest) in _RELEASED:
        action.complete = _RELEASES  # type: ignore[attr-defined]
    elif (name, action.dest) in _SIDES:
        action.complete = _RELEASES_AND_FILES  # type: ignore[attr-defined]
    elif choices := _choices(name, action.dest):
        action.choices = choices
    elif action.type is Path:
        kind = shtab.DIRECTORY if action.metavar in _FOLDERS else shtab.FILE
        action.complete = kind  # type: ignore[attr-defined]


def _choices(name: str, argument: str) -> tuple[str, ...]:
    if argument == "device":
        return _DEVICES
    if argument == "data_set":
        return tuple(sorted(DATA_SETS))
    wanted = (name, argument)
    if wanted == ("show", "what"):
        return (*study_names(), *_experiments(), *_of_studies("/"))
    if wanted == ("why", "what"):
        return (*_experiments(), *_of_studies("/"))
    if wanted == ("trace", "table"):
        return (*_experiments(), *_of_studies("/"), *_of_studies("_"))
    return ()


def _experiments() -> tuple[str, ...]:
    names = {name for study in study_names() for name in load_study(study).experiments}
    return tuple(sorted(names))


def _of_studies(between: str) -> tuple[str, ...]:
    """Every experiment with its study before it, as commands and as files name tables."""
    return tuple(
        f"{study}{between}{name}"
        for study in study_names()
        for name in load_study(study).experiments
    )
