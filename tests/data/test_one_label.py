"""One label's images with anomalies of other labels in the test set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workflow_src.config.data_sets import data_set
from workflow_src.data.one_label import of_one_label
from workflow_src.data.preparation import prepare
from workflow_src.data.raw import DataError, Facts, RawImages, facts_of
from workflow_src.data.readers import read_idx
from workflow_src.plan.fingerprints import data_recipe


def part(name: str, labels: list[int]) -> RawImages:
    """Images of one pixel that holds the image's number."""
    numbers = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1)
    return RawImages(name, numbers, np.array(labels, dtype=np.uint8))


def facts(label: int | None, anomalies: int) -> Facts:
    return Facts("small", "idx_label", (1, 1), 255, {}, 1, label, anomalies)


def test_other_labels_stay_in_the_last_part_alone() -> None:
    train, test = part("train", [4, 1, 4, 2]), part("test", [9, 4, 4, 3, 7])
    first, second, others = of_one_label(facts(4, 3), [train, test])
    assert [one.part for one in (first, second, others)] == ["train", "test", "anomalies"]
    assert first.images.ravel().tolist() == [0, 2]
    assert second.images.ravel().tolist() == [1, 2]
    assert others.images.ravel().tolist() == [0, 3, 4]
    assert others.labels.tolist() == [9, 3, 7]


def test_fewer_anomalies_are_a_fixed_draw_from_everywhere_without_repetition() -> None:
    source = part("all", [4] * 10 + [number % 3 for number in range(200)])
    draws = [of_one_label(facts(4, 50), [source])[1] for _ in range(2)]
    numbers = draws[0].images.ravel().tolist()
    assert numbers == draws[1].images.ravel().tolist() == sorted(set(numbers))
    assert len(numbers) == 50
    # Uniform on 10..209, without replacement: the mean of 50 has standard deviation 7.1.
    assert abs(np.mean(numbers) - 109.5) < 36


@pytest.mark.parametrize(
    ("label", "problem"), [(None, "which label is kept"), (4, "holds 2 images of other labels")]
)
def test_what_cannot_be_is_refused(label: int | None, problem: str) -> None:
    with pytest.raises(DataError, match=rf"data set small.*{problem}"):
        of_one_label(facts(label, 3), [part("all", [4, 1, 2])])


def test_digits_fours_are_scikit_learns_fours() -> None:
    from sklearn.datasets import load_digits

    source, labels = load_digits(return_X_y=True)
    wanted = data_set("digits_fours")
    prepared = prepare(
        facts_of(data_recipe(wanted, "gaussian_noise")), "gaussian_noise", Path("unused")
    )
    fours = source[labels == 4]
    indices = {name: split.indices for name, split in prepared.items()}
    for name, split in prepared.items():
        ordinary = split.labels == 4
        ours = fours[indices[name][ordinary]]
        noise = split.images[ordinary] - ours / np.linalg.norm(ours, axis=1, keepdims=True)
        # The relative standard error of a standard deviation from 30 * 64 draws is 1.6 %.
        assert noise.std() == pytest.approx(0.1, rel=0.08)
        assert ordinary.sum() == {"train": 121, "validation": 30, "test": 30}[name]
    assert len(set(prepared["test"].labels[30:].tolist()) - {4}) == 9


def test_mnists_fours_are_mnists(mirror: Path) -> None:
    labels = {
        name: read_idx(mirror / "mnist" / f"{name}-labels-idx1-ubyte.gz", dimensions=1)
        for name in ("train", "t10k")
    }
    assert [int((one == 4).sum()) for one in labels.values()] == [5_842, 982]
    facts_ = facts_of(data_recipe(data_set("mnist_fours"), "gaussian_noise"))
    prepared = prepare(facts_, "gaussian_noise", mirror / "mnist")
    for name in ("train", "validation"):
        assert (prepared[name].labels == 4).all()
    test = prepared["test"].labels
    assert (test[:491] == 4).all()
    assert np.array_equal(test[491:], labels["t10k"][labels["t10k"] != 4])
