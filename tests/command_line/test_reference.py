"""docs/commands.md is what the parsers say."""

from __future__ import annotations

import pytest

from workflow_src.command_line.commands import command, command_names
from workflow_src.command_line.reference import PAGE, page


def test_the_page_is_as_the_parsers_are() -> None:
    assert PAGE.read_text() == page(), "run `make commands`"


def section(name: str) -> str:
    """The part of the page on one command."""
    _, _, rest = PAGE.read_text().partition(f"\n### {name}\n")
    return rest.partition("\n## ")[0].partition("\n### ")[0]


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_its_section_with_examples(name: str) -> None:
    told = section(name)
    for said, line in command(name).examples:
        assert f"# {said}\ndensity-bench {line}\n" in told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status", ("`--watch [SECONDS]`", "`--json`", "`--results DIR`", "1: a job failed")),
        ("train", ("`--shard FILE` | which runs (from the plan) (needed)", "`--journal FILE`")),
        ("pack", ("`--checkpoints {winners,all}`", "(left out: winners)")),
        ("show", ("`[NAME ...]`", "`--width COLUMNS`", "0, 2, 130, 141")),
    ],
)
def test_a_section_has_options_and_codes(name: str, words: tuple[str, ...]) -> None:
    told = section(name)
    assert [word for word in words if word not in told] == []
