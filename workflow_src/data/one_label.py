"""From a labelled data set to one label's images and, for the test set, anomalies of other labels.

The training and validation images all have the label; other labels occur in the test set alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.raw import DataError, Facts, RawImages
from workflow_src.plan import seeds


def of_one_label(facts: Facts, parts: Sequence[RawImages]) -> tuple[RawImages, ...]:
    """The label's images of each part, then the anomalies of the last part.

    The anomalies are ``facts.anomalies`` images of other labels: a draw without replacement that is
    fixed by the data set, in the publisher's order. Other labels of earlier parts are left out.

    Raises
    ------
    DataError
        Where there is no label to keep, or the last part has too few images of other labels.
    """
    label = facts.training_label
    if label is None:
        raise DataError(
            "does not say which label is kept", f"data set {facts.name}", "a training_label"
        )
    kept = [_chosen(part, part.part, np.flatnonzero(part.labels == label)) for part in parts]
    last = parts[-1]
    others = np.flatnonzero(last.labels != label)
    if len(others) < facts.anomalies:
        raise DataError(
            f"{last.part} holds {len(others)} images of other labels than {label}",
            f"data set {facts.name}",
            f"at least {facts.anomalies}",
        )
    drawn = np.sort(_generator(facts).permutation(len(others))[: facts.anomalies])
    return (*kept, _chosen(last, "anomalies", others[drawn]))


def _chosen(part: RawImages, name: str, numbers: NDArray[np.intp]) -> RawImages:
    return RawImages(name, part.images[numbers], part.labels[numbers])


def _generator(facts: Facts) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seeds.seed("anomalies", data_set=facts.name)))
