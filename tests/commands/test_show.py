"""`show` prints the tables that there are and the places of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert command_line.main(["show"]) == 0
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
    assert command_line.main(["show"]) == 0
    told = capsys.readouterr().out
    assert told.index("| a number |") < told.index("| holds |") < told.index("x_claims.md")
    assert "at length" not in told
