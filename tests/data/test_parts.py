"""Data sets that are parts of others: some labels of the whole one's three sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.data.preparation import PreparedSplit, prepare
from workflow_src.data.raw import DataError, Facts, RawImages, facts_of
from workflow_src.data.readers import read, read_idx
from workflow_src.data.splitting import split_indices
from workflow_src.plan.fingerprints import data_recipe

Writer = Callable[..., None]
PARTS = ("train", "validation", "test")


def facts(name: str, likelihood: str = "binomial") -> Facts:
    return facts_of(data_recipe(data_set(name), likelihood))


def prepared(
    name: str, directory: Path = Path("unused"), likelihood: str = "binomial"
) -> dict[str, PreparedSplit]:
    return prepare(facts(name, likelihood), likelihood, directory)


def indices(splits: dict[str, PreparedSplit], part: str) -> set[int]:
    found = splits[part].indices.tolist()
    assert len(set(found)) == len(found)
    return set(found)


def test_classes_of_digits_are_scikit_learns_images_of_each_label_in_the_wholes_sets() -> None:
    bunch = load_digits()
    whole = prepared("digits")
    for label in range(10):
        own = prepared(f"digits_class_{label}")
        numbers = [indices(own, part) for part in PARTS]
        assert set.union(*numbers) == set(np.flatnonzero(bunch.target == label).tolist())
        assert sum(map(len, numbers)) == int((bunch.target == label).sum())
        for part, kept in zip(PARTS, numbers, strict=True):
            assert kept <= indices(whole, part)
            assert (own[part].labels == label).all()
            # The sources hold 0..16 with both ends in every image, so that stretching keeps most.
            source = bunch.images[own[part].indices].reshape(-1, 64)
            full = (source.min(axis=1) == 0) & (source.max(axis=1) == 16)
            assert full.any()
            assert np.array_equal(own[part].images[full], source[full])


def test_digits_without_0_are_nine_labels_with_all_0_of_the_test_set_as_anomalies_last() -> None:
    target = load_digits().target
    whole, without = prepared("digits"), prepared("digits_without_0")
    for part in ("train", "validation"):
        assert indices(without, part) == {i for i in indices(whole, part) if target[i] != 0}
    assert indices(without, "test") == indices(whole, "test")
    labels = without["test"].labels
    anomalies = int((target[whole["test"].indices] == 0).sum())
    assert (labels[-anomalies:] == 0).all()
    assert (labels[:-anomalies] != 0).all()
    assert data_set("digits_without_0").anomalies == anomalies


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_real_classes_have_the_sizes_of_the_registry(name: str, mirror: Path) -> None:
    labels = {
        part: read_idx(mirror / name / f"{part}-labels-idx1-ubyte.gz", dimensions=1)
        for part in ("train", "t10k")
    }
    parts = [
        RawImages(part, np.zeros((len(own), 28, 28), np.uint8), own)
        for part, own in zip(("train", "test"), labels.values(), strict=True)
    ]
    together = np.concatenate(list(labels.values()))
    whole = split_indices(facts(name), parts)
    for label in range(10):
        splits = split_indices(facts(f"{name}_class_{label}"), parts)
        sizes = data_set(f"{name}_class_{label}").sizes
        assert sizes.train + sizes.validation == int((labels["train"] == label).sum())
        assert sizes.test == int((labels["t10k"] == label).sum())
        for part, numbers in splits.items():
            assert len(numbers) == getattr(sizes, part)
            assert (together[numbers] == label).all()
            assert set(numbers.tolist()) <= set(whole[part].tolist())
    without = split_indices(facts(f"{name}_without_0"), parts)
    zeros = int((labels["t10k"] == 0).sum())
    assert (together[without["test"][-zeros:]] == 0).all()
    assert (together[without["test"][:-zeros]] != 0).all()
    assert not (together[np.concatenate([without["train"], without["validation"]])] == 0).any()
    assert len(without["test"]) == 10_000


def small(whole: Facts, **changed: object) -> Facts:
    base = dataclasses.replace(whole, name="part", whole=whole)
    return dataclasses.replace(base, **changed)  # type: ignore[arg-type]


def test_written_idx_files_by_class(tmp_path: Path, idx_writer: Writer) -> None:
    generator = np.random.default_rng(3)
    counts = {"train": 60, "t10k": 20}
    labels = {name: np.arange(count) % 3 for name, count in counts.items()}
    images = {name: generator.integers(0, 256, (count, 5, 5)) for name, count in counts.items()}
    for name in counts:
        idx_writer(tmp_path / f"{name}-images-idx3-ubyte.gz", images[name])
        idx_writer(tmp_path / f"{name}-labels-idx1-ubyte.gz", labels[name])
    whole = Facts("w", "idx", (5, 5), 255, {"train": 40, "validation": 20, "test": 20})
    parts = read(whole, tmp_path)
    validates = split_indices(whole, parts)["validation"]
    of_one = int((np.arange(60)[validates] % 3 == 1).sum())
    sizes = {"train": 20 - of_one, "validation": of_one, "test": 7}
    # 20 test images are labelled 0, 1, 2, 0, ..., 1: seven have the label 1.
    splits = split_indices(small(whole, training_labels=(1,), sizes=sizes), parts)
    assert splits["test"].tolist() == [60 + number for number in range(1, 20, 3)]
    assert (splits["train"] % 3 == 1).all()
    with_anomalies = small(whole, training_labels=(1,), anomalies=13, sizes=sizes | {"test": 20})
    test = split_indices(with_anomalies, parts)["test"]
    assert test[7:].tolist() == [60 + number for number in range(20) if number % 3 != 1]


def test_other_numbers_of_images_or_anomalies_are_refused() -> None:
    labels = np.arange(30, dtype=np.uint8) % 3
    parts = [RawImages(name, np.zeros((30, 1, 1), np.uint8), labels) for name in ("train", "test")]
    whole = Facts("w", "idx", (1, 1), 255, {"train": 20, "validation": 10, "test": 30})
    wrong = small(whole, training_labels=(1,), sizes={"train": 9, "validation": 9, "test": 10})
    with pytest.raises(DataError, match=r"data set part: .*images for"):
        split_indices(wrong, parts)
    wrong = dataclasses.replace(wrong, anomalies=19)
    with pytest.raises(DataError, match=r"20 test images of w have other labels.*19 anomalies"):
        split_indices(wrong, parts)


def test_a_tenth_of_every_label_of_svhn_in_colour_validates(
    tmp_path: Path, svhn_writer: Writer
) -> None:
    svhn_writer(tmp_path / "train_32x32.mat", 257, 1)
    svhn_writer(tmp_path / "test_32x32.mat", 31, 2)
    # The writer's labels are 1, 2, ..., 9, 0, 1, ...: 26 of 1 to 7, and 25 of the others.
    sizes = {"train": 257 - 20, "validation": 20, "test": 31}
    whole = Facts("w", "svhn_colour", (32, 32), 255, sizes, channels=3)
    own = {"train": 23, "validation": 2, "test": 3}
    part = small(whole, training_labels=(0,), sizes=own)
    splits = prepare(whole, "gaussian", tmp_path)
    assert np.bincount(splits["validation"].labels, minlength=10).tolist() == [2] * 10
    every = np.concatenate([split.indices for split in splits.values()])
    assert np.array_equal(np.sort(every), np.arange(257 + 31))
    assert splits["test"].indices.tolist() == list(range(257, 288))
    assert {split.images.shape[1] for split in splits.values()} == {3 * 32 * 32}
    noughts = prepare(part, "binomial", tmp_path)
    assert {name: len(split.images) for name, split in noughts.items()} == own
    for name, split in noughts.items():
        assert (split.labels == 0).all()
        assert set(split.indices.tolist()) <= set(splits[name].indices.tolist())


@pytest.mark.parametrize("name", ["digits_class_3", "mnist_without_0", "svhn_colour_class_9"])
def test_parts_share_the_files_and_the_folder_of_the_whole(name: str) -> None:
    part = data_set(name)
    assert isinstance(part, DataSet)
    assert part.part_of is not None
    whole = data_set(part.part_of)
    assert (part.files, part.raw_name) == (whole.files, whole.name)
