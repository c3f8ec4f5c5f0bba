"""The published numbers are complete, agree with each other, and damaged files are refused."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from support.studies import study_alone

from workflow_src.config.data_sets import data_set
from workflow_src.config.grid_entries import cells_of
from workflow_src.config.published import (
    COLUMNS,
    OPTIONAL,
    PublishedValue,
    read_published,
)
from workflow_src.config.studies import STUDIES
from workflow_src.errors import UserError

MODELS = ("spvae", "vae", "conv_spvae", "conv_vae")
COLUMNS_OF_THE_PAPER = tuple(
    itertools.product(("gaussian", "binomial"), ("mnist", "svhn", "cifar10"))
)
# As printed, row by row: continuous mnist, svhn, cifar, then discrete.
TABLE_1 = {
    "spvae": (2819, 1936, 1283, -1532, -3891, -5543),
    "vae": (2598, 1442, 896, -2351, -4965, -7200),
    "conv_spvae": (2702, 2101, 1397, -927, -3666, -4562),
    "conv_vae": (2907, 1896, 1191, -2099, -4115, -6752),
}
TABLE_2 = {
    "spvae": (413, 511, 511, 310, 461, 353),
    "vae": (1545, 1713, 1653, 1158, 3108, 3288),
    "conv_spvae": (1259, 1604, 1028, 1257, 1603, 1026),
    "conv_vae": (894, 1219, 1219, 894, 1436, 1219),
}


def _published(table: int) -> tuple[PublishedValue, ...]:
    return read_published(STUDIES / "published" / f"spvae_table{table}.csv")


@pytest.mark.parametrize(("table", "printed"), [(1, TABLE_1), (2, TABLE_2)])
def test_every_cell_is_there_once_with_the_printed_number(
    table: int, printed: dict[str, tuple[int, ...]]
) -> None:
    values = _published(table)
    assert len(values) == len(MODELS) * len(COLUMNS_OF_THE_PAPER)
    found = {(one.model, one.likelihood, one.data_set): one.value for one in values}
    assert found == {
        (model, likelihood, name): number
        for model, numbers in printed.items()
        for (likelihood, name), number in zip(COLUMNS_OF_THE_PAPER, numbers, strict=True)
    }


@pytest.mark.parametrize(
    ("table", "metric", "unit"),
    [(1, "test_bound", "nats"), (2, "parameter_count", "thousand parameters")],
)
def test_every_cell_names_its_metric_unit_and_place(table: int, metric: str, unit: str) -> None:
    words = {"gaussian": "continuous", "binomial": "discrete", "cifar10": "cifar"}
    for one in _published(table):
        assert (one.metric, one.unit) == (metric, unit)
        column = f"{words[one.likelihood]}, {words.get(one.data_set, one.data_set)}"
        assert one.place == f"Table {table}, {column}"


def _layers(sizes: list[int]) -> int:
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))


def _vae_parameters(pixels: int, hidden: int, latent: int, likelihood: str) -> int:
    """Two hidden layers; own networks for means and precisions, one for success probabilities."""
    encoders = 2 * _layers([pixels, hidden, hidden, latent])
    decoders = 2 if likelihood == "gaussian" else 1
    return encoders + decoders * _layers([latent, hidden, hidden, pixels])


def _conv_vae_parameters(
    side: int, stride: int, filters: tuple[int, int], hidden: int, latent: int, likelihood: str
) -> int:
    """One encoder trunk with a dense layer and two heads; the decoder leads back without one."""
    first, second = filters
    flat = second * math.ceil(math.ceil(side / stride) / stride) ** 2
    encoder = (9 * 1 + 1) * first + (9 * first + 1) * second + _layers([flat, hidden])
    heads = 2 * _layers([hidden, latent])
    maps = 2 if likelihood == "gaussian" else 1
    decoder = _layers([latent, flat]) + (9 * second + 1) * first + maps * (9 * first + 1)
    return encoder + heads + decoder


def _parameters(model: str, name: str, likelihood: str, hidden: int, latent: int) -> int:
    facts = data_set(name)
    if model == "vae":
        return _vae_parameters(math.prod(facts.shape), hidden, latent, likelihood)
    if model == "conv_vae":
        return _conv_vae_parameters(facts.shape[0], 2, (32, 64), hidden, latent, likelihood)
    # 32 leaves on super-pixels, and 1,576 sum weights of the 4 x 4 Poon-Domingos circuit.
    side = facts.superpixel
    if model == "spvae":
        return 32 * _vae_parameters(side**2, hidden, latent, likelihood) + 1576
    return 32 * _conv_vae_parameters(side, 1, (4, 8), hidden, latent, likelihood) + 1576


def _noted(one: PublishedValue) -> tuple[int, int, int]:
    found = re.match(r"([\d,]+) with hidden_units (\d+), latent_dimensions (\d+)", one.note)
    assert found is not None, one
    size, hidden, latent = (int(text.replace(",", "")) for text in found.groups())
    return size, hidden, latent


def test_the_model_sizes_noted_at_table_2_follow_from_the_layers_and_are_cut_to_thousands() -> None:
    for one in _published(2):
        noted, hidden, latent = _noted(one)
        assert noted == _parameters(one.model, one.data_set, one.likelihood, hidden, latent)
        assert one.value == noted // 1000


def test_no_other_cell_of_the_grid_has_as_many_thousands_of_parameters() -> None:
    grid = study_alone("spvae").experiments["table1"].scales["paper"]
    for one in _published(2):
        _, hidden, latent = _noted(one)
        cells = {
            (int(cell["hidden_units"]), int(cell["latent_dimensions"]))
            for cell in cells_of(grid.models[one.model], one.data_set, one.likelihood)
        }
        fitting = [
            cell
            for cell in cells
            if _parameters(one.model, one.data_set, one.likelihood, *cell) // 1000 == one.value
        ]
        assert fitting == [(hidden, latent)]


def test_the_winners_that_are_trained_alone_are_those_of_the_counts() -> None:
    grid = study_alone("spvae").experiments["published_winners"].scales["paper"]
    for one in _published(2):
        _, hidden, latent = _noted(one)
        cells = list(cells_of(grid.models[one.model], one.data_set, one.likelihood))
        assert cells == [{"hidden_units": hidden, "latent_dimensions": latent}]


@pytest.mark.parametrize(
    ("model", "name", "hidden", "latent"),
    [("spvae", "svhn", 100, 50), ("conv_vae", "mnist", 64, 100)],
)
def test_numbers_that_table_2_cannot_explain_come_from_other_models(
    model: str, name: str, hidden: int, latent: int
) -> None:
    (cell,) = [
        one
        for one in _published(1)
        if (one.model, one.data_set, one.likelihood) == (model, name, "binomial")
    ]
    size = _parameters(model, name, "binomial", hidden, latent)
    assert f"hidden_units {hidden}, latent_dimensions {latent} and {size:,} param" in cell.note


_HEADER = ",".join(COLUMNS)
_ROW = "spvae,mnist,gaussian,test_bound,1,nats,here,"
_LONG = f"{_HEADER},{','.join(OPTIONAL)}"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "wrong columns"),
        ("model,value\n", 1, "wrong columns"),
        (f"{_HEADER}\n{_ROW}\nspvae,mnist\n", 3, "2 fields"),
        (f"{_HEADER}\n{_ROW.replace(',1,', ',one,')}\n", 2, "'one' is no number"),
        (f"{_HEADER}\n{_ROW.replace(',1,', ',nan,')}\n", 2, "'nan' is no number"),
        (f"{_HEADER}\n{_ROW.replace('mnist', 'mnits')}\n", 2, "unknown data set"),
        (f"{_HEADER}\n{_ROW}\n{_ROW}\n", 3, "is there twice"),
        (f"{_HEADER},spread\n", 1, "wrong columns"),
        (f"{_LONG}\n{_ROW}\n", 2, "8 fields"),
        (f"{_LONG}\n{_ROW},,big\n", 2, "'big' is no number"),
        (f"{_LONG}\n{_ROW},split_step,\n", 2, "is no list of hyperparameters"),
        (f"{_LONG}\n{_ROW},a=1; a=2,\n", 2, "is no list of hyperparameters"),
        (f"{_LONG}\n{_ROW},a=1; b=2,\n{_ROW},b=2; a=1,\n", 3, "a 1, b 2 is there twice"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_published(path)
    assert said in str(caught.value)
    assert caught.value.place == f"{path}, line {line}"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_published(tmp_path / "none.csv")


def test_hyperparameters_and_spreads_are_read_with_their_types(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(f"{_LONG}\n{_ROW},,\n{_ROW},split_step=4; rate=0.5; graph=random,0.25\n")
    plain, told = read_published(path)
    assert (plain.hyperparameters, plain.spread) == ((), None)
    assert told.spread == 0.25
    variant = {"graph": "random", "rate": 0.5, "split_step": 4}
    assert dict(told.hyperparameters) == variant
    assert told.is_of(variant)
    assert plain.is_of({})
    # Neither less nor more than what the paper tells apart.
    assert not told.is_of({})
    assert not plain.is_of({"split_step": 4})
    assert not told.is_of({**variant, "split_step": 2})
    assert not told.is_of({"graph": "random", "rate": 0.5})
