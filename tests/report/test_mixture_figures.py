"""Figures of image densities: what they show is in the arrays, numbers are computed by hand."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from tests.support.exact_density_arrays import AXES, group_of
from workflow_src.report.evidence import Group
from workflow_src.report.figures import layer_curves, mosaics, winners
from workflow_src.report.figures.anomaly_curves import area, draw_anomalies, kept_and_rejected
from workflow_src.report.figures.centroids import draw_centroids
from workflow_src.report.figures.inpainting import block, draw_inpainting
from workflow_src.report.figures.layer_curves import draw_layer_curves
from workflow_src.report.figures.mosaics import tiled
from workflow_src.report.figures.samples import draw_samples
from workflow_src.report.figures.sharpened_samples import draw_sharpened_samples
from workflow_src.report.figures.side_by_side import draw_side_by_side
from workflow_src.report.figures.style import Figure
from workflow_src.report.figures.variants import draw_variants

LAYOUTS = {"A_8": "F(8,1)-G(25)", "B_8": "F(3,1)-G(25)-F(6,1)-G(25)"}
RANDOM = np.random.default_rng(5)

Arrays = Mapping[str, NDArray[Any]]


def densities(name: str, layout: str = "A_8", **axes: Any) -> Group:
    """A group of a convolutional mixture on digits, or of what ``axes`` say."""
    metrics = axes.pop("metrics", None)
    variant = {} if axes.get("model", "dcgmm") != "dcgmm" else {"layout": LAYOUTS[layout]}
    group = group_of(name, variant, metrics=metrics)
    own = {"model": "dcgmm", "data_set": "digits_without_0", "likelihood": "gaussian"}
    return dataclasses.replace(group, study="dcgmm", axes=AXES | own | axes)


@pytest.fixture
def arrays(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Arrays]]:
    """What measurements hold: by evaluation, then by file."""
    held: dict[str, dict[str, Arrays]] = {}
    monkeypatch.setattr(
        winners, "read_arrays", lambda one, name: held.get(one.fingerprint, {}).get(name)
    )
    return held


def images(*shape: int) -> NDArray[Any]:
    return RANDOM.uniform(size=shape).astype(np.float32)


def opened(figure: Figure) -> Image.Image:
    return Image.open(io.BytesIO(figure.images[".png"]))


# Anomalies


def test_the_curve_goes_from_nothing_rejected_to_nothing_kept() -> None:
    kept, rejected = kept_and_rejected(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0]))
    # Thresholds: below all, 0, 1, 2, 3, above all; what equals the threshold is kept.
    np.testing.assert_allclose(kept, [1, 1, 1, 2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(rejected, [0, 0, 1 / 2, 1 / 2, 1, 1])


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_that_of_the_roc_curve(ties: bool) -> None:
    inliers, anomalies = RANDOM.normal(size=300), RANDOM.normal(-1, 2, size=80)
    anomalies[0] = -1e5
    if ties:
        inliers, anomalies = inliers.round(), anomalies.round()
    expected = roc_auc_score(
        np.r_[np.zeros(300), np.ones(80)], -np.concatenate([inliers, anomalies])
    )
    assert area(*kept_and_rejected(inliers, anomalies)) == pytest.approx(expected, abs=1e-12)


def test_every_layer_has_a_curve_with_its_area(arrays: Any) -> None:
    inliers = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    arrays["b"] = {"scores": {"test": inliers, "anomalies": np.array([[2.5, 2.5], [0.0, 1.0]])}}
    arrays["a"] = {"scores": {"test": inliers[:1], "anomalies": np.array([[0.0, 0.5]])}}
    group = densities("b", "B_8", metrics={"published_anomaly_auc": 0.25})
    (figure,) = draw_anomalies("dcgmm_figure10", [densities("a"), group])
    assert figure.name == "dcgmm_figure10_anomalies-digits_without_0-gaussian"
    assert figure.evaluations == ("a", "b")
    assert "3 inliers and 2 anomalies" in figure.caption
    assert "100 equally spaced thresholds" in figure.caption
    text = figure.images[".svg"].decode()
    # Of the lower layer two pairs of six are in order, of the higher one all.
    for number in ("0.333", "1.000 (0.250)", "A_8", "B_8"):
        assert f"<!-- {number} -->" in text or number in text, number


def test_without_anomalies_there_is_no_curve(arrays: Any) -> None:
    arrays["a"] = {"scores": {"test": np.ones((1, 3)), "anomalies": np.ones((1, 0))}}
    assert draw_anomalies("x", [densities("a"), densities("unmeasured")]) == []


# Layers


@pytest.fixture
def histories(monkeypatch: pytest.MonkeyPatch) -> dict[str, Arrays]:
    held: dict[str, Arrays] = {}
    monkeypatch.setattr(layer_curves, "read_history", lambda _, run: held.get(run.fingerprint))
    return held


def test_losses_and_widths_are_drawn_layer_by_layer(histories: Any) -> None:
    steps = np.arange(1, 11) * 100
    histories["b"] = {
        "step": steps,
        "validation_bound": np.zeros(10),
        "layer_1_loss": np.linspace(0, 5, 10),
        "layer_2_loss": np.linspace(-3, 2, 10),
        "layer_1_sigma": np.geomspace(2, 0.01, 10),
        "layer_2_sigma": np.geomspace(2, 0.1, 10),
        "layer_3_loss": np.full(10, np.nan),
    }
    losses, widths = draw_layer_curves(
        "dcgmm_figure4", [densities("b", "B_8"), densities("absent")]
    )
    assert losses.name == "dcgmm_figure4_layer_losses"
    assert widths.name == "dcgmm_figure4_layer_annealing"
    assert losses.evaluations == widths.evaluations == ("b",)
    assert "1 training" in losses.caption
    text = losses.images[".svg"].decode()
    assert "layer 2" in text
    assert "layer 3" not in text
    assert "Digits without 0" in text


def test_every_layer_has_an_axis_of_its_own_for_its_loss(histories: Any) -> None:
    steps = np.arange(1, 4)
    first = {"step": steps, "layer_1_loss": np.array([100.0, 100.2, 100.3])}
    histories["a"] = first
    histories["b"] = {**first, "layer_2_loss": np.array([-900.0, -500.0, -300.0])}
    (losses,) = draw_layer_curves("x", [densities("a"), densities("b", "B_8")])
    text = losses.images[".svg"].decode()
    # Two panels of the first layer, one of the second; the fourth place is empty.
    assert text.count(">layer 1, nats<") == 2
    assert text.count(">layer 2, nats<") == 1
    assert text.count(">steps<") == 2
    assert "maximised" in losses.caption
    assert "without smoothing" in losses.caption


def test_a_layer_starts_when_its_waiting_is_over(histories: Any) -> None:
    histories["b"] = {
        "step": np.array([0, 1000]),
        "layer_1_loss": np.zeros(2),
        "layer_3_loss": np.ones(2),
    }
    group = densities("b", "B_8")
    run = dataclasses.replace(group.evaluation.runs[0], spec={"delay": 0.1})
    evaluation = dataclasses.replace(group.evaluation, runs=(run,), winner=run)
    (course,) = layer_curves._courses(
        [dataclasses.replace(group, evaluation=evaluation)], layer_curves.LOSSES
    )
    assert course.starts == {1: 0.0, 3: pytest.approx(200.0)}


def test_models_without_layers_have_no_curves(histories: Any) -> None:
    histories["a"] = {"step": np.arange(3), "training_bound": np.zeros(3)}
    assert draw_layer_curves("x", [densities("a")]) == []


# Pictures


@pytest.mark.parametrize("letters", range(10, 60, 5))
def test_titles_keep_names_with_their_numbers(letters: int) -> None:
    title = "RAT-SPN, split depth 2, drawn\nlog density -12.345, error 0.123"
    lines = mosaics._wrapped(title, letters * mosaics._CHARACTER).split("\n")
    assert " ".join(lines) == title.replace("\n", " ")
    longest = letters + mosaics._BETWEEN // mosaics._CHARACTER
    assert max(map(len, lines)) <= longest
    for phrase in ("RAT-SPN", "split depth 2", "error 0.123", "log density -12.345"):
        # A phrase and the comma after it have to fit.
        assert len(phrase) >= longest or any(phrase in line for line in lines), phrase


def test_samples_of_models_stand_side_by_side(arrays: Any) -> None:
    arrays["a"] = {"samples": {"images": images(64, 8, 8)}}
    arrays["r"] = {"samples": {"samples": images(64, 8, 8), "means": images(64, 8, 8)}}
    groups = [densities("a"), densities("r", model="spvae")]
    (figure,) = draw_samples("x", groups)
    assert figure.evaluations == ("a", "r")
    assert "expected" not in figure.caption, "not all have expected pixels"
    (alone,) = draw_samples("x", groups[1:])
    assert "expected" in alone.caption
    assert opened(alone).height > 1.5 * opened(figure).height


def test_every_class_of_a_collection_has_a_row(arrays: Any) -> None:
    names = ("digits_class_3", "digits_class_8")
    for place, name in enumerate(names):
        arrays[name] = {"samples": {"images": np.full((20, 8, 8), place, dtype=np.float32)}}
    (figure,) = draw_samples("x", [densities(name, data_set=name) for name in names])
    assert figure.name == "x_samples-digits_classes-gaussian"
    assert figure.evaluations == names
    assert "Digits, class 3 and Digits, class 8" in figure.caption
    picture = np.asarray(opened(figure).convert("L"), dtype=float)
    dark = (picture < 60).mean(axis=1)
    rows = np.flatnonzero(dark > 0.5)
    # The first class is black, the second white: dark rows are all above the middle of the panel.
    assert len(rows) > 20
    assert rows.max() - rows.min() < 0.6 * picture.shape[0]


def test_models_with_other_rows_are_told_apart(arrays: Any) -> None:
    names = ("digits_class_3", "digits_class_8")
    for name in ("a3", "a8", "r3"):
        arrays[name] = {"samples": {"images": images(20, 8, 8)}}
    groups = [densities(f"a{name[-1]}", data_set=name) for name in names]
    (figure,) = draw_samples("x", [*groups, densities("r3", model="rat_spn", data_set=names[0])])
    assert "Digits, class 3 and Digits, class 8 of DCGMM" in figure.caption
    assert "; Digits, class 3 of RAT-SPN" in figure.caption


def test_sharpened_samples_stand_beside_plain_ones(arrays: Any) -> None:
    arrays["c"] = {
        "sharpened_samples": {
            "plain": np.zeros((9, 8, 8), dtype=np.float32),
            "sharpened": np.full((9, 8, 8), 0.5, dtype=np.float32),
        }
    }
    (figure,) = draw_sharpened_samples("x", [densities("c", "B_8"), densities("none")])
    picture = np.asarray(opened(figure).convert("L"), dtype=float)
    left, right = np.array_split(picture[picture.shape[0] // 2 :], 2, axis=1)
    assert (left < 20).mean() > 0.3
    assert not (right < 20).any()
    assert (abs(right - 127) < 10).mean() > 0.3


def test_variants_follow_their_originals(arrays: Any) -> None:
    originals, variants = images(3, 8, 8), images(3, 8, 8, 8)
    arrays["a"] = {"variants": {"originals": originals, "variants": variants}}
    (figure,) = draw_variants("x", [densities("a")])
    assert figure.evaluations == ("a",)
    expected = tiled(
        np.concatenate([originals[:, None], variants], axis=1).reshape(-1, 8, 8), 3, 9, 1
    )
    assert expected.shape == (26, 80)
    np.testing.assert_array_equal(expected[:8, :8], originals[0])
    np.testing.assert_array_equal(expected[9:17, 9:17], variants[1, 0])


def test_variants_may_be_in_colour(arrays: Any) -> None:
    arrays["a"] = {"variants": {"originals": images(2, 4, 4, 3), "variants": images(2, 8, 4, 4, 3)}}
    assert len(draw_variants("x", [densities("a")])) == 1


def test_all_models_fill_in_the_same_images(arrays: Any) -> None:
    originals = images(6, 8, 8)
    observed = np.arange(64).reshape(8, 8) % 8 < 4
    shared = {"originals": originals, "hidden": originals * observed, "observed": observed}
    arrays["a"] = {
        "side_by_side": {
            **shared,
            "filled": images(6, 8, 8),
            "expected": images(6, 8, 8),
            "zeroed_filled": images(6, 8, 8),
        }
    }
    arrays["r"] = {
        "side_by_side": {**shared, "filled": images(6, 8, 8), "expected": images(6, 8, 8)}
    }
    errors = {"inpainting_error": 0.1234, "zeroed_inpainting_error": 0.2}
    groups = [
        densities("a", metrics=errors),
        densities("r", model="rat_spn", metrics={"inpainting_log_density": 1.5}),
    ]
    (figure,) = draw_side_by_side("x", groups)
    assert figure.evaluations == ("a", "r")
    assert "error 0.123, as black 0.200" in figure.caption
    assert "log density 1.500" in figure.caption
    assert "other images" not in figure.caption
    arrays["r"]["side_by_side"] |= {"originals": originals + 1}
    (figure,) = draw_side_by_side("x", groups)
    assert "other images" in figure.caption


def test_centroids_of_one_size_share_a_figure(arrays: Any) -> None:
    arrays["a"] = {"centroids": {"images": images(25, 8, 8) - 0.5}}
    arrays["b"] = {"centroids": {"images": images(25, 3, 3)}}
    figures = draw_centroids("x", [densities("a"), densities("b", "B_8")])
    assert [figure.evaluations for figure in figures] == [("a",), ("b",)]
    assert "8 x 8" in figures[0].title
    assert "3 x 3" in figures[1].title
    assert len({figure.name for figure in figures}) == 2


def test_inpainting_is_drawn_without_densities_and_in_colour(arrays: Any) -> None:
    observed = np.ones((1, 4, 4), dtype=bool)
    held = {
        "masks": np.array(["right"]),
        "images": images(8, 4, 4, 3),
        "observed": observed,
        "expected": images(1, 8, 4, 4, 3),
        "completions": images(1, 8, 4, 4, 4, 3),
        "error": np.full((1, 64), 0.25),
    }
    arrays["a"] = {"inpainting": held}
    (figure,) = draw_inpainting("x", [densities("a")])
    assert "0.250 and none" in figure.caption
    picture = block(dict(held), 0)
    np.testing.assert_allclose(picture[:4, :4], held["images"][0])
    np.testing.assert_allclose(picture[:4, 10:14], held["expected"][0, 0])
