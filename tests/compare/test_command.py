"""The command: what it prints, writes and answers, from files alone."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from support.comparisons import rows, without, write_parquet
from support.documents import Document

from workflow_src.__main__ import main
from workflow_src.compare.comparison import compared
from workflow_src.compare.sources import source_of_path
from workflow_src.compare.telling import tell

Compare = Callable[..., str]

BEFORE = [1.0, 2.0, 4.0]
AFTER = [11.01, 12.02, 14.0]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings, earlier numbers and those of now; no release and no git."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "config.yaml").write_text("studies: [spvae]\n")
    same = rows(BEFORE, "test_elbo")
    footer = {"git_commit": "c0ffee" * 6 + "abcd"}
    write_parquet(tmp_path / "before.parquet", rows(BEFORE), same, **footer)
    write_parquet(tmp_path / "results" / "metrics.parquet", rows(AFTER), same)
    return tmp_path


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Compare:
    def ask(*words: str, code: int) -> str:
        assert main(["compare", *words]) == code
        told = capsys.readouterr()
        return told.err if code == 2 else told.out

    return ask


def test_what_is_beyond_noise_is_told(compare: Compare) -> None:
    told = compare("before.parquet", code=1).splitlines()
    assert told[0] == "before: before.parquet (commit c0ffeec0ffee)"
    assert told[1] == "after:  now, results/metrics.parquet (of no known commit)"
    assert told[2] == "2 rows: 1 better beyond noise, 1 same"
    (line,) = (one for one in told if one.startswith("better beyond noise"))
    assert "paper table1: digits gaussian" in line
    assert re.search(
        r" vae +test_log_likelihood \[nats\] +2\.33 +12\.34 +\+10\.01 ± 0\.02 .+ \+429 %", line
    )
    assert line.endswith("3  paired seeds; the same evaluations")
    assert told[-1] == "1 more rows with --all"


def test_all_shows_what_is_the_same(compare: Compare) -> None:
    told = compare("before.parquet", "--all", code=1)
    assert re.search(r"^same +vae +test_elbo .+ paper table1: digits gaussian", told, re.MULTILINE)
    assert "more rows" not in told


def test_nothing_beyond_noise(compare: Compare) -> None:
    told = compare("path:results", "results", code=0)
    assert "2 rows: 2 same" in told


def test_sides_may_be_turned(compare: Compare) -> None:
    assert "1 worse beyond noise" in compare("results", "before.parquet", code=1)


def test_a_number_that_became_none_is_a_finding(compare: Compare, project: Path) -> None:
    write_parquet(project / "after.parquet", without("no_winner", [0, 1, 2]))
    told = compare("before.parquet", "after.parquet", code=1)
    assert "2 reason changed" in told
    assert "seed 0: a number -> diverged at step 3" in told


def test_what_is_gone_is_none(compare: Compare, project: Path) -> None:
    write_parquet(project / "after.parquet", rows(BEFORE))
    assert "1 gone, 1 same" in compare("before.parquet", "after.parquet", code=0)


def test_what_is_not_here_is_told_with_the_way_to_it(compare: Compare, project: Path) -> None:
    write_parquet(project / "after.parquet", without("missing", [0, 1, 2]))
    told = compare("before.parquet", "after.parquet", code=0)
    assert "2 not here" in told
    assert "3 evaluations of after.parquet are not here; to get them: start Snakemake again" in told


def test_the_level(compare: Compare) -> None:
    assert "1 within noise" in compare("before.parquet", "--level", "1e-9", code=0)


@pytest.mark.parametrize("level", ["0", "1", "-1", "nan", "five"])
def test_a_level_is_a_share(
    compare: Compare, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", "before.parquet", f"--level={level}"])
    assert ended.value.code == 2
    assert "is not a share between 0 and 1" in capsys.readouterr().err


def test_one_seed_trained_anew_is_told_and_no_finding(compare: Compare, project: Path) -> None:
    write_parquet(project / "one.parquet", rows([1.0], errors=0.1))
    write_parquet(project / "other.parquet", rows([2.0], errors=0.1, winner="anew"))
    told = compare("one.parquet", "other.parquet", code=0)
    assert "1 rows: 1 one seed, larger than its error" in told
    assert "1 rows of one seed differ by more than the errors of their estimates" in told
    assert "differences tested together" not in told


def test_rows_are_ordered_by_their_errors(compare: Compare, project: Path) -> None:
    """The zero of a log likelihood is arbitrary; a noisy one near it stands below a sure one."""
    for name, shifts in (("one", (0.0, 0.0)), ("other", (100.0, 5.0))):
        parts = [
            rows([0.5 + shifts[0]], "test_elbo", 10.0),
            rows([-900.0 + shifts[1]], "test_log_likelihood", 0.1),
            rows([100.0 + shifts[1]], "parameter_count"),
            rows([-700.0 + 2 * shifts[1]], "test_bound", 0.1),
        ]
        write_parquet(project / f"{name}.parquet", *parts)
    found = json.loads(compare("one.parquet", "other.parquet", "--json", code=1))["rows"]
    expected = ["test_bound", "test_log_likelihood", "test_elbo", "parameter_count"]
    assert [row["metric"] for row in found] == expected
    assert {row["verdict"] for row in found} == {"better beyond noise", "worse beyond noise"}


def test_rows_are_one_line_of_a_wide_terminal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = project / "results"
    found = compared(
        source_of_path(project / "before.parquet"),
        source_of_path(results),
        level=0.05,
        results=results,
    )
    for width, headings in (
        (220, "verdict model metric before after difference where relative p seeds how"),
        (160, "verdict model metric before after difference where relative p seeds"),
        (150, "verdict model metric before after difference where relative seeds"),
        (125, "verdict model metric before after difference where"),
    ):
        tell(found, Console(width=width, force_terminal=True, color_system=None))
        told = capsys.readouterr().out
        (line,) = (one for one in told.splitlines() if "verdict" in one)
        assert re.findall(r"\w+", line) == headings.split()
        (row,) = (one for one in told.splitlines() if "test_log_likelihood" in one)
        assert "better beyond noise" in row
        assert "paper table1: digits gaussian" in row
        # The heading, three rules, and that row are all of the table.
        assert sum(one[0] in "┏┡│└┃" for one in told.splitlines() if one) == 5
        assert ("for want of columns" in told) == (width < 220)


def test_experiments_that_share_evaluations_are_told_once(compare: Compare, project: Path) -> None:
    for name, values in (("one", BEFORE), ("other", AFTER)):
        parts = [rows(values, experiment=f"table{n}") for n in range(4)]
        write_parquet(project / f"{name}.parquet", *parts)
    told = compare("one.parquet", "other.parquet", code=1)
    assert "4 better beyond noise" in told
    assert told.count("\nbetter beyond noise") == 1
    assert "paper table0 and 3 more: digits" in told
    assert "1 differences tested together" in told


def test_json_holds_every_row(compare: Compare) -> None:
    told = json.loads(compare("before.parquet", "--json", code=1))
    assert told["counts"] == {"better beyond noise": 1, "same": 1}
    first, second = told["rows"]
    assert (first["metric"], first["verdict"]) == ("test_log_likelihood", "better beyond noise")
    assert first["difference"] == pytest.approx(30.03 / 3)
    assert first["importance_samples"] is None
    assert second["p_adjusted"] is None
    assert told["before"]["commit"] == "c0ffee" * 6 + "abcd"
    assert told["after"] | {"place": ""} == {
        "name": "now",
        "kind": "now",
        "place": "",
        "commit": None,
        "uncommitted_changes": None,
    }


def test_a_written_comparison_is_a_whole_folder(compare: Compare, project: Path) -> None:
    told = compare("before.parquet", "--write", code=1)
    folder = project / "results" / "comparisons" / "before..now"
    assert f"page: {Path('results/comparisons/before..now/index.html')}" in told
    page = Document.of(folder / "index.html")
    named = [one for one in page.addresses if not one.startswith(("#", "data:"))]
    assert set(named) == {path.relative_to(folder).as_posix() for path in folder.glob("assets/*")}
    assert {one[1:] for one in page.addresses if one.startswith("#")} <= set(page.ids)
    (table,) = page.all("table", "comparison")
    assert "better beyond noise" in table.text
    heads = [one.text.strip() for one in page.all("th") if one.attributes.get("data-name")]
    assert heads[:6] == [
        *("Verdict", "Model", "Metric", "Before", "After"),
        "Difference, 95 % interval",
    ]
    assert heads[6] == "Experiment"
    assert heads[-1] == "How"
    assert "test_log_likelihood [nats]" in table.text
    assert len(page.all("details")) == 2
    with (folder / "differences.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["verdict"] for line in lines] == ["better beyond noise", "same"]
    assert float(lines[0]["difference"]) == pytest.approx(30.03 / 3)
    assert lines[1]["p"] == ""


def test_nothing_is_written_unasked(compare: Compare, project: Path) -> None:
    before = sorted(project.rglob("*"))
    compare("before.parquet", code=1)
    assert sorted(project.rglob("*")) == before


def test_text_from_files_is_no_markup(compare: Compare, project: Path) -> None:
    for name, value in (("one", 1.0), ("other", 2.0)):
        write_parquet(project / f"{name}.parquet", rows([value], model="<script>[red]x"))
    told = compare("one.parquet", "other.parquet", "--all", "--write", code=0)
    assert "<script>[red]x" in told
    page = project / "results" / "comparisons" / "one..other" / "index.html"
    assert "<script>[" not in page.read_text()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere"], "'nowhere' is neither a release, nor a git revision, nor a path"),
        (["config.yaml"], "config.yaml: it cannot be read"),
        (["release:v1"], "there is no release v1; expected none was made yet"),
        (["commit:HEAD"], "git knows no revision 'HEAD' here"),
        (["before.parquet", "path:x"], "x: there is no such file or folder"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(
    compare: Compare, words: list[str], complaint: str
) -> None:
    told = compare(*words, code=2)
    assert complaint in told
    assert told.count("\n") == 1


def test_without_results_there_is_nothing_to_compare_with(compare: Compare, project: Path) -> None:
    (project / "results" / "metrics.parquet").unlink()
    told = compare("before.parquet", code=2)
    assert "results: there is no metrics.parquet" in told
    assert "run `snakemake --profile local` to its end first" in told
