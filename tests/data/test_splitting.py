"""The paper's splits: sizes, disjointness, and where their images come from."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_src.config.data_sets import DATA_SETS, data_set
from workflow_src.data.raw import DataError, Facts, RawImages, facts_of
from workflow_src.data.splitting import split_indices
from workflow_src.plan.fingerprints import data_recipe

PUBLISHED = {
    "digits": {"all": 1797},
    "mnist": {"train": 60_000, "test": 10_000},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "svhn": {"train": 73_257, "test": 26_032, "extra": 26_032},
    "cifar10": {"train": 50_000, "test": 10_000},
    "cifar10_colour": {"train": 50_000, "test": 10_000},
    "binarised_mnist": {"train": 50_000, "validation": 10_000, "test": 10_000},
    "omniglot": {"train": 24_345, "test": 8_070},
    "caltech101_silhouettes": {"train": 4_100, "validation": 2_264, "test": 2_307},
    "mnist_fours": {"train": 5_842, "test": 982, "anomalies": 9_018},
    "digits_fours": {"all": 181, "anomalies": 300},
    "circle": {"train": 500, "validation": 500, "test": 2_000, "anomalies": 1_000},
    "wave": {"train": 500, "validation": 500, "test": 2_000, "anomalies": 1_000},
}


def test_all_but_parts_of_others_and_what_is_split_by_label_is_here() -> None:
    whole = {name for name, one in DATA_SETS.items() if one.part_of is None}
    assert whole - set(PUBLISHED) == {"svhn_colour"}


def empty_parts(counts: dict[str, int]) -> list[RawImages]:
    return [
        RawImages(part, np.zeros((count, 1, 1), np.uint8), np.zeros(count, np.uint8))
        for part, count in counts.items()
    ]


def splits_of(name: str) -> dict[str, np.ndarray]:
    return split_indices(
        facts_of(data_recipe(data_set(name), "gaussian")), empty_parts(PUBLISHED[name])
    )


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_splits_use_every_image_once(name: str) -> None:
    splits = splits_of(name)
    assert list(splits) == ["train", "validation", "test"]
    together = np.concatenate(list(splits.values()))
    assert np.array_equal(np.sort(together), np.arange(sum(PUBLISHED[name].values())))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("digits", (1297, 250, 250)),
        ("mnist", (50_000, 10_000, 10_000)),
        ("fashion_mnist", (50_000, 10_000, 10_000)),
        ("svhn", (73_257, 26_032, 26_032)),
        ("cifar10", (40_000, 10_000, 10_000)),
        ("cifar10_colour", (45_000, 5_000, 10_000)),
        ("binarised_mnist", (50_000, 10_000, 10_000)),
        ("omniglot", (23_000, 1_345, 8_070)),
        ("caltech101_silhouettes", (4_100, 2_264, 2_307)),
        ("mnist_fours", (5_842, 491, 9_509)),
        ("digits_fours", (121, 30, 330)),
        ("circle", (500, 500, 3_000)),
        ("wave", (500, 500, 3_000)),
    ],
)
def test_splits_have_the_papers_sizes(name: str, sizes: tuple[int, int, int]) -> None:
    assert tuple(len(indices) for indices in splits_of(name).values()) == sizes


def test_mnist_keeps_the_official_test_set_and_draws_validation_from_all_of_train() -> None:
    splits = splits_of("mnist")
    assert np.array_equal(splits["test"], np.arange(60_000, 70_000))
    # Uniform on 0..59999: the mean of 10,000 has standard deviation 158.
    assert abs(splits["validation"].mean() - 29_999.5) < 800
    assert abs(splits["train"][:10_000].mean() - 29_999.5) < 800


def test_svhn_validates_on_extra() -> None:
    splits = splits_of("svhn")
    assert np.array_equal(splits["train"], np.arange(73_257))
    assert splits["validation"][0] == 73_257 + 26_032


def test_omniglot_validates_on_the_last_training_images() -> None:
    splits = splits_of("omniglot")
    assert np.array_equal(splits["train"], np.arange(23_000))
    assert np.array_equal(splits["validation"], np.arange(23_000, 24_345))
    assert np.array_equal(splits["test"], np.arange(24_345, 32_415))


@pytest.mark.parametrize("name", ["mnist_fours", "digits_fours", "circle", "wave"])
def test_anomalies_end_the_test_set_and_are_nowhere_else(name: str) -> None:
    *ordinary, anomalies = PUBLISHED[name].values()
    splits = splits_of(name)
    assert np.array_equal(splits["test"][-anomalies:], sum(ordinary) + np.arange(anomalies))
    others = [splits["train"], splits["validation"], splits["test"][:-anomalies]]
    assert np.array_equal(np.sort(np.concatenate(others)), np.arange(sum(ordinary)))


def test_mnists_fours_all_train_and_the_official_test_set_is_shuffled_before_it_is_cut() -> None:
    splits = splits_of("mnist_fours")
    assert np.array_equal(splits["train"], np.arange(5_842))
    # Uniform on 5842..6823: the mean of 491 has standard deviation 9.1.
    assert abs(splits["validation"].mean() - 6_332.5) < 45


@pytest.mark.parametrize("name", ["binarised_mnist", "caltech101_silhouettes", "circle", "wave"])
def test_published_parts_stay_as_they_are(name: str) -> None:
    together = np.concatenate(list(splits_of(name).values()))
    assert np.array_equal(together, np.arange(len(together)))


def test_cifar10_in_colour_keeps_the_official_test_set() -> None:
    splits = splits_of("cifar10_colour")
    assert np.array_equal(splits["test"], np.arange(50_000, 60_000))
    # Uniform on 0..49999: the mean of 5,000 has standard deviation 204.
    assert abs(splits["validation"].mean() - 24_999.5) < 1000


def test_cifar10_mixes_the_official_sets() -> None:
    official_test = [(indices >= 50_000).mean() for indices in splits_of("cifar10").values()]
    assert np.allclose(official_test, 1 / 6, atol=0.02)


def test_splits_are_fixed_and_differ_between_data_sets() -> None:
    assert np.array_equal(splits_of("mnist")["train"], splits_of("mnist")["train"])
    assert not np.array_equal(splits_of("mnist")["train"], splits_of("fashion_mnist")["train"])


@pytest.mark.parametrize(
    ("reader", "counts"),
    [
        ("idx", {"train": 9, "test": 2}),
        ("idx", {"train": 10, "test": 3}),
        ("cifar10", {"train": 9, "test": 2}),
        ("svhn", {"train": 7, "test": 2, "extra": 2}),
        ("digits", {"all": 13}),
        ("idx_label", {"train": 7, "test": 5, "anomalies": 1}),
        ("digits_label", {"all": 12, "anomalies": 1}),
        ("circle", {"train": 7, "validation": 3, "test": 2, "anomalies": 1}),
    ],
)
def test_wrong_counts_are_refused(reader: str, counts: dict[str, int]) -> None:
    facts = Facts("small", reader, (1, 1), 255, {"train": 7, "validation": 3, "test": 2})
    with pytest.raises(DataError, match=r"data set small.*images for"):
        split_indices(facts, empty_parts(counts))
