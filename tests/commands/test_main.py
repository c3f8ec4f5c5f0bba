"""The command line tells mistakes in one line, keeps other tracebacks, and leaves honest codes."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_src import __main__ as command_line
from workflow_src.command_line.commands import command_names
from workflow_src.commands import report
from workflow_src.errors import UserError

WORDS = ["report", "--report", "membership.json"]


@pytest.fixture
def report_does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Have the command `report` do something else."""

    def replace(action: Callable[[], int]) -> None:
        monkeypatch.setattr(report, "run", lambda arguments: action())

    return replace


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


def test_the_exit_code_is_the_commands(report_does: Callable[..., None]) -> None:
    report_does(lambda: 7)
    assert command_line.main(WORDS) == 7


def test_a_user_error_is_one_line_and_exit_code_2(
    report_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    report_does(raising(UserError("it is gone", place="a.json", remedy="bring it back")))
    assert command_line.main(WORDS) == 2
    assert capsys.readouterr().err == "error: a.json: it is gone; to mend it: bring it back\n"


@pytest.mark.parametrize("words", [["--debug", *WORDS], [*WORDS, "--debug"]])
def test_debug_shows_where_a_user_error_came_from(
    words: list[str], report_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    report_does(raising(UserError("it is gone")))
    assert command_line.main(words) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_told_in_one_line(
    report_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    report_does(raising(OSError(errno.ENOSPC, "No space left on device", "results/a.csv")))
    assert command_line.main(WORDS) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "results/a.csv" in line
    assert "free some space" in line


def test_cancelling_is_exit_code_130(report_does: Callable[..., None]) -> None:
    report_does(raising(KeyboardInterrupt()))
    assert command_line.main(WORDS) == 130


def test_a_fault_of_the_program_keeps_its_traceback(
    report_does: Callable[..., None], tmp_path: Path
) -> None:
    report_does(raising(ZeroDivisionError("ours")))
    file = tmp_path / "a.log"
    with pytest.raises(ZeroDivisionError):
        command_line.main([*WORDS, "--log", str(file)])
    assert "ZeroDivisionError: ours" in file.read_text()


def test_the_log_file_has_times_and_the_terminal_has_not(
    report_does: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def action() -> int:
        command_line.log.info("half of it")
        return 0

    report_does(action)
    file = tmp_path / "deep" / "a.log"
    assert command_line.main(["--log", str(file), *WORDS]) == 0
    assert capsys.readouterr().err == "half of it\n"
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO workflow_src: half of it\n"
    assert re.fullmatch(pattern, file.read_text())


def test_the_log_of_a_failed_job_outlives_its_removal(
    report_does: Callable[..., None], tmp_path: Path
) -> None:
    def action() -> int:
        command_line.log.info("half of it")
        return 75

    file = tmp_path / "a.log"
    words = [*WORDS, "--log", str(file), "--attempt", "1"]
    report_does(action)
    assert command_line.main(words) == 75
    file.unlink()
    (kept,) = tmp_path.glob("a.*.log")
    assert kept.read_text().endswith("half of it\n")

    kept.unlink()
    report_does(lambda: 0)
    assert command_line.main(words) == 0
    assert list(tmp_path.glob("a*.log")) == [file]


@pytest.mark.parametrize(
    ("given", "near"), [("trian", "did you mean train?"), ("plann", "did you mean plan?")]
)
def test_an_unknown_command_suggests_the_nearest(
    given: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main([given])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert near in line


def test_no_command_shows_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main([])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert all(name in told for name in command_names())


@pytest.mark.parametrize("name", command_names())
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main([name, "--help"])
    assert ended.value.code == 0
    assert f"workflow_src {name}" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    table = tmp_path / "results" / "tables" / "a.md"
    table.parent.mkdir(parents=True)
    table.write_text("| more than a pipe holds |\n" * 100_000)
    done = subprocess.run(
        f"{sys.executable} -m workflow_src show | head -n 1",
        cwd=tmp_path,
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "| more than a pipe holds |\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("commands/plan.py", "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other\n", "conflict"),
        ("plan/plan.py", "x = 0\n<<<<<<< HEAD\nx = 1\n=======\n>>>>>>> other\n", "plan.py:2"),
        ("plan/plan.py", "x = (\n", "does not parse"),
    ],
)
def test_code_that_python_cannot_read_is_one_line(
    module: str, text: str, said: str, tmp_path: Path
) -> None:
    root = Path(command_line.__file__).parent
    package = tmp_path / "workflow_src"
    shutil.copytree(root, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / module).write_text(text)
    command = [sys.executable, "-m", "workflow_src", "plan"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr
    assert str(package / module) in done.stderr
    assert done.stderr.count("\n") == 1
