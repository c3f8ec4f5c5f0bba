"""The summary in docs/results/README.md says what the tables beside it say."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest
from support.markdown_pages import ROOT

FOLDER = ROOT / "docs" / "results"
PUBLISHED = ROOT / "workflow_src" / "studies" / "published"

ROWS = [
    re.split(r" *\| *", line.strip("| "))
    for line in (FOLDER / "README.md").read_text().splitlines()
    if re.match(r"^\| .*\| +-?\d|^\| .*picture", line)
]
WINNERS, GRADIENTS, PRIORS = (
    "mnist_winners/table.csv",
    "dvaepp_mnist/gradients.csv",
    "dvaepp_mnist/priors.csv",
)
FOURS = "emdgn_mnist4/curves.csv"
DIGITS, CLOTHES = "dcgmm_mnist/anomalies.csv", "dcgmm_mnist/fashion_anomalies.csv"
RBM = {"prior": "boltzmann_machine"}
FACTORIAL = {"prior": "directed"}
EM = "last_hidden_units=16.method=expectation_maximisation.learning_rate=none"
VAE = "last_hidden_units=16.method=variational.learning_rate=0.005"

# In the order of the page: the table, what tells its row, its column, and the published cell.
SOURCES: list[tuple[str, dict[str, str], str, float | None]] = [
    (WINNERS, {"model": "spvae", "stream": "restart"}, "gaussian.mnist", 2819),
    (WINNERS, {"model": "spvae", "stream": "full"}, "gaussian.mnist", 2819),
    (WINNERS, {"model": "vae", "stream": "restart"}, "gaussian.mnist", 2598),
    (WINNERS, {"model": "vae", "stream": "full"}, "gaussian.mnist", 2598),
    (PRIORS, {**RBM, "smoothing": "overlapping_exponential"}, "binarised_mnist", -85.41),
    (PRIORS, {**RBM, "smoothing": "spike_and_exponential"}, "binarised_mnist", -85.57),
    (PRIORS, {**FACTORIAL, "objective": "joint_bound"}, "binarised_mnist", -95.04),
    (PRIORS, {**FACTORIAL, "objective": "marginal_bound"}, "binarised_mnist", -95.06),
    (GRADIENTS, {"smoothing": "concrete"}, "binarised_mnist", -99.54),
    (GRADIENTS, {"objective": "rebar"}, "binarised_mnist", -100.69),
    (GRADIENTS, {"objective": "joint_bound"}, "binarised_mnist", -99.16),
    (GRADIENTS, {"objective": "nvil"}, "binarised_mnist", -100.0),
    (FOURS, {"starting_noise": "1.0"}, EM, None),
    (FOURS, {"starting_noise": "1.0"}, VAE, None),
    (DIGITS, {"layout": "A"}, "mnist_without_0", 0.954),
    (DIGITS, {"layout": "B"}, "mnist_without_0", 0.933),
    (DIGITS, {"layout": "E"}, "mnist_without_0", 0.928),
    (DIGITS, {"model": "rat_spn"}, "mnist_without_0", 0.918),
    (DIGITS, {"model": "pd_spn"}, "mnist_without_0", 0.912),
    (CLOTHES, {"layout": "A"}, "fashion_mnist_without_0", 0.622),
    (CLOTHES, {"layout": "E"}, "fashion_mnist_without_0", 0.749),
    (CLOTHES, {"model": "rat_spn"}, "fashion_mnist_without_0", 0.392),
    (CLOTHES, {"model": "pd_spn"}, "fashion_mnist_without_0", 0.485),
]


def table_row(name: str, told_by: dict[str, str]) -> dict[str, Any]:
    with (FOLDER / name).open() as file:
        (row,) = (
            row
            for row in csv.DictReader(file)
            if all(row[key] == value for key, value in told_by.items())
        )
    return row


def test_every_row_has_a_source() -> None:
    assert len(ROWS) == len(SOURCES)


@pytest.mark.parametrize(("shown", "source"), list(zip(ROWS, SOURCES, strict=False)))
def test_numbers_are_those_of_the_tables(
    shown: list[str], source: tuple[str, dict[str, str], str, float | None]
) -> None:
    ours, published, difference, seeds = shown[-5:-1]
    table, told_by, column, printed = source
    row = table_row(table, told_by)
    exact = float(row[f"{column}.ours"])
    decimals = len(ours.partition(".")[2])
    assert ours == f"{exact:.{decimals}f}"
    assert seeds == row[f"{column}.seeds"]
    if printed is None:
        assert (published, difference) == ("picture", "-")
    else:
        assert float(published) == printed
        decimals = len(difference.partition(".")[2])
        assert difference == f"{exact - printed:+.{decimals}f}"


def test_published_numbers_are_those_that_were_transcribed() -> None:
    transcribed = set()
    for path in sorted(PUBLISHED.glob("*.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                share = 100 if row["unit"] == "percent" else 1
                transcribed.add(round(float(row["value"]) / share, 6))
    assert {printed for *_, printed in SOURCES if printed is not None} <= transcribed


def test_the_readme_shows_numbers_of_this_page() -> None:
    summary = {tuple(row[-5:-3]) for row in ROWS}
    lines = (ROOT / "README.md").read_text().splitlines()
    shown = [re.split(r" *\| *", line.strip("| ")) for line in lines if line.count("|") == 5]
    pairs = [tuple(row[-2:]) for row in shown if re.fullmatch(r"-?[\d.]+", row[-1])]
    assert len(pairs) > 4
    assert set(pairs) <= summary
