"""Which published images, or drawn points, train, validate and test.

The splits are those of the SPVAE paper's supplement, of the publishers whose data the DVAE++ paper
uses, and, for the EM-DGN paper, of one label with anomalies at the end of the test set; what is
drawn at random is fixed by the data set's name. Images are numbered through all
parts in the order in which readers.py gives them. Nothing is random across seeds: every run of a
data set has the same three sets. A part of another data set keeps that one's three sets, without
the labels that it does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.raw import DataError, Facts, RawImages
from workflow_src.plan import seeds

Indices = NDArray[np.int64]


def split_indices(facts: Facts, parts: Sequence[RawImages]) -> dict[str, Indices]:
    """The image numbers of train, validation and test, each in the order it is to be stored in.

    Raises
    ------
    DataError
        Where the parts do not hold the images that the data set's sizes need.
    """
    counts = {part.part: len(part) for part in parts}
    if facts.whole is not None:
        splits = _of_labels(facts, split_indices(facts.whole, parts), _labels(parts))
    elif facts.reader in _BY_LABEL:
        splits = _BY_LABEL[facts.reader](facts, counts, _labels(parts))
    else:
        splits = _SPLITS[facts.reader](facts, counts)
    for name, size in facts.sizes.items():
        if len(splits[name]) != size:
            held = ", ".join(f"{count} in {part}" for part, count in counts.items())
            raise DataError(
                f"its files hold {held}, which leaves {len(splits[name])} images for {name}",
                f"data set {facts.name}",
                f"{size} images for {name}",
            )
    return splits


def _of_labels(
    facts: Facts, whole: dict[str, Indices], labels: NDArray[np.uint8]
) -> dict[str, Indices]:
    """The images of the training labels, in the order of the whole data set's three sets.

    Test images of other labels follow as anomalies, all or none of them.
    """
    kept = {
        name: indices[np.isin(labels[indices], facts.training_labels)]
        for name, indices in whole.items()
    }
    if facts.whole is not None and facts.anomalies:
        others = np.setdiff1d(whole["test"], kept["test"])
        if len(others) != facts.anomalies:
            raise DataError(
                f"{len(others)} test images of {facts.whole.name} have other labels",
                f"data set {facts.name}",
                f"{facts.anomalies} anomalies",
            )
        kept["test"] = np.concatenate([kept["test"], others])
    return kept


def _labels(parts: Sequence[RawImages]) -> NDArray[np.uint8]:
    return np.concatenate([part.labels for part in parts])


def _shuffled(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """All images shuffled, then cut into train, validation and test (digits, CIFAR-10)."""
    order = _permutation(facts, sum(counts.values()))
    train, validation = facts.sizes["train"], facts.sizes["validation"]
    return {
        "train": order[:train],
        "validation": order[train : train + validation],
        "test": order[train + validation :],
    }


def _official_test(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """The official test images; validation drawn from the official training images.

    IDX files, and CIFAR-10 in colour.
    """
    order = _permutation(facts, counts["train"])
    validation = facts.sizes["validation"]
    return {
        "train": order[validation:],
        "validation": order[:validation],
        "test": _range(counts["train"], counts["test"]),
    }


def _extra_validates(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """Official training and test images; the first of the extra images validate (SVHN)."""
    return {
        "train": _range(0, counts["train"]),
        "validation": _range(counts["train"] + counts["test"], counts["extra"]),
        "test": _range(counts["train"], counts["test"]),
    }


def _tenths_validate(
    facts: Facts, counts: dict[str, int], labels: NDArray[np.uint8]
) -> dict[str, Indices]:
    """The official test images; a tenth of each label's official training images validates.

    Rounded down, at random (SVHN in colour). So each label's number of images in each set follows
    from how many the publisher has, whatever is drawn.
    """
    order = _permutation(facts, counts["train"])
    validates = np.zeros(counts["train"], dtype=bool)
    for label in np.unique(labels[order]):
        own = order[labels[order] == label]
        validates[own[: len(own) // 10]] = True
    return {
        "train": np.flatnonzero(~validates),
        "validation": np.flatnonzero(validates),
        "test": _range(counts["train"], counts["test"]),
    }


def _last_validate(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """The official test images; the last of the official training images validate (OMNIGLOT)."""
    train = counts["train"] - facts.sizes["validation"]
    return {
        "train": _range(0, train),
        "validation": _range(train, facts.sizes["validation"]),
        "test": _range(counts["train"], counts["test"]),
    }


def _published(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """The three parts that are published (binarised MNIST, silhouettes)."""
    train, validation = counts["train"], counts["validation"]
    return {
        "train": _range(0, train),
        "validation": _range(train, validation),
        "test": _range(train + validation, counts["test"]),
    }


def _test_validates(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """All training images of a label; its official test images, shuffled, validate and test."""
    order = counts["train"] + _permutation(facts, counts["test"])
    validation = facts.sizes["validation"]
    return {
        "train": _range(0, counts["train"]),
        "validation": order[:validation],
        "test": np.concatenate([order[validation:], _anomalies(counts)]),
    }


def _shuffled_with_anomalies(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """All images of a label shuffled and cut into three; anomalies end the test set."""
    shuffled = _shuffled(facts, {"all": counts["all"]})
    return shuffled | {"test": np.concatenate([shuffled["test"], _anomalies(counts)])}


def _drawn(facts: Facts, counts: dict[str, int]) -> dict[str, Indices]:
    """The three parts that are drawn; anomalies end the test set (points)."""
    splits = _published(facts, counts)
    return splits | {"test": np.concatenate([splits["test"], _anomalies(counts)])}


def _anomalies(counts: dict[str, int]) -> Indices:
    """The image numbers of the last part."""
    return _range(sum(counts.values()) - counts["anomalies"], counts["anomalies"])


_SPLITS: dict[str, Callable[[Facts, dict[str, int]], dict[str, Indices]]] = {
    "digits": _shuffled,
    "cifar10": _shuffled,
    "idx": _official_test,
    "svhn": _extra_validates,
    "cifar10_colour": _official_test,
    "omniglot": _last_validate,
    "binarised_mnist": _published,
    "silhouettes": _published,
    "idx_label": _test_validates,
    "digits_label": _shuffled_with_anomalies,
    "circle": _drawn,
    "wave": _drawn,
}

_BY_LABEL: dict[str, Callable[[Facts, dict[str, int], NDArray[np.uint8]], dict[str, Indices]]] = {
    "svhn_colour": _tenths_validate
}


def _permutation(facts: Facts, count: int) -> Indices:
    generator = np.random.Generator(np.random.PCG64(seeds.seed("split", data_set=facts.name)))
    return generator.permutation(count).astype(np.int64, copy=False)


def _range(first: int, count: int) -> Indices:
    return np.arange(first, first + count, dtype=np.int64)
