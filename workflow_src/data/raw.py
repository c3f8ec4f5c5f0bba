"""What preparation must know of a data set, what the readers give it, and how both complain.

Nothing here or in readers.py, splitting.py and preparation.py imports the registry or the records:
these modules determine the numbers in the prepared arrays, and only they are fingerprinted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]
Labels = NDArray[np.uint8]


class DataError(Exception):
    """A data file or data set that is not what it should be.

    Parameters
    ----------
    problem:
        What was found.
    place:
        The file, or the data set.
    expected:
        What should have been there.
    """

    def __init__(self, problem: str, place: Path | str, expected: str) -> None:
        self.problem = problem
        self.place = str(place)
        self.expected = expected
        super().__init__(f"{self.place}: {problem}; expected {expected}")


@dataclass(frozen=True)
class Facts:
    """What preparation must know of a data set.

    ``shape`` is (height, width) of an image, or (1, coordinates) of a point; ``levels`` the largest
    count of a pixel, 0 for points, which are no counts; ``sizes`` the images of train, validation
    and test, ``channels`` 1 for gray images and 3 for colour. The last ``anomalies`` test images
    have labels that no training image has; ``training_label`` is the one label that training images
    have, None where they have several or none. Where they are part of another data set, ``whole``
    is that one, and ``training_labels`` are those that training images keep.
    """

    name: str
    reader: str
    shape: tuple[int, int]
    levels: int
    sizes: Mapping[str, int]
    channels: int = 1
    training_label: int | None = None
    anomalies: int = 0
    training_labels: tuple[int, ...] = ()
    whole: Facts | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) of a gray image, (channels, height, width) of one in colour."""
        return self.shape if self.channels == 1 else (self.channels, *self.shape)


def facts_of(recipe: Mapping[str, Any]) -> Facts:
    """The facts in a data recipe, which the fingerprint of prepared data is made from."""
    height, width = recipe["shape"]
    whole = recipe.get("part_of")
    return Facts(
        name=recipe["data_set"],
        reader=recipe["reader"],
        shape=(height, width),
        levels=recipe["levels"],
        sizes=recipe["sizes"],
        channels=recipe.get("channels", 1),
        training_label=recipe.get("training_label"),
        anomalies=recipe.get("anomalies", 0),
        training_labels=tuple(recipe.get("training_labels", ())),
        whole=None if whole is None else facts_of(whole),
    )


@dataclass(frozen=True)
class RawImages:
    """Images and labels of one published part (such as train, test or extra) of a data set.

    Gray images have shape [images, height, width] and colour images [images, 3, height, width], all
    uint8; points have shape [points, 1, coordinates] and are float64; labels have shape [images].
    """

    part: str
    images: NDArray[Any]
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)


def missing(path: Path, expected: str) -> DataError:
    """The complaint about a file that is not there."""
    return DataError("the file does not exist", path, expected)
