"""Readers of published black-and-white images of 28 x 28 pixels: MNIST, OMNIGLOT, silhouettes.

Two of the publishers store images column by column; all of them leave here row by row, and none
gets another polarity than it was published with. Where a publisher gives no labels, or none that a
result here needs, all labels are 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.matlab import matlab_variables
from workflow_src.data.raw import DataError, Facts, Pixels, RawImages, missing

SIDE = 28
_ZERO = ord("0")
_MATLAB_PARTS = {"train": "train", "validation": "val", "test": "test"}
_TEXT_PARTS = {"train": "train", "validation": "valid", "test": "test"}


def read_binarised_mnist(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    """MNIST as it was binarised once and for all; three text files, no labels."""
    return tuple(
        _unlabelled(part, read_amat(directory / f"binarized_mnist_{name}.amat"))
        for part, name in _TEXT_PARTS.items()
    )


def read_amat(path: Path) -> Pixels:
    """The 0s and 1s, [images, 28, 28], of a text file with an image in every line.

    A line has 784 digits with a space between each two of them, row after row of the image.
    """
    width = 2 * SIDE * SIDE
    expected = f"lines of {SIDE * SIDE} digits, 0 or 1, with single spaces between them"
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise missing(path, expected) from None
    if not content.size or content.size % width:
        raise DataError(f"has {content.size} bytes", path, f"a multiple of {width}: {expected}")
    lines = content.reshape(-1, width)
    pixels = lines[:, ::2] - _ZERO
    if pixels.max() > 1 or (lines[:, 1:-1:2] != ord(" ")).any() or (lines[:, -1] != 10).any():
        raise DataError("has something else in its lines", path, expected)
    return pixels.reshape(-1, SIDE, SIDE)


def read_omniglot(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    """OMNIGLOT in 28 x 28 pixels (Burda and others, 2016), without its labels.

    The MATLAB file holds shares of ink within [0, 1], one image per column of ``data`` and
    ``testdata``. They become the nearest of ``levels + 1`` counts, by at most half a level.
    """
    path = directory / "chardata.mat"
    expected = f"a whole MATLAB file with data and testdata of {SIDE * SIDE} rows within [0, 1]"
    content = matlab_variables(path, ("data", "testdata"), expected)
    parts = []
    for part, name in (("train", "data"), ("test", "testdata")):
        shares = content[name]
        _refuse_another_shape(path, name, shares, 0, expected)
        if not (shares.size and shares.min() >= 0 and shares.max() <= 1):
            raise DataError(f"{name} has values outside of [0, 1]", path, expected)
        counts = np.rint(shares.T.astype(np.float64) * facts.levels).astype(np.uint8)
        parts.append(_unlabelled(part, _upright(counts)))
    return tuple(parts)


def read_silhouettes(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    """Caltech-101 silhouettes (Marlin and others, 2010): the object is 0, the background 1.

    The MATLAB file holds for each part (train, val, test) one image per row and a label, 1..101.
    """
    path = directory / "caltech101_silhouettes_28_split1.mat"
    expected = f"a whole MATLAB file with three parts of 0s and 1s in {SIDE * SIDE} columns"
    names = [f"{name}_{kind}" for name in _MATLAB_PARTS.values() for kind in ("data", "labels")]
    content = matlab_variables(path, names, expected)
    parts = []
    for part, name in _MATLAB_PARTS.items():
        pixels = content[f"{name}_data"]
        _refuse_another_shape(path, f"{name}_data", pixels, 1, expected)
        if not np.isin(pixels, (0, 1)).all():
            raise DataError(f"{name}_data has other values than 0 and 1", path, expected)
        labels = content[f"{name}_labels"].reshape(-1)
        if not ((labels >= 0) & (labels <= 255)).all():
            raise DataError(f"{name}_labels has values that are no labels", path, expected)
        parts.append(RawImages(part, _upright(pixels.astype(np.uint8)), labels.astype(np.uint8)))
    return tuple(parts)


def _upright(pixels: NDArray[np.uint8]) -> Pixels:
    """Images that are stored column by column, [images, 784], as [images, row, column]."""
    return np.ascontiguousarray(pixels.reshape(-1, SIDE, SIDE).transpose(0, 2, 1))


def _unlabelled(part: str, images: Pixels) -> RawImages:
    return RawImages(part, images, np.zeros(len(images), dtype=np.uint8))


def _refuse_another_shape(
    path: Path, name: str, array: NDArray[Any], axis: int, expected: str
) -> None:
    if array.ndim != 2 or array.shape[axis] != SIDE * SIDE or array.dtype.kind not in "fiub":
        raise DataError(f"{name} is {array.dtype} of shape {array.shape}", path, expected)
