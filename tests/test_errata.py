"""docs/errata.md: what it links to exists, and what is shown nowhere else is shown here."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from support.expectations import circle, tiny_model
from support.markdown_pages import ROOT, links

from workflow_src.models.piecewise_affine.maximisation.em import SweepSettings, em_sweep

PAGE = ROOT / "docs" / "errata.md"
PAPERS = ("SPVAE", "DVAE++", "EM-DGN", "DCGMM")
KINDS = ("Wrong", "Text and program differ", "Not reproduced", "Unstated")


def linked_tests() -> list[tuple[str, Path]]:
    return [
        (text.strip("`"), (PAGE.parent / target).resolve())
        for text, target in links(PAGE)
        if text.startswith("`test_")
    ]


def test_every_linked_test_exists() -> None:
    assert len(linked_tests()) > 40
    for name, path in linked_tests():
        assert re.search(rf"^def {name}\(", path.read_text(), flags=re.MULTILINE), (name, path)


def test_every_paper_has_all_kinds() -> None:
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    assert [name for name in PAPERS for one in sections if name in one.split("\n")[0]] == [*PAPERS]
    for section in sections:
        assert re.findall(r"^### (.+)$", section, flags=re.MULTILINE) == [*KINDS]


def test_every_row_of_a_table_is_whole() -> None:
    for head, *rows in (
        block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE)
    ):
        for row in rows:
            assert row.count("|") == head.count("|"), row


@pytest.mark.parametrize("beta", [5, 8, 12])
def test_equation_3_of_dvaepp_as_printed_is_no_number_for_many_logits(beta: int) -> None:
    random = np.random.default_rng(0)
    logits = np.linspace(-30, 30, 100_001).astype(np.float32)
    rho = random.random(logits.size, dtype=np.float32)
    one, d = np.float32(1), np.exp(np.float32(-beta))
    with np.errstate(all="ignore"):
        q = one / (one + np.exp(-logits))
        b = (rho + d * (q - rho)) / (one - q) - one
        c = -(q * d) / (one - q)
        zeta = -np.log((-b + np.sqrt(b * b - 4 * c)) / 2) / np.float32(beta)
    assert zeta.dtype == np.float32
    assert 0.25 < np.mean(~np.isfinite(zeta)) < 0.38
    assert np.mean((zeta < 0) | (zeta > 1)) > 0.03


def parameters_of_rat_spn(depth: int, repetitions: int, components: int, per_leaf: int) -> int:
    """Leaves of 28 x 28 pixels, products of all pairs below every sum, the root and its mixture."""
    leaves = per_leaf * 28 * 28 * repetitions * components
    inner = repetitions * (2**depth - 2) * components**3
    return leaves + inner + repetitions * components**2 + repetitions


def test_no_rat_spn_of_the_grid_has_the_printed_number_of_parameters() -> None:
    # Two counts that programs of others print for networks beside the grid.
    assert parameters_of_rat_spn(4, 10, 10, per_leaf=1) == 219_410
    assert parameters_of_rat_spn(5, 10, 20, per_leaf=1) == 2_560_810
    grid = itertools.product((1, 5, 9), (10, 25, 40), (5, 20, 40), (1, 2))
    counts = [parameters_of_rat_spn(*cell) for cell in grid]
    assert len(counts) == 54
    assert min(abs(count - 1_187_840) for count in counts) > 10_000


def test_no_padding_of_table_viii_flattens_to_4096() -> None:
    layers = ((3, 1), (3, 2), (3, 2), (2, 2))
    without = padded = 32
    for size, stride in layers:
        without = (without - size) // stride + 1
        padded = -(-padded // stride)
    assert (without**2 * 512, padded**2 * 512) == (4_608, 8_192)


@pytest.mark.parametrize(("refresh", "least", "most"), [("sweep", 0.3, 0.5), ("block", 0.05, 0.2)])
def test_full_steps_of_hidden_layers_often_lower_the_likelihood(
    refresh: str, least: float, most: float
) -> None:
    points = circle(200)
    settings = SweepSettings(order="biases_then_weights", refresh=refresh, backtracking=False)
    gains = []
    for seed in range(3):
        model, expected = tiny_model((1, 8, 8, 2), seed=seed, variance=0.3), None
        for _ in range(15):
            result = em_sweep(model, points, settings, expected, None)
            model, expected = result.model, result.expected
            changes = np.diff(result.log_likelihoods)
            hidden = [step.block.layer in (1, 2) for step in result.steps]
            gains += list(changes[hidden])
    assert len(gains) == 180
    assert least < np.mean(np.array(gains) < -1e-6) < most
