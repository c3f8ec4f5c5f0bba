"""`show` prints the tables that there are and the places of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.terminals import seen

from workflow_src import __main__ as command_line


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("directories: {results: elsewhere}\n")
    return tmp_path


def test_without_tables_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["show"]) == 2
    told = capsys.readouterr().err
    assert "elsewhere/tables" in told
    assert "snakemake --profile local" in told


def test_tables_first_then_the_places_that_exist(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = project / "elsewhere" / "tables"
    tables.mkdir(parents=True)
    (tables / "b.md").write_text("| second |\n")
    (tables / "a.md").write_text("| first |\n")
    (project / "elsewhere" / "metrics.parquet").touch()
    assert command_line.main(["show", "--all"]) == 0
    told = capsys.readouterr().out
    assert told.index("| first |") < told.index("| second |") < told.index("metrics.parquet")
    assert "figures" not in told


def test_claims_come_after_the_tables_and_in_short(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = project / "elsewhere" / "tables"
    tables.mkdir(parents=True)
    (tables / "x_table.md").write_text("| a number |\n")
    (tables / "x_claims.md").write_text("# Claims\n\n| holds |\n\n## One of them\n\nat length\n")
    assert command_line.main(["show", "--all"]) == 0
    told = capsys.readouterr().out
    assert told.index("| a number |") < told.index("| holds |") < told.index("x_claims.md")
    assert "at length" not in told


CLAIMS = """\
claim,scope,protocol,stream,verdict
a,published,,,holds
a,paper,authors,full,fails
b,paper,authors,full,not_run
c,paper,authors,full,fails
a,elsewhere,authors,full,holds
"""


@pytest.fixture
def two_studies(project: Path) -> Path:
    """The tables of two studies, of which one has a table more."""
    tables = project / "elsewhere" / "tables"
    tables.mkdir(parents=True)
    for study in ("one", "other"):
        (tables / f"{study}_table1.md").write_text(f"# T\n\n| first of {study} |\n| {'-' * 40} |\n")
        text = f"# Claims of {study}\n\n| in short |\n\n## A\n\nat length, {study}\n"
        (tables / f"{study}_claims.md").write_text(text)
        (tables / f"{study}_claims.csv").write_text(CLAIMS)
    (tables / "other_table12.md").write_text("| twelfth |\n")
    report = project / "elsewhere" / "report" / "index.html"
    report.parent.mkdir()
    report.touch()
    return tables


Asked = Callable[..., str]


@pytest.fixture
def asked(two_studies: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    def ask(*words: str, code: int = 0) -> str:
        assert command_line.main(["show", *words]) == code
        told = capsys.readouterr()
        return told.err if code else told.out

    return ask


def test_it_opens_with_verdicts_in_numbers_and_ends_with_the_report(asked: Asked) -> None:
    lines = asked().splitlines()
    counted = "2 fails, 1 not run; on data sets that the paper has not 1 holds"
    assert lines[:2] == [f"one    claims: {counted}", f"other  claims: {counted}"]
    assert lines[-1] == "report   elsewhere/report/index.html"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["table1"], {"first of one", "first of other"}),
        (["one/table1"], {"first of one"}),
        (["other_table12"], {"twelfth"}),
        (["one"], {"first of one", "Claims of one"}),
        (["one", "table12"], {"first of one", "Claims of one", "twelfth"}),
    ],
)
def test_names_choose_tables_and_studies(words: list[str], shown: set[str], asked: Asked) -> None:
    told = asked(*words)
    everything = {
        "first of one",
        "first of other",
        "twelfth",
        "Claims of one",
        "Claims of other",
    }
    assert {text for text in everything if text in told} == shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tabel1"], "did you mean table1"),
        (["one/table12"], "no study and no table is called 'one/table12'"),
        (["zzz"], "one of one, other, table1"),
    ],
)
def test_an_unknown_name_is_one_line_with_what_there_is(
    words: list[str], told: str, asked: Asked
) -> None:
    said = asked(*words, code=2)
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", [["--claims", "one"], ["--claims", "one/table1"]])
def test_claims_at_length(words: list[str], asked: Asked) -> None:
    told = asked(*words)
    assert "at length, one" in told
    assert "at length, other" not in told
    assert "first of one" not in told


def test_without_a_name_every_table_has_one_line(two_studies: Path, asked: Asked) -> None:
    (two_studies / "one_table1.csv").write_text("model,a.ours,b.ours\nvae,1.5,\nspvae,2.5,3.5\n")
    (two_studies / "other_table1.csv").write_text("model,a.ours\nvae,1.5\n")
    told = asked().splitlines()
    assert told[3].split() == [
        "one/table1",
        "3",
        "of",
        "4",
        "cells",
        "T",
        f"{TABLES}/one_table1.md",
    ]
    assert told[4].split() == ["other/table1", "1", "cell", "T", f"{TABLES}/other_table1.md"]
    assert told[5].split()[0] == "other/table12"
    assert told[7] == "To see them: `show one`, `show one/table1`, or all by `show --all`."
    assert not any("first of" in line for line in told)
    assert "first of one" in asked("--all")


WIDE = """\
# Table 1

Words of the paper, of which there are more than the narrowest of terminals has columns for.

| Model | Protocol | Stream | Layout | Gaussian | published | difference | Binomial | published |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |
| SPVAE | authors | full | A_8 | **1234.5678 ± 0.1234** (12) | - | - | -9876.5432 ± 0.5 (5) | -1 |
| Conv-VAE | authors | full | - | not run | - | - | **1 ± 0** (1) | - |

- [a] Training of the winner was ended by maximum_steps, not by its stopping rule, as it says here.
"""
TABLES = "elsewhere/tables"
NUMBERS = ("1234.5678 ± 0.1234", "-9876.5432 ± 0.5", "1 ± 0")


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_a_window_too_narrow_for_a_table_loses_no_digit(
    columns: int, two_studies: Path, project: Path
) -> None:
    (two_studies / "one_table1.md").write_text(WIDE)
    told = seen(["-m", "workflow_src", "show", "one/table1"], project, columns=columns)
    assert told.code == 0
    assert "\N{HORIZONTAL ELLIPSIS}" not in told.text
    words = " ".join(told.text.split())
    assert [number for number in NUMBERS if number not in words] == []
    assert "left out for want of room: published, difference" in words
    # The other column of that name has a number.
    assert "-1" in words.split()
    lines = told.text.replace("\r", "").split("\n")
    assert [line for line in lines if len(line.rstrip()) > columns and "claims:" not in line] == []


def test_what_has_no_digits_to_lose_stays_as_it_is(two_studies: Path, project: Path) -> None:
    (two_studies / "one_table1.md").write_text(WIDE)
    told = seen(["-m", "workflow_src", "show", "one/table1"], project, columns=160)
    assert "left out" not in told.text
    (heading,) = (line for line in told.lines if line.startswith("Model"))
    assert heading.count("published") == 2


def test_a_width_holds_for_words_and_tables_in_a_pipe(two_studies: Path, asked: Asked) -> None:
    (two_studies / "one_table1.md").write_text(WIDE)
    told = asked("one/table1", "--width", "60")
    lines = told[told.index("# Table 1") :].splitlines()
    assert max(map(len, lines)) <= 60
    assert [number for number in NUMBERS if number not in " ".join(told.split())] == []
    assert "**1 ± 0** (1)" in told, "without bold letters its signs stay"
    assert "not\n  by its stopping rule" in told, "below the first word of its item"
    assert asked("one/table1").count(WIDE) == 1


def test_a_table_of_a_study_without_claims_has_its_name_too(
    two_studies: Path, asked: Asked
) -> None:
    (two_studies / "third_table1.md").write_text("| third |\n")
    assert "| third |" in asked("table1")


@pytest.mark.parametrize("columns", ["0", "-1", "wide", "19"])
def test_an_odd_width_is_refused(columns: str, project: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["show", f"--width={columns}"])
    assert ended.value.code == 2


def test_a_terminal_gets_drawn_tables_as_wide_as_asked(two_studies: Path, project: Path) -> None:
    table = "| Model | Value |\n| --- | --- |\n| a | 1 |\n"
    (two_studies / "one_table1.md").write_text(table)
    words = ["-m", "workflow_src", "show", "one/table1"]
    wide = seen([*words, "--width", "60"], project)
    assert wide.code == 0, wide.text
    assert "| a | 1 |" not in wide.text
    assert any("Model" in line and "Value" in line for line in wide.lines)
    assert wide.lines[-1].startswith("report ")
    dumb = seen(words, project, environment={"TERM": "dumb"})
    assert "| a | 1 |" in dumb.text
    assert "\x1b" not in dumb.raw
