"""What classifiers say that drawn images show: the accuracy of section VI-F of the DCGMM paper.

Images are drawn for labels that they should show, and every judge tells the class of each. The
share of right answers is the mean over judges. It is asked twice: of draws as the model defines
them, and of draws whose pixels are the means of what was chosen to make them. Models differ in how
much noise they put on pixels, down to next to none in samples of DCGMMs, and judges see it; without
noise all are judged alike. Two errors are in its standard error, and kept apart
in the arrays: that of so many images, and that of so many judges. They are added, and not their
squares: judges are shared by all that they judge, so that their part does not average out over
classes, seeds or models.

J = judges, N = images drawn, S = classes, M = test images of the judges' data set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.classification.measurement import log_probabilities
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row

Draw = Callable[[int, int | None], Tensor]
"""Of a number of images and the label that they should show: pixels [number, D] as the data has
them. There is no label where there is but one."""

Right = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedBy:
    """One judge: a classifier's run, and the data that it was trained on."""

    fingerprint: str
    spec: Mapping[str, Any]
    parameters: Mapping[str, Tensor]
    data: PreparedData


@dataclass(frozen=True)
class Share:
    """A share of right answers, or a difference of two, with what is not known of it.

    Attributes
    ----------
    sampling_error:
        Standard error over images.
    judge_error:
        Standard error over judges, 0 where there is but one.
    """

    value: float
    sampling_error: float
    judge_error: float

    @property
    def standard_error(self) -> float:
        """Both errors, which are added as the judges are shared."""
        return self.sampling_error + self.judge_error

    def row(self, metric: str) -> Row:
        """The row that tells it."""
        return row(metric, self.value, self.standard_error, "share", None)


def labels_to_draw(data: PreparedData, *, has_classifier: bool) -> tuple[int, ...]:
    """The labels that a model trained on ``data`` draws images of; none where it cannot know them.

    The one label of its training images, or all of them where it has a classifier.
    """
    labels = tuple(int(one) for one in np.unique(data.labels["train"]))
    return labels if has_classifier or len(labels) == 1 else ()


def judged_rows(
    draw: Draw,
    labels: Sequence[int],
    judges: Sequence[JudgedBy],
    samples: int,
    memory_bytes: int,
    *,
    draw_noiseless: Draw,
    draw_sharpened: Draw | None = None,
) -> tuple[list[Row], dict[str, Arrays]]:
    """What judges say of ``samples`` images of each label.

    Parameters
    ----------
    draw:
        Gives the images.
    labels:
        What they should show; nothing is judged where there are none.
    judges:
        Those that completed their training; with none there are no accuracies.
    memory_bytes:
        What the judges' intermediate values may take.
    draw_noiseless:
        Gives the same draws with means for pixels.
    draw_sharpened:
        Gives the same draws, sharpened.

    Returns
    -------
    Rows of ``judged_accuracy``, ``noiseless_judged_accuracy``, ``judge_accuracy`` (on test images
    of these labels), ``overall_judge_accuracy`` and ``judge_count``, and with sharpening
    ``sharpened_judged_accuracy`` and ``sharpening_gain`` (paired by draw); and the files ``judged``
    with ``judges`` [J] (fingerprints), ``labels`` [N], ``judge_probabilities`` [J, N, S] float32,
    ``test_labels`` [M], ``test_predictions`` [J, M], ``sampling_error`` and ``judge_error`` (of
    the first row), ``noiseless_judged`` with ``labels``, ``judge_probabilities`` and both errors,
    and ``sharpened_judged`` with ``labels`` and ``judge_probabilities``.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small.
    """
    if not labels:
        return [], {}
    rows = [row("judge_count", len(judges), None, "judges", None)]
    if not judges:
        return rows, {}
    wanted = np.repeat(np.asarray(labels, dtype=np.int64), samples)
    plain = _probabilities(draw, labels, samples, judges, memory_bytes)
    accuracy = share_of(right_answers(plain, wanted), wanted)
    clean = _probabilities(draw_noiseless, labels, samples, judges, memory_bytes)
    noiseless = share_of(right_answers(clean, wanted), wanted)
    predictions = _of_test_images(judges, memory_bytes)
    known = np.asarray(judges[0].data.labels["test"], dtype=np.int64)
    rows = [
        accuracy.row("judged_accuracy"),
        noiseless.row("noiseless_judged_accuracy"),
        *own_rows(predictions, known, labels),
        *rows,
    ]
    files: dict[str, Arrays] = {
        "judged": {
            "judges": np.array([judge.fingerprint for judge in judges]),
            **_answers(wanted, plain, accuracy),
            "test_labels": known,
            "test_predictions": predictions,
        },
        "noiseless_judged": _answers(wanted, clean, noiseless),
    }
    if draw_sharpened is not None:
        sharp = _probabilities(draw_sharpened, labels, samples, judges, memory_bytes)
        rows += sharpened_rows(plain, sharp, wanted)
        files["sharpened_judged"] = {"labels": wanted, "judge_probabilities": sharp}
    return rows, files


def right_answers(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Right:
    """1 where a judge takes an image for its label, ``[J, N]``; of equal classes, the first."""
    right: Right = (probabilities.argmax(axis=-1) == labels).astype(np.float64)
    return right


def share_of(right: Right, strata: NDArray[np.int64]) -> Share:
    """The mean of answers ``[J, N]``, of so many images of each of the ``strata`` [N]."""
    judges, images = right.shape
    means = right.mean(axis=0)
    variance = 0.0
    for one in np.unique(strata):
        own = means[strata == one]
        variance += len(own) * (float(own.var(ddof=1)) if len(own) > 1 else math.nan)
    of_judges = right.mean(axis=1)
    spread = float(of_judges.std(ddof=1)) / math.sqrt(judges) if judges > 1 else 0.0
    return Share(float(right.mean()), math.sqrt(variance) / images, spread)


def own_rows(
    predictions: NDArray[np.uint8], known: NDArray[np.int64], labels: Sequence[int]
) -> list[Row]:
    """How many real test images judges tell the class of: of these labels, if any, and of all."""
    right = (predictions == known).astype(np.float64)
    among = np.isin(known, labels)
    # Test images are as they were drawn, of all labels at once.
    one = np.zeros_like(known)
    rows = [share_of(right[:, among], one[among]).row("judge_accuracy")] if among.any() else []
    return [*rows, share_of(right, one).row("overall_judge_accuracy")]


def sharpened_rows(
    plain: NDArray[np.float32], sharp: NDArray[np.float32], labels: NDArray[np.int64]
) -> list[Row]:
    """The accuracy on sharpened draws, and what sharpening gains on one and the same."""
    before, after = right_answers(plain, labels), right_answers(sharp, labels)
    return [
        share_of(after, labels).row("sharpened_judged_accuracy"),
        share_of(after - before, labels).row("sharpening_gain"),
    ]


def _answers(labels: NDArray[np.int64], probabilities: NDArray[np.float32], share: Share) -> Arrays:
    """What judges say of draws, and both errors of the share that is made of it."""
    return {
        "labels": labels,
        "judge_probabilities": probabilities,
        "sampling_error": np.array(share.sampling_error),
        "judge_error": np.array(share.judge_error),
    }


def _probabilities(
    draw: Draw,
    labels: Sequence[int],
    samples: int,
    judges: Sequence[JudgedBy],
    memory_bytes: int,
) -> NDArray[np.float32]:
    """Of every class by every judge, ``[J, N, S]``, of images drawn label by label."""
    drawn = torch.cat([draw(samples, one if len(labels) > 1 else None) for one in labels])
    return np.stack([np.exp(_judged_by(judge, drawn, memory_bytes)) for judge in judges])


def _of_test_images(judges: Sequence[JudgedBy], memory_bytes: int) -> NDArray[np.uint8]:
    """The likeliest class of every real test image by every judge, ``[J, M]``."""
    found = [
        _judged_by(judge, torch.tensor(judge.data.test), memory_bytes).argmax(axis=-1)
        for judge in judges
    ]
    return np.stack(found).astype(np.uint8)


def _judged_by(judge: JudgedBy, pixels: Tensor, memory_bytes: int) -> NDArray[np.float32]:
    device = next(iter(judge.parameters.values())).device
    return log_probabilities(judge.spec, judge.parameters, judge.data, pixels, device, memory_bytes)
