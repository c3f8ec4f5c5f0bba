"""Help is grouped by purpose, quick, and named as the program was called; mistakes are guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_src.command_line.commands import GROUPS, command, command_names
from workflow_src.command_line.parsing import MODULE, parse, program

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "pyarrow",
    "shtab",
)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line that does not run."""
    with pytest.raises(SystemExit) as ended:
        parse(words)
    told = capsys.readouterr()
    return int(str(ended.value.code)), told.out, told.err


def test_help_lists_commands_by_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = said(capsys, "--help")
    assert code == 0
    headings = [told.index(f"\n{heading}:\n") for heading in GROUPS.values()]
    assert headings == sorted(headings)
    between = told[headings[0] : headings[1]]
    assert "\n  show " in between
    assert "\n  train " not in between
    assert "\n  train " in told[headings[-1] :]
    assert f"{MODULE} status --watch" in told
    for code in (0, 1, 2, 75, 130, 141):
        assert f"\n  {code:<11} " in told


@pytest.mark.parametrize("name", command_names())
def test_help_of_a_command_has_its_examples_and_codes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, _ = said(capsys, name, "--help")
    assert code == 0
    for line in (line for _, line in command(name).examples):
        assert f"\n  {MODULE} {line}\n" in told
    for number in command(name).codes:
        assert f"\n  {number:<11} " in told


def test_lines_fit_the_window(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, told, _ = said(capsys, "--help")
    assert max(map(len, told.splitlines())) < 60


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("plan", "--confgfile", "a"), "unknown option --confgfile; did you mean --configfile?"),
        (("plan", "--limit-minute=3"), "unknown option --limit-minute; did you mean --limit-m"),
        (("status", "--wacth"), "unknown option --wacth; did you mean --watch?"),
        (("--debgu", "plan"), "unknown option --debgu; did you mean --debug?"),
        (("plan", "--zzz"), "unknown option --zzz; `python -m workflow_src plan --help` lists"),
        (("plan", "table1"), "one word too many: table1"),
        (("train",), "the following arguments are required: --shard, --manifest"),
        (("completion", "fish"), "invalid choice: 'fish'"),
    ],
)
def test_a_wrong_word_is_one_line_that_guesses(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, line = said(capsys, *words)
    assert code == 2
    assert told in line
    assert line.count("\n") == 1


def test_an_option_is_never_guessed_into_effect(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = said(capsys, "prune", "--ye")
    assert (code, "did you mean --yes?" in told) == (2, True)


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/somewhere/bin/density-bench", "density-bench"),
        ("/somewhere/workflow_src/__main__.py", MODULE),
        ("", MODULE),
    ],
)
def test_the_program_is_named_as_it_was_called(
    called: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    assert program() == name
    _, told, _ = said(capsys, "plan", "--help")
    assert told.startswith(f"usage: {name} plan ")
    assert f"\n  {name} plan --json\n" in told


def test_no_help_loads_anything_heavy() -> None:
    """All of them in one process, where every import is added to what came before."""
    program = f"""
import contextlib, io, json, sys
from workflow_src.__main__ import main
from workflow_src.command_line.commands import command_names
for words in [["--help"], *([name, "--help"] for name in command_names())]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(words)
print(json.dumps(sorted(set({HEAVY!r}) & {{name.partition(".")[0] for name in sys.modules}})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == []


def test_the_list_of_commands_imports_none_of_them() -> None:
    program = """
import json, sys
from workflow_src.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print(json.dumps([name for name in sys.modules if name.startswith("workflow_src.commands.")]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
