"""docs/errata.md: its links lead to tests; what arithmetic or an attempt can show is shown here.

Numbers of the papers are typed in here once more, from their tables.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from support.expectations import circle, tiny_model
from support.markdown_pages import ROOT, links

from workflow_src.models.piecewise_affine.maximisation.em import SweepSettings, em_sweep

PAGE = ROOT / "docs" / "errata.md"
PAPERS = ("SPVAE", "DVAE++", "EM-DGN", "DCGMM")
KINDS = ["Wrong", "Text and program differ", "Not reproduced", "Unstated"]
MISREAD = "Not wrong, easily misread"
WHERE = "How we know"


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
        kinds = re.findall(r"^### (.+)$", section, flags=re.MULTILINE)
        assert kinds in (KINDS, [*KINDS, MISREAD])


def test_every_row_says_how_it_is_known() -> None:
    """By a test, by numbers with their records, by an experiment, or by reading."""
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), flags=re.MULTILINE)
    heads = [[cell.strip() for cell in table.split("\n")[0].split("|")] for table in tables]
    known = [(head, table) for head, table in zip(heads, tables, strict=True) if WHERE in head]
    assert len(known) >= 7
    for head, table in known:
        for row in table.splitlines()[2:]:
            cell = row.split("|")[head.index(WHERE)].strip()
            assert re.search(r"\]\(|by reading|experiment|as above|-$", cell), row


def test_every_row_of_a_table_is_whole() -> None:
    for head, *rows in (
        block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE)
    ):
        for row in rows:
            assert row.count("|") == head.count("|"), row


@pytest.mark.parametrize(("larger", "smaller"), [(14, 7), (16, 8), (7, 4)])
def test_a_smaller_step_makes_more_regions_with_smaller_leaves(larger: int, smaller: int) -> None:
    # SPVAE, end of section 3. 28 and 32 pixels a side; regions are rectangles between cuts.
    side = 32 if larger == 16 else 28
    (few, large), (many, small) = (_regions(side, step) for step in (larger, smaller))
    assert few < many
    assert large > small
    assert _regions(28, 7) == (100, 49)
    assert _regions(28, 14) == (9, 196)


def _regions(side: int, step: int) -> tuple[int, int]:
    """Rectangles between cuts ``step`` apart, and the pixels of the smallest."""
    cuts = range(0, side + 1, step)
    spans = [end - start for start, end in itertools.combinations(cuts, 2)]
    areas = [height * width for height in spans for width in spans]
    return len(areas), min(areas)


def test_the_abstract_of_dvaepp_says_more_than_its_tables() -> None:
    # Table 1: Concrete, joint, marginal; Table 2: ours, Rolfe. Negative log likelihoods.
    table_1 = {
        ("mnist", "linear"): (107.00, 107.98, 108.57),
        ("mnist", "nonlinear"): (99.54, 99.16, 99.10),
        ("omniglot", "linear"): (117.65, 117.38, 118.35),
        ("omniglot", "nonlinear"): (116.69, 113.83, 113.76),
    }
    ahead = {cell: min(ours) < concrete for cell, (concrete, *ours) in table_1.items()}
    assert [cell for cell, one in ahead.items() if not one] == [("mnist", "linear")]
    table_2 = {
        ("mnist", "1 linear"): (91.21, 91.55),
        ("mnist", "2 linear"): (94.15, 91.06),
        ("mnist", "1 nonlinear"): (85.41, 85.57),
        ("mnist", "2 nonlinear"): (84.27, 84.52),
        ("omniglot", "1 linear"): (109.66, 109.83),
        ("omniglot", "2 linear"): (109.01, 110.35),
        ("omniglot", "1 nonlinear"): (102.62, 103.12),
        ("omniglot", "2 nonlinear"): (100.55, 105.60),
    }
    assert [cell for cell, (ours, rolfe) in table_2.items() if ours > rolfe] == [
        ("mnist", "2 linear")
    ]


def test_no_number_of_groups_has_the_outputs_of_table_4() -> None:
    # 16 and 128 units (section 7.3), 1, 2 or 4 groups (Table 6), 4 and 16 outputs (Table 4).
    assert 4 in {16 // groups for groups in (1, 2, 4)}
    assert {128 // groups for groups in (1, 2, 4)} == {128, 64, 32}
    assert 16 not in {128 // groups for groups in (1, 2, 4)}


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


def parameters_of_rat_spn(depth: int, repetitions: int, inputs: int, sums: int, each: int) -> int:
    """Leaves of 28 x 28 pixels, products of all pairs below every sum, the root and its mixture.

    A leaf region has ``inputs`` distributions of ``each`` parameters a pixel, any other ``sums``.
    """
    leaves = each * 28 * 28 * repetitions * inputs
    if depth == 1:
        return leaves + repetitions * inputs**2 + repetitions
    above_leaves = 2 ** (depth - 1) * sums * inputs**2
    inner = (2 ** (depth - 1) - 2) * sums**3
    return leaves + repetitions * (above_leaves + inner + sums**2 + 1)


def test_no_rat_spn_of_the_grid_has_the_printed_number_of_parameters() -> None:
    # Two counts that programs of others print for networks beside the grid.
    assert parameters_of_rat_spn(4, 10, 10, 10, each=1) == 219_410
    assert parameters_of_rat_spn(5, 10, 20, 20, each=1) == 2_560_810
    widths = (5, 20, 40)
    grid = itertools.product((1, 5, 9), (10, 25, 40), widths, widths, (1, 2))
    counts = [parameters_of_rat_spn(*cell) for cell in grid]
    assert len(counts) == 162
    assert min(abs(count - 1_187_840) for count in counts) > 10_000


def test_no_padding_of_table_viii_flattens_to_4096() -> None:
    layers = ((3, 1), (3, 2), (3, 2), (2, 2))
    without = padded = 32
    for size, stride in layers:
        without = (without - size) // stride + 1
        padded = -(-padded // stride)
    assert (without**2 * 512, padded**2 * 512) == (4_608, 8_192)
    # Whatever the padding of each layer: 4,096 values of 512 channels are 8 positions.
    assert 4_096 // 512 not in {side**2 for side in range(9)}


# DCGMM, Table VI: kinds of layers with their size, stride or components, and what is printed.
LAYOUTS = {
    "A": ([("F", 28, 1), ("G", 49, 0)], 38_416),
    "B": ([("F", 8, 2), ("G", 49, 0), ("F", 11, 1), ("G", 49, 0)], 293_657),
    "C": ([("F", 8, 1), ("G", 49, 0), ("P", 2, 2), ("G", 49, 0)], 243_236),
    "D": (
        [
            *(("F", 3, 1), ("G", 25, 0), ("P", 2, 2)),
            *(("F", 4, 1), ("G", 25, 0), ("P", 2, 2)),
            *(("F", 5, 5), ("G", 49, 0)),
        ],
        40_850,
    ),
    "E": (
        [("F", 3, 1), ("G", 25, 0), ("F", 4, 2), ("G", 25, 0), ("F", 12, 1), ("G", 49, 0)],
        186_625,
    ),
    "F": (
        [
            *(("F", 3, 1), ("G", 25, 0), ("F", 4, 2), ("G", 25, 0)),
            *(("F", 4, 2), ("G", 25, 0), ("F", 5, 1), ("G", 49, 0)),
        ],
        50_850,
    ),
    "G": (
        [
            *(("F", 3, 1), ("G", 25, 0), ("P", 2, 2), ("F", 3, 1), ("G", 25, 0), ("P", 2, 2)),
            *(("F", 3, 1), ("G", 25, 0), ("P", 2, 2), ("F", 2, 1), ("G", 49, 0)),
        ],
        16_375,
    ),
}


def _depth(name: str) -> int:
    return sum(kind == "G" for kind, *_ in LAYOUTS[name][0])


def _centroid_numbers(layers: list[tuple[str, int, int]]) -> int:
    """Values of all centroids, of which positions share one set."""
    channels, count = 1, 0
    for kind, size, _ in layers:
        if kind == "F":
            channels *= size**2
        elif kind == "G":
            count += channels * size
            channels = size
    return count


def test_table_vi_counts_centroids_alone() -> None:
    found = {name: _centroid_numbers(layers) for name, (layers, _) in LAYOUTS.items()}
    printed = {name: count for name, (_, count) in LAYOUTS.items()}
    assert {name for name in LAYOUTS if found[name] != printed[name]} == {"C"}
    # A precision for each value of a centroid, and a weight for each component.
    assert 2 * found["E"] + 25 + 25 + 49 == 373_349


def test_table_iv_gives_e_the_parameters_of_d() -> None:
    printed = 40_850
    assert _centroid_numbers(LAYOUTS["D"][0]) == printed != _centroid_numbers(LAYOUTS["E"][0])


def test_the_printed_layout_of_c_lacks_a_folding_layer() -> None:
    layers, printed = LAYOUTS["C"]
    assert _centroid_numbers(layers) == 5_537 != printed
    counts = [_centroid_numbers([*layers[:3], ("F", size, 1), layers[3]]) for size in range(1, 12)]
    assert [size for size, count in enumerate(counts, start=1) if count == printed] == [10]


def test_the_layout_of_g_fits_only_if_pooling_rounds_up() -> None:
    assert _sides(LAYOUTS["G"][0], up=False)[-2] < 1 == _sides(LAYOUTS["G"][0], up=True)[-1]
    for name in "ABDEF":
        assert _sides(LAYOUTS[name][0], up=False)[-1] == 1


def _sides(layers: list[tuple[str, int, int]], *, up: bool) -> list[int]:
    """Positions along a side after each layer, from 28 pixels, by Table I."""
    sides = [28]
    for kind, size, stride in layers:
        side = sides[-1]
        if kind == "G":
            sides.append(side)
        elif kind == "P" and up:
            sides.append(1 - (size - side) // stride)
        else:
            sides.append(1 + (side - size) // stride)
    return sides


def test_more_layers_have_fewer_parameters_in_some_pairs_only() -> None:
    count = {name: printed for name, (_, printed) in LAYOUTS.items()}
    assert [_depth(name) for name in "ABDEF"] == [1, 2, 3, 3, 4]
    assert count["A"] < count["B"]
    assert count["D"] < count["F"]
    assert count["B"] > count["E"] > count["F"]


# DCGMM, Table II: MNIST and Fashion-MNIST, percent.
AREAS = {
    "A": (95.4, 62.2),
    "B": (93.3, 72.2),
    "C": (94.2, 74.3),
    "D": (92.5, 68.1),
    "E": (92.8, 74.9),
    "F": (84.1, 68.1),
    "G": (77.4, 62.7),
}


def test_depth_helps_to_tell_anomalies_in_one_step_of_six() -> None:
    means = [
        np.mean([AREAS[name] for name in AREAS if _depth(name) == depth], axis=0)
        for depth in (1, 2, 3, 4)
    ]
    mnist, fashion = np.transpose(means)
    assert mnist == pytest.approx([95.4, 93.75, 92.65, 80.75])
    assert fashion == pytest.approx([62.2, 73.25, 71.5, 65.4])
    assert (np.diff(mnist) > 0).tolist() == [False, False, False]
    assert (np.diff(fashion) > 0).tolist() == [True, False, False]


def test_e_is_the_best_instance_on_one_of_two_data_sets() -> None:
    best = [max(AREAS, key=lambda name: AREAS[name][column]) for column in (0, 1)]
    assert best == ["A", "E"]
    assert max(AREAS, key=lambda name: sum(AREAS[name])) == "C"


def test_without_noise_the_posterior_does_not_gather_at_the_penalised_point() -> None:
    """EM-DGN, Lemma 2: g(z) = z in one dimension, a standard normal prior, x = 1."""
    grid = np.linspace(-3, 3, 60_001)
    penalised = grid[np.argmin((1 - grid) ** 2 + grid**2)]
    assert penalised == pytest.approx(0.5, abs=1e-3)
    means = []
    for variance in (1e-1, 1e-2, 1e-3):

        def density(z: float, variance: float = variance) -> float:
            return float(np.exp(-0.5 * ((1 - z) ** 2 / variance + z**2)))

        ends = {"a": -3, "b": 3, "points": [0.9, 1.0]}
        mass = quad(density, **ends)[0]
        means.append(quad(lambda z, one=density: z * one(z), **ends)[0] / mass)
    # 1 / (1 + variance), by completing the square.
    assert means == pytest.approx([1 / 1.1, 1 / 1.01, 1 / 1.001], rel=1e-6)


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
