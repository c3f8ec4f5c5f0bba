"""Every command declares what it is for, with examples that work and codes that it may end with."""

from __future__ import annotations

import argparse
import shlex

import pytest

from workflow_src.command_line.commands import GROUPS, by_group, command, command_names
from workflow_src.command_line.parsing import COMMON, TYPICAL, command_parser, parse, whole_parser

NAMES = command_names()


def test_the_commands_that_people_know_are_there() -> None:
    assert {"show", "audit", "plan", "status", "why", "accept", "pack", "train"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does_in_one_line(name: str) -> None:
    declared = command(name)
    assert declared.group in GROUPS
    assert declared.summary
    assert len(f"  {name:<11} {declared.summary}") <= 80, "it fits a narrow terminal"
    assert not declared.summary.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_command_line_that_parses(name: str) -> None:
    declared = command(name)
    assert 1 <= len(declared.examples) <= 4
    for said, line in declared.examples:
        assert said
        words = shlex.split(line.partition(" > ")[0])
        assert words[0] == name
        assert callable(parse(words).run)


def test_the_typical_lines_parse() -> None:
    assert len(TYPICAL) == 3
    for said, line in TYPICAL:
        assert said
        assert callable(parse(shlex.split(line)).run)


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_has_its_help(name: str) -> None:
    silent = [
        action.dest
        for action in command_parser(name)._actions
        if not action.help and action.dest not in COMMON
    ]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_the_codes_of_a_command_are_numbers_with_a_meaning(name: str) -> None:
    declared = command(name)
    assert all(isinstance(code, int) and text for code, text in declared.codes.items())
    assert {0, 2, 130, 141} <= declared.meanings().keys()


def test_every_command_is_in_one_group_and_in_the_whole_parser() -> None:
    listed = [one.name for commands in by_group().values() for one in commands]
    assert sorted(listed) == NAMES
    (below,) = (a for a in whole_parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert sorted(below.choices) == NAMES
