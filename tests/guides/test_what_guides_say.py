"""What guides say beside their blocks is true too, and rendered they name the files to write."""

from __future__ import annotations

import re

import pytest
from support.checkout import ROOT
from support.guides import steps_in, steps_of
from support.markdown_pages import prose

GUIDES = ("adding_a_model.md", "adding_a_study.md")


def _commands(guide: str) -> list[str]:
    """Code in the text that begins as a command; lines of the text may break it."""
    found = re.findall(r"`((?:make|python|source)\s[^`]+)`", prose(ROOT / "docs" / guide))
    return [" ".join(one.split()) for one in found]


@pytest.mark.parametrize("guide", GUIDES)
def test_what_make_shall_make_is_a_target(guide: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    said = [word for line in _commands(guide) if line.startswith("make ") for word in line.split()]
    assert {"make", "env"} <= set(said)
    assert set(said) <= {"make", *targets}


@pytest.mark.parametrize("guide", GUIDES)
def test_what_python_shall_run_exists(guide: str) -> None:
    for line in _commands(guide):
        words = line.split()
        if words[0] == "python":
            assert words[1] == "-m"
            module = ROOT.joinpath(*words[2].split("."))
            assert module.is_dir() or module.with_suffix(".py").is_file(), line
            if words[2] == "workflow_src":
                assert (ROOT / "workflow_src" / "commands" / f"{words[3]}.py").is_file(), line


@pytest.mark.parametrize("guide", GUIDES)
def test_every_file_is_named_in_the_line_before_its_block(guide: str) -> None:
    files = [step.file for step in steps_of(guide) if step.file]
    assert len(files) == len(set(files)) > 2


@pytest.mark.parametrize(
    "before", ["", "Settings:\n\n", "In `a.yaml`.\n\nSettings:\n\n", "In `b/a.yaml`:\n\n"]
)
def test_a_file_that_only_the_title_names_is_refused(before: str) -> None:
    block = '```yaml title="a.yaml"\na: 1\n```\n'
    assert [step.file for step in steps_in("In `a.yaml`:\n\n" + block)] == ["a.yaml"]
    with pytest.raises(AssertionError, match=r"names a\.yaml"):
        list(steps_in(before + block))


def test_what_is_added_to_a_file_is_said_to_go_to_its_end() -> None:
    block = '```yaml title="a.yaml, at its end"\na: 1\n```\n'
    assert [step.adds for step in steps_in("At the end of `a.yaml`:\n\n" + block)] == [True]
    with pytest.raises(AssertionError, match=r"names a\.yaml"):
        list(steps_in("In `a.yaml`:\n\n" + block))
