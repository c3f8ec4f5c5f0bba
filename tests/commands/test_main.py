"""The command line tells mistakes in one line, keeps other tracebacks, and leaves honest codes."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.terminals import ROOT

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
        f"{sys.executable} -m workflow_src show --all | head -n 1",
        cwd=tmp_path,
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "| more than a pipe holds |\n"
    assert done.stderr == ""


TELLING = {
    "plan": """
from workflow_src.commands import plan
plan._rows = lambda plan: [("study",) * 8] * 9
plan._notes = lambda *given: ["more than a pipe holds"] * 100_000
""",
    "show": "",
    "why": """
from workflow_src.commands import why
from workflow_src.changes.telling import say
why.tell = lambda found, console: [say(console, "more than a pipe holds") for _ in range(100_000)]
""",
    "trace": """
from workflow_src.trace import trace
from workflow_src.trace.links import Link
trace.find_run = lambda ground, name: name
trace.trace_run = lambda *given: Link("run", ("more than a pipe holds",) * 100_000, None, ())
""",
    "compare": """
from workflow_src.changes.telling import say
from workflow_src.compare import comparison, telling
comparison.compare = lambda *given, **more: None
def tell(found, console, every):
    for _ in range(100_000):
        say(console, "more than a pipe holds")
telling.tell = tell
""",
}
"""What has a command print more than a pipe holds."""

GIVEN = {"compare": ["first"], "show": ["--all", "--width", "80"], "trace": ["--run", "0"]}


@pytest.mark.parametrize("name", sorted(TELLING))
def test_without_a_reader_the_code_is_the_documented_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("studies: [spvae]\nexperiments: [table1]\nseeds: [0]\n")
    claims = tmp_path / "results" / "tables" / "x_claims.csv"
    claims.parent.mkdir(parents=True)
    for number in range(3000):
        (claims.parent / f"x_table{number}.md").write_text(f"# {'more than a pipe holds ' * 4}\n")
    words = [name, *GIVEN.get(name, [])]
    start = f"import sys\nfrom workflow_src.__main__ import main\nsys.exit(main({words}))"
    program = f"{TELLING[name]}\n{start}"
    (tmp_path / "program.py").write_text(program)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert os.read(reading, 1)
    os.close(reading)
    _, said = process.communicate(timeout=240)
    assert (process.returncode, said) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("is_buffered", [True, False])
@pytest.mark.parametrize("words", [["show"], ["completion", "bash"]], ids=" ".join)
def test_output_to_a_full_disk_is_told_in_one_line(
    words: list[str], is_buffered: bool, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").touch()
    table = tmp_path / "results" / "tables" / "a.md"
    table.parent.mkdir(parents=True)
    table.write_text("# A table\n")
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    more = {} if is_buffered else {"PYTHONUNBUFFERED": "1"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "workflow_src", *words],
            cwd=tmp_path,
            env=inherited | {"PYTHONPATH": str(ROOT)} | more,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: cannot be used (No space left")
    assert done.stderr.count("\n") == 1


def test_a_nameless_system_error_of_another_kind_keeps_its_traceback(
    report_does: Callable[..., None],
) -> None:
    report_does(raising(OSError(errno.ECONNRESET, "reset")))
    with pytest.raises(OSError, match="reset"):
        command_line.main(WORDS)


@pytest.mark.parametrize("name", ["argparse", "workflow_src.errors", "workflow_src.jobs.heartbeat"])
def test_ctrl_c_while_the_program_is_loaded_is_a_word(name: str) -> None:
    program = f"""
import runpy, sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.modules.pop({name!r}, None)
sys.meta_path.insert(0, Pressed())
sys.argv = ["workflow_src", "plan"]
runpy.run_module("workflow_src", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "cancelled\n")


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
