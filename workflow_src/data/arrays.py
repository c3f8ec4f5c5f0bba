"""Prepared data as files: what is written is what is read, array by array.

Part of the code that results depend on. Checking files against their record, and telling what is
wrong with them, is prepared.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
SPLIT_INDICES = "split_indices.npz"
PIXEL_TYPES: dict[str, np.dtype[Any]] = {
    "gaussian": np.dtype(np.float32),
    "binomial": np.dtype(np.uint8),
    "bernoulli": np.dtype(np.uint8),
    "discretised_logistic": np.dtype(np.uint8),
    "gaussian_noise": np.dtype(np.float32),
}
LABEL_TYPE = np.dtype(np.uint8)


@dataclass(frozen=True)
class PreparedData:
    """One data set, prepared for one likelihood.

    Images have shape [images, channels * height * width], one channel after the other and each row
    by row: float32 in [0, 1] for the Gaussian, float32 of any size for Gaussian noise, uint8 for
    all others. These are counts in 0..levels for the binomial and the discretised logistic. For the
    Bernoulli, training images are counts too, of which each over ``levels`` is the probability of a
    1, while validation and test images are 0 or 1. Points have shape [points, coordinates] and
    ``levels`` 0, since they are no counts. Labels have shape [images]; they are all 0 where the
    publisher gives none. Test images whose label no training image has are anomalies.
    """

    train: NDArray[Any]
    validation: NDArray[Any]
    test: NDArray[Any]
    labels: Mapping[str, NDArray[np.uint8]]
    shape: tuple[int, int]
    levels: int
    data_set: str
    likelihood: str
    fingerprint: str
    channels: int = 1

    def images(self, split: str) -> NDArray[Any]:
        """The images of `train`, `validation` or `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def image_file(split: str) -> str:
    """The name of a split's image array inside a prepared directory."""
    return f"{split}.npy"


def label_file(split: str) -> str:
    """The name of a split's label array inside a prepared directory."""
    return f"{split}_labels.npy"


def write_arrays(directory: Path, splits: Mapping[str, Any]) -> None:
    """Write every split's images, labels and indices, as preparation.py makes them."""
    for name, split in splits.items():
        np.save(directory / image_file(name), split.images, allow_pickle=False)
        np.save(directory / label_file(name), split.labels, allow_pickle=False)
    indices: dict[str, Any] = {name: split.indices for name, split in splits.items()}
    np.savez(directory / SPLIT_INDICES, allow_pickle=False, **indices)


def load_array(path: Path) -> NDArray[Any]:
    """One array, memory-mapped and read-only.

    Raises
    ------
    OSError, ValueError, EOFError
        If there is no whole array.
    """
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
