"""Prepared data, checked: opening looks at names, types and shapes, verifying at every byte.

preparation.py computes the arrays, arrays.py writes and loads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.arrays import (
    LABEL_TYPE,
    PIXEL_TYPES,
    SPLIT_INDICES,
    SPLITS,
    PreparedData,
    image_file,
    label_file,
    load_array,
)
from workflow_src.errors import UserError
from workflow_src.storage import explain, read_json_object, sha256_file

RECORD = "record.json"

_REMEDY = "remove this directory and start again; it is made anew"


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
        record says; from an OSError where the file system does not let one look.
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
        # Records from before there were colour images do not say.
        channels = int(content.get("channels", 1))
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
    values = channels * height * width
    images = {
        split: _open(directory / image_file(split), (counts[split], values), pixels)
        for split in SPLITS
    }
    labels = {
        split: _open(directory / label_file(split), (counts[split],), LABEL_TYPE)
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
        channels=channels,
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
        array = load_array(path)
    except FileNotFoundError:
        raise UserError(
            "a prepared file is missing", place=str(path), expected=expected, remedy=_REMEDY
        ) from None
    except OSError as error:
        # Nothing is known about the file then: removing it would be bad advice.
        raise explain(error, path) from error
    except (ValueError, EOFError) as error:
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
