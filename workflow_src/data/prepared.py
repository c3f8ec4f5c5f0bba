"""Prepared data as training and evaluation read it: memory-mapped, read-only arrays.

preparation.py computes these arrays and job.py writes them; the layout of the directory is said
here. Opening looks at names, types and shapes; `verify_prepared` also reads every byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.errors import UserError
from workflow_src.storage import read_json_object, sha256_file

SPLITS = ("train", "validation", "test")
RECORD = "record.json"
SPLIT_INDICES = "split_indices.npz"
PIXEL_TYPES: dict[str, np.dtype[Any]] = {
    "gaussian": np.dtype(np.float32),
    "binomial": np.dtype(np.uint8),
}

_REMEDY = "remove this directory and start again; it is made anew"


@dataclass(frozen=True)
class PreparedData:
    """One data set, prepared for one likelihood.

    Images have shape [images, height * width], row by row: float32 in [0, 1] for the Gaussian,
    uint8 counts in 0..levels for the binomial. Labels have shape [images].
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

    def images(self, split: str) -> NDArray[Any]:
        """The images of `train`, `validation` or `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def image_file(split: str) -> str:
    """The name of a split's image array inside a prepared directory."""
    return f"{split}.npy"


def label_file(split: str) -> str:
    """The name of a split's label array inside a prepared directory."""
    return f"{split}_labels.npy"


def prepared_files() -> tuple[str, ...]:
    """Every file of a prepared directory but its record."""
    images = tuple(image_file(split) for split in SPLITS)
    labels = tuple(label_file(split) for split in SPLITS)
    return (*images, *labels, SPLIT_INDICES)


def open_prepared(directory: Path) -> PreparedData:
    """Open a prepared directory without reading its arrays.

    Raises
    ------
    UserError
        Where the directory or one of its files is missing, cut short or of another shape than the
        record says.
    """
    if not (directory / RECORD).is_file():
        raise UserError(
            "there is no prepared data",
            place=str(directory),
            expected=f"a {RECORD} and the arrays that it names",
            remedy="run `python -m workflow_src prepare`, or snakemake, which does so",
        )
    record = read_json_object(directory / RECORD)
    try:
        content = record["content"]
        height, width = (int(side) for side in content["shape"])
        likelihood = str(content["likelihood"])
        pixels = PIXEL_TYPES[likelihood]
        counts = {split: int(content["images"][split]) for split in SPLITS}
        levels, data_set = int(content["levels"]), str(content["data_set"])
        fingerprint = str(record["fingerprint"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the record of the prepared data is damaged ({type(error).__name__}: {error})",
            place=str(directory / RECORD),
            remedy=_REMEDY,
        ) from None
    images = {
        split: _open(directory / image_file(split), (counts[split], height * width), pixels)
        for split in SPLITS
    }
    labels = {
        split: _open(directory / label_file(split), (counts[split],), np.dtype(np.uint8))
        for split in SPLITS
    }
    return PreparedData(
        **images,
        labels=labels,
        shape=(height, width),
        levels=levels,
        data_set=data_set,
        likelihood=likelihood,
        fingerprint=fingerprint,
    )


def open_verified(directory: Path, fingerprint: str) -> PreparedData:
    """As `open_prepared`, after every byte was checked; for jobs that compute with the arrays.

    Raises
    ------
    UserError
        Also where a file was changed, or the data are not those that ``fingerprint`` names.
    """
    verify_prepared(directory)
    data = open_prepared(directory)
    if data.fingerprint != fingerprint:
        raise UserError(
            f"the prepared data are those of fingerprint {data.fingerprint}",
            place=str(directory),
            expected=fingerprint,
            remedy=_REMEDY,
        )
    return data


def verify_prepared(directory: Path) -> None:
    """Compare every file with the checksum in the record; the first that differs is a UserError."""
    open_prepared(directory)
    outputs = read_json_object(directory / RECORD).get("outputs", {})
    for name in prepared_files():
        path = directory / name
        if not path.is_file():
            raise UserError("a prepared file is missing", place=str(path), remedy=_REMEDY)
        expected = outputs.get(name, {}).get("sha256")
        found = sha256_file(path)
        if found != expected:
            raise UserError(
                f"a prepared file was changed: its sha256 is {found}",
                place=str(path),
                expected=f"sha256 {expected}",
                remedy=_REMEDY,
            )


def _open(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
    expected = f"a whole array of {kind} of shape {shape}"
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(
            "a prepared file is missing", place=str(path), expected=expected, remedy=_REMEDY
        ) from None
    except (ValueError, EOFError, OSError) as error:
        raise UserError(
            f"a prepared file is cut short or damaged ({error})",
            place=str(path),
            expected=expected,
            remedy=_REMEDY,
        ) from None
    if array.shape != shape or array.dtype != kind:
        raise UserError(
            f"a prepared file holds an array of {array.dtype} of shape {array.shape}",
            place=str(path),
            expected=expected,
            remedy=_REMEDY,
        )
    return array
