"""Typical mistakes end every command with a code that its help names; Ctrl-C with 130, quietly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.progress import RUNS, Folder
from support.terminals import ROOT, seen

from workflow_src import __main__ as command_line
from workflow_src.command_line.commands import command, command_names

GONE = "results/plan/shards/0123456789abcdef.json"
NEEDED = {
    "accept": ["--since", "no-such-revision", "--why", "x"],
    "compare": ["no-such-release"],
    "completion": ["bash"],
    "evaluate": ["--evaluation", GONE],
    "fetch": ["--data-set", "no_such_data"],
    "prepare": ["--data-set", "no_such_data", "--likelihood", "gaussian"],
    "release": ["first"],
    "report": ["--report", GONE],
    "train": ["--shard", GONE, "--manifest", "m.json"],
    "trace": ["--run", "0"],
}
"""Arguments without which a command does not begin."""

WITHOUT_RESULTS = {
    "accept": (2, "no-such-revision"),
    "audit": (1, ""),
    "compare": (2, "no-such-release"),
    "completion": (0, ""),
    "crate": (2, "there is no finished report"),
    "evaluate": (2, "the file does not exist"),
    "fetch": (2, "unknown data set"),
    "pack": (0, ""),
    "plan": (0, ""),
    "prepare": (2, "unknown data set"),
    "prune": (0, ""),
    "release": (2, "a release needs a commit"),
    "report": (2, "the file does not exist"),
    "show": (2, "there are no tables yet"),
    "status": (2, "there is no plan yet"),
    "trace": (2, "there are no runs yet"),
    "train": (2, "the file does not exist"),
    "why": (0, ""),
}
"""How each command ends in a project of settings alone, and what it says there."""

READS_SETTINGS = sorted(
    set(command_names()) - {"completion", "evaluate", "fetch", "prepare", "report", "train"}
)


def ended(*words: str) -> int:
    try:
        return int(command_line.main(list(words)))
    except SystemExit as error:
        return int(str(error.code))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DENSITY_BENCH_MIRROR", raising=False)
    (tmp_path / "config.yaml").write_text("studies: [spvae]\nexperiments: [table1]\nseeds: [0]\n")
    return tmp_path


def words_of(name: str) -> list[str]:
    return [name, *NEEDED.get(name, [])]


@pytest.mark.parametrize("name", command_names())
@pytest.mark.parametrize("extra", [["--no-such-option"], ["--log"]], ids=str)
def test_wrong_options_are_user_errors(name: str, extra: list[str]) -> None:
    assert ended(*words_of(name), *extra) == 2


@pytest.mark.parametrize("name", command_names())
def test_in_an_empty_project_a_command_ends_as_documented(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = WITHOUT_RESULTS[name]
    assert ended(*words_of(name)) == code
    told = capsys.readouterr().err
    assert said in told
    assert ("error" in told) == (code == 2)
    assert code in command(name).meanings()


@pytest.mark.parametrize("name", READS_SETTINGS)
@pytest.mark.parametrize(
    "settings",
    ["seeds: [0", "seedz: [0]\n", "studies: [no_such_study]\n", "data_sets: [mnits]\n"],
)
def test_settings_that_cannot_be_are_user_errors(
    name: str, settings: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "config.yaml").write_text(settings)
    assert ended(*words_of(name)) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", READS_SETTINGS)
def test_a_settings_file_that_is_not_there_is_a_user_error(name: str) -> None:
    assert ended(*words_of(name), "--configfile", "gone.yaml") == 2


@pytest.fixture
def folder(project: Path) -> Folder:
    made = Folder(project / "results")
    made.plan()
    made.finish_runs(RUNS[0])
    return made


def when(words: str) -> Callable[[str], bytes | None]:
    """Press Ctrl-C when that is to be read."""
    return lambda text: b"\x03" if words in text else None


def test_ctrl_c_ends_watching_quietly(folder: Folder) -> None:
    told = seen(
        ["-m", "workflow_src", "status", "--watch", "600"],
        folder.results.parent,
        press=when("1/6 runs"),
    )
    assert told.code == 130
    assert told.lines[-1] == "cancelled"
    assert "Traceback" not in told.text
    assert told.raw.count("\x1b[?25l") == told.raw.count("\x1b[?25h"), "the cursor is back"


SLOW = """
import sys, time
from workflow_src import __main__ as command_line
from workflow_src.commands import {name}
def slow(*words, **more):
    print("working", flush=True)
    time.sleep(600)
{name}.build_plan = slow
sys.exit(command_line.main(["{name}"]))
"""


@pytest.mark.parametrize("name", ["plan", "audit", "why"])
def test_ctrl_c_is_a_word_and_no_traceback(name: str, project: Path) -> None:
    told = seen(["-c", SLOW.format(name=name)], project, press=when("working"))
    assert told.code == 130
    assert told.lines[0].startswith("working")
    assert told.lines[-1] == "cancelled"
    assert "Traceback" not in told.text


def test_ctrl_c_while_a_command_is_loaded_is_a_word_too(project: Path) -> None:
    program = """
import sys, time
from workflow_src import __main__ as command_line
from workflow_src.command_line import parsing
def loading(name):
    print("loading", flush=True)
    time.sleep(600)
parsing.functions = loading
sys.exit(command_line.main(["plan"]))
"""
    told = seen(["-c", program], project, press=when("loading"))
    assert (told.code, told.lines[-1]) == (130, "cancelled")
    assert "Traceback" not in told.text


def test_codes_are_those_of_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src", "plna"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
