"""What a study asks for is measured, and numbers are those of the mixture's closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from support.image_densities import EVERYTHING, NOTHING, subject

from workflow_src.config.metrics import METRICS
from workflow_src.config.models import evaluation_declarations
from workflow_src.evaluate.image_densities.measurement import measure
from workflow_src.evaluate.image_densities.subject import Subject
from workflow_src.evaluate.measurement import Measurement
from workflow_src.models.images import ImageFacts

Array = NDArray[np.float64]
COLOUR = ImageFacts(3, 4, "gaussian", 16, channels=3)
COUNTS = ImageFacts(4, 3, "binomial", 16)


def by_name(found: Measurement) -> dict[str, dict[str, Any]]:
    assert len({row["metric"] for row in found.metrics}) == len(found.metrics)
    return {row["metric"]: row for row in found.metrics}


def density(one: Subject, pixels: torch.Tensor, seen: Array | None = None) -> Array:
    """log p of the seen pixels [N], by SciPy."""
    values, mean, deviation = (
        part.double().numpy()
        for part in (pixels, one.parameters["mean"], one.parameters["deviation"])
    )
    seen = np.ones(values.shape[1], dtype=bool) if seen is None else seen
    terms = norm.logpdf(values[:, None], mean, deviation)[..., seen].sum(-1)
    return np.asarray(logsumexp(terms + np.log([0.3, 0.7]), axis=-1))


def test_every_metric_and_measure_is_declared() -> None:
    declared = evaluation_declarations()["image_densities"]
    assert set(EVERYTHING) == set(declared.all_measures)
    assert set(declared.metrics) <= set(METRICS)
    found = by_name(measure(subject(), EVERYTHING))
    assert set(found) <= set(declared.metrics)
    for name, row in found.items():
        assert row["unit"] == METRICS[name].unit, name
    judged = {name for name in declared.metrics if "judge" in name or "sharpen" in name}
    assert set(declared.metrics) - set(found) - judged == {
        f"layer_{layer}_{what}" for layer in (3, 4) for what in ("loss", "anomaly_auc")
    }


def test_log_likelihoods_and_losses_are_means_over_test_images() -> None:
    one = subject(anomalies=5)
    rows = by_name(measure(one, {"layer_scores": True}))
    top, lower = density(one, one.test), -one.test[:, 0].abs().double().numpy()
    for metric, values in (
        ("test_log_likelihood", top),
        ("layer_1_loss", lower),
        ("layer_2_loss", top),
    ):
        assert rows[metric]["value"] == pytest.approx(values.mean(), rel=1e-5)
        error = values.std(ddof=1) / np.sqrt(70)
        assert rows[metric]["standard_error"] == pytest.approx(error, rel=1e-4)
        assert rows[metric]["importance_samples"] is None
    assert "anomaly_auc" not in rows


def test_anomalies_are_told_by_every_layer() -> None:
    one = subject(anomalies=9)
    rows = by_name(measure(one, {"anomalies": True}))
    labels = [1] * 70 + [0] * 9
    every = torch.cat([one.test, one.anomalies])
    top = roc_auc_score(labels, density(one, every))
    lower = roc_auc_score(labels, -every[:, 0].abs().numpy())
    assert rows["anomaly_auc"]["value"] == pytest.approx(top)
    assert rows["layer_2_anomaly_auc"] == rows["anomaly_auc"] | {"metric": "layer_2_anomaly_auc"}
    assert rows["layer_1_anomaly_auc"]["value"] == pytest.approx(lower)
    assert rows["top_layer_anomaly_auc_gain"]["value"] == pytest.approx(top - lower)
    assert 0 < rows["anomaly_auc"]["standard_error"] < 0.1
    assert rows["published_anomaly_auc"]["standard_error"] is None


def test_without_anomalies_there_are_none_to_tell() -> None:
    found = measure(subject(anomalies=0), EVERYTHING)
    assert not any("anomaly" in metric for metric in by_name(found))
    assert found.arrays["scores"]["anomalies"].shape == (2, 0)


def test_scores_are_kept_image_by_image() -> None:
    one = subject()
    kept = measure(one, NOTHING).arrays
    assert set(kept) == {"scores"}
    np.testing.assert_allclose(kept["scores"]["test"][1], density(one, one.test), rtol=1e-4)
    np.testing.assert_array_equal(kept["scores"]["log_likelihood"], kept["scores"]["test"][1])
    assert kept["scores"]["test"].dtype == np.float64
    np.testing.assert_allclose(
        kept["scores"]["anomalies"][1], density(one, one.anomalies), rtol=1e-4
    )


def test_what_is_no_normalised_density_has_no_likelihood() -> None:
    found = measure(subject(is_normalised=False), EVERYTHING)
    assert not {"test_log_likelihood", "inpainting_log_density"} & set(by_name(found))
    assert "log_likelihood" not in found.arrays["scores"]
    assert "log_density" not in found.arrays["inpainting"]


@pytest.mark.parametrize("ability", ["has_sharpening", "has_classifier"])
def test_what_a_run_does_not_have_is_left_out(ability: str) -> None:
    all_of_it = measure(subject(), EVERYTHING)
    without = measure(subject(**{ability: False}), EVERYTHING)
    lacking = {"has_sharpening": "sharpened_samples", "has_classifier": "classification"}[ability]
    assert set(all_of_it.arrays) - set(without.arrays) == {lacking}
    assert ("test_accuracy" in by_name(without)) == (ability == "has_sharpening")


def test_the_accuracy_is_the_share_of_images_whose_class_is_likeliest() -> None:
    one = subject()
    found = measure(one, {"classification": True})
    means, spread = one.parameters["mean"].double(), one.parameters["deviation"].double()
    terms = norm.logpdf(one.test.double()[:, None], means, spread).sum(-1) + np.log([0.3, 0.7])
    right = (terms.argmax(axis=1) == one.labels).astype(float)
    row = by_name(found)["test_accuracy"]
    assert row["value"] == pytest.approx(right.mean())
    assert row["standard_error"] == pytest.approx(right.std(ddof=1) / np.sqrt(70))
    of_labels = (terms - logsumexp(terms, axis=1, keepdims=True))[np.arange(70), one.labels]
    loss = by_name(found)["test_cross_entropy"]
    assert loss["value"] == pytest.approx(-of_labels.mean(), rel=1e-4)
    kept = found.arrays["classification"]
    np.testing.assert_allclose(
        kept["log_probabilities"], terms - logsumexp(terms, axis=1, keepdims=True), atol=1e-3
    )
    np.testing.assert_array_equal(kept["labels"], one.labels)


def test_the_papers_count_is_of_one_position() -> None:
    rows = by_name(measure(subject(), NOTHING))
    assert rows["parameter_count"]["value"] == 4 * 2 * 12 + 2 * 12 + 2
    assert rows["centroid_count"]["value"] == 2 * 12


@pytest.mark.parametrize("facts", [None, COLOUR, COUNTS], ids=["gray", "colour", "counts"])
def test_nothing_that_is_asked_for_beside_it_changes_a_number(facts: ImageFacts | None) -> None:
    whole = measure(subject(facts), EVERYTHING)
    for name, value in EVERYTHING.items():
        alone = measure(subject(facts), NOTHING | {name: value})
        for row in alone.metrics:
            assert row in whole.metrics
        for file, arrays in alone.arrays.items():
            for key, array in arrays.items():
                np.testing.assert_array_equal(array, whole.arrays[file][key])


def test_the_budget_decides_how_work_is_cut_and_not_what_comes_of_it() -> None:
    whole, cut = (measure(subject(at_a_time=count), EVERYTHING) for count in (100, 7))
    for file, arrays in whole.arrays.items():
        for key, array in arrays.items():
            other = cut.arrays[file][key]
            if array.dtype.kind == "f":
                np.testing.assert_allclose(other, array, rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(other, array)


def test_all_test_images_are_told_with_the_values_of_each() -> None:
    found = measure(subject(COLOUR, count=12, anomalies=4), NOTHING)
    assert found.images == 16
    assert found.dimensions == 36
