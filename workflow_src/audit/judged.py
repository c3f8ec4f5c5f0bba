"""Whether what judges are said to say follows: who they are, and the numbers from their answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of, is_near

JUDGED = "judged.npz"
NOISELESS_JUDGED = "noiseless_judged.npz"
SHARPENED_JUDGED = "sharpened_judged.npz"
PREDICTIONS = "predictions.npz"

ROLE = "judge"
"""What tells judges, and their data, from other parents of a record."""

# Sums of some thousand numbers of double precision, in another order.
_SUMMING = 1e-9
_JUDGED_ROWS = ("judged_accuracy", "judge_accuracy", "overall_judge_accuracy")
_NOISELESS_ROW = "noiseless_judged_accuracy"
_ERRORS = ("sampling_error", "judge_error")
_SHARPENED_ROWS = ("sharpened_judged_accuracy", "sharpening_gain")

METRICS = frozenset(
    {*_JUDGED_ROWS, _NOISELESS_ROW, *_SHARPENED_ROWS, "test_accuracy", "test_cross_entropy"}
)
"""What is made of a classifier's answers."""

_Numbers = tuple[float, float]


def judges_in(content: Mapping[str, Any]) -> list[str]:
    """The fingerprints of a record's judges, in its order; mostly none."""
    return [str(judge["fingerprint"]) for judge in content.get("judges", ())]


def judging_parents(content: Mapping[str, Any], data: str) -> list[tuple[str, str]]:
    """The parents that a measurement has beside its run and ``data``, in their order."""
    judges = content.get("judges", ())
    others = dict.fromkeys(str(judge["data"]) for judge in judges)
    others.pop(data, None)
    return [("run", name) for name in judges_in(content)] + [("prepared", one) for one in others]


def check_roles(place: str, record: Mapping[str, Any], notes: Notes) -> None:
    """That those parents are said to judge that do, and no others."""
    judges = set(judges_in(record["content"]))
    for one in record["parents"]:
        if one["kind"] != "run":
            continue
        expected = ROLE if one["fingerprint"] in judges else None
        if one.get("role") != expected:
            notes.find(
                "chain",
                place,
                f"its run {one['fingerprint']} has the role {one.get('role')}; expected {expected}",
            )


def check_judge(
    place: str, judge: Mapping[str, Any], run: Mapping[str, Any], where: str, notes: Notes
) -> None:
    """That a record shows a judge as its own record, which lies at ``where``, does."""
    status = run["status"]
    own = {
        "spec": run["spec"],
        "data": run["data"],
        "state": status["state"],
        "reason": status["reason"],
    }
    for name, value in own.items():
        if judge[name] != value:
            notes.find(
                "number",
                place,
                f"{name} of judge {judge['fingerprint']}: {judge[name]}; expected {value}, as "
                f"{where} has it",
            )
    tail = PurePosixPath(where).parent.parts[-4:]
    if PurePosixPath(judge["directory"]).parts[-4:] != tail:
        notes.find("identity", place, f"a judge at {judge['directory']}; expected {where}")


def check_judged(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The accuracies of judges on what was drawn and on real images, from all their answers."""
    names = ("judges", "labels", "judge_probabilities", "test_labels", "test_predictions")
    arrays = arrays_of(place, JUDGED, data, (*names, *_ERRORS), notes)
    if arrays is None or not _have_shape(place, record, arrays, notes):
        return
    labels, known = arrays["labels"], arrays["test_labels"]
    right = arrays["judge_probabilities"].argmax(axis=-1) == labels
    drawn = _share(right, labels)
    real = arrays["test_predictions"] == known
    among = _among(known, labels)
    expected = {
        "judged_accuracy": (drawn[0], drawn[1] + drawn[2]),
        **({"judge_accuracy": _of_one_stratum(real[:, among])} if among.any() else {}),
        "overall_judge_accuracy": _of_one_stratum(real),
        "judge_count": (float(len(arrays["judges"])), 0.0),
    }
    _compare(place, record, expected, JUDGED, notes)
    _compare_errors(place, arrays, drawn, JUDGED, notes)
    left = {
        str(one["fingerprint"])
        for one in record["content"].get("judges", ())
        if one["state"] == "completed"
    }
    if set(map(str, arrays["judges"])) != left:
        notes.find(
            "number",
            place,
            f"{JUDGED} is of the judges {sorted(map(str, arrays['judges']))}; expected those that "
            f"completed their training, {sorted(left)}",
        )


def check_noiseless_judged(
    place: str, record: Mapping[str, Any], data: bytes, notes: Notes
) -> None:
    """The accuracy of judges on draws without noise, from all their answers."""
    names = ("labels", "judge_probabilities", *_ERRORS)
    arrays = arrays_of(place, NOISELESS_JUDGED, data, names, notes)
    if arrays is None:
        return
    labels, found = arrays["labels"], arrays["judge_probabilities"]
    judges = sum(one["state"] == "completed" for one in record["content"].get("judges", ()))
    if not (_is_of_labels(found, labels) and len(found) == judges and _is_asked(record, labels)):
        notes.find(
            "number",
            place,
            f"{NOISELESS_JUDGED} has answers of shape {found.shape} to {len(labels)} images; "
            f"expected {judges} judges and {_asked(record)} images of each label",
        )
        return
    drawn = _share(found.argmax(axis=-1) == labels, labels)
    _compare(
        place, record, {_NOISELESS_ROW: (drawn[0], drawn[1] + drawn[2])}, NOISELESS_JUDGED, notes
    )
    _compare_errors(place, arrays, drawn, NOISELESS_JUDGED, notes)


def check_sharpened_judged(
    place: str, record: Mapping[str, Any], data: bytes, notes: Notes
) -> None:
    """The accuracy of judges on sharpened draws; the gain needs the plain draws beside them."""
    arrays = arrays_of(place, SHARPENED_JUDGED, data, ("labels", "judge_probabilities"), notes)
    if arrays is None:
        return
    labels = arrays["labels"]
    if not _is_of_labels(arrays["judge_probabilities"], labels):
        notes.find("number", place, f"{SHARPENED_JUDGED} has arrays of unlike shapes")
        return
    right = arrays["judge_probabilities"].argmax(axis=-1) == labels
    value, sampling, judging = _share(right, labels)
    expected = {"sharpened_judged_accuracy": (value, sampling + judging)}
    _compare(place, record, expected, SHARPENED_JUDGED, notes)
    told = _told(record, "judged_accuracy")
    gain = _told(record, "sharpening_gain")
    if len(told) == len(gain) == 1 and not math.isclose(
        gain[0][0], value - told[0][0], abs_tol=_SUMMING
    ):
        notes.find(
            "number",
            place,
            f"the sharpening gain is said to be {gain[0][0]}; expected {value - told[0][0]}, the "
            "difference of the accuracies",
        )


def check_predictions(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A classifier's accuracy and cross-entropy, from its log probabilities of every class."""
    import numpy as np

    arrays = arrays_of(place, PREDICTIONS, data, ("labels", "log_probabilities"), notes)
    if arrays is None:
        return
    labels, found = arrays["labels"], arrays["log_probabilities"]
    images = record["content"]["images"]
    if found.ndim != 2 or labels.shape != (images,) or len(found) != images:
        notes.find(
            "number",
            place,
            f"{PREDICTIONS} has labels {labels.shape} and log probabilities {found.shape}; "
            f"expected those of {images} images",
        )
        return
    sums = np.exp(found.astype(np.float64)).sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-4):
        notes.find("number", place, f"{PREDICTIONS} has probabilities that do not sum to 1")
    share = float((found.argmax(axis=1) == labels).mean())
    losses = -found[np.arange(images), labels].astype(np.float64)
    expected = {
        "test_accuracy": (share, math.sqrt(share * (1 - share) / images)),
        "test_cross_entropy": (
            float(losses.mean()),
            float(losses.std(ddof=1) / math.sqrt(images)),
        ),
    }
    _compare(place, record, expected, PREDICTIONS, notes)


def wanted_files(content: Mapping[str, Any]) -> set[str]:
    """The files that a measurement's rows on judges come from."""
    told = {row["metric"] for row in content["metrics"]}
    wanted = {JUDGED} if told.intersection(_JUDGED_ROWS) else set()
    wanted |= {NOISELESS_JUDGED} if _NOISELESS_ROW in told else set()
    return wanted | ({SHARPENED_JUDGED} if told.intersection(_SHARPENED_ROWS) else set())


def one_answer(arrays: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What a single other answer changes of every share, by metric, and so its error."""
    counts: dict[str, int] = {}
    if "judged" in arrays:
        judged = arrays["judged"]
        counts["judged_accuracy"] = len(judged["labels"])
        counts["overall_judge_accuracy"] = len(judged["test_labels"])
        among = _among(judged["test_labels"], judged["labels"])
        counts["judge_accuracy"] = int(among.sum())
    if "noiseless_judged" in arrays:
        counts[_NOISELESS_ROW] = len(arrays["noiseless_judged"]["labels"])
    if "sharpened_judged" in arrays:
        draws = len(arrays["sharpened_judged"]["labels"])
        counts |= dict.fromkeys(_SHARPENED_ROWS, draws)
    if "predictions" in arrays:
        counts["test_accuracy"] = len(arrays["predictions"]["labels"])
    return {metric: 1 / count for metric, count in counts.items() if count}


def _have_shape(
    place: str, record: Mapping[str, Any], arrays: Mapping[str, Any], notes: Notes
) -> bool:
    """Whether every judge has an answer to every image, of as many as were asked for."""
    judges, labels = len(arrays["judges"]), arrays["labels"]
    fits = (
        _is_of_labels(arrays["judge_probabilities"], labels)
        and len(arrays["judge_probabilities"]) == judges
        and arrays["test_predictions"].shape == (judges, len(arrays["test_labels"]))
        and _is_asked(record, labels)
    )
    if not fits:
        notes.find(
            "number",
            place,
            f"{JUDGED} has answers of shape {arrays['judge_probabilities'].shape} to "
            f"{len(labels)} images and {arrays['test_predictions'].shape} to "
            f"{len(arrays['test_labels'])} real ones; expected {judges} judges and "
            f"{_asked(record)} images of each label",
        )
    return bool(fits)


def _asked(record: Mapping[str, Any]) -> int:
    """How many images of each label were to be judged."""
    return int(record["content"]["measures"].get("judged_samples", 0))


def _is_asked(record: Mapping[str, Any], labels: Any) -> bool:
    """Whether that many images of each label are there."""
    import numpy as np

    _, counts = np.unique(labels, return_counts=True)
    return all(count == _asked(record) for count in counts)


def _is_of_labels(probabilities: Any, labels: Any) -> bool:
    return bool(probabilities.ndim == 3 and probabilities.shape[1:2] == labels.shape)


def _among(known: Any, labels: Any) -> Any:
    import numpy as np

    return np.isin(known, labels)


def _of_one_stratum(right: Any) -> _Numbers:
    import numpy as np

    value, sampling, judging = _share(right, np.zeros(right.shape[1], dtype=np.int64))
    return value, sampling + judging


def _share(right: Any, strata: Any) -> tuple[float, float, float]:
    """The mean of answers [J, N], its error over images, and that over judges.

    By moments: the error over images is of means over judges, stratum by stratum.
    """
    import numpy as np

    answers = right.astype(np.float64)
    judges, images = answers.shape
    means = answers.sum(axis=0) / judges
    variance = 0.0
    for one in set(strata.tolist()):
        own = means[strata == one]
        count = len(own)
        squares = float((own**2).sum() - own.sum() ** 2 / count)
        variance += squares * count / (count - 1) if count > 1 else math.nan
    spread = 0.0
    if judges > 1:
        each = answers.sum(axis=1) / images
        squares = float((each**2).sum() - each.sum() ** 2 / judges)
        spread = math.sqrt(max(squares, 0.0) / (judges - 1) / judges)
    # Not a number where one image of a label says nothing of its spread.
    error = math.sqrt(variance if math.isnan(variance) else max(variance, 0.0)) / images
    return float(answers.mean()), error, spread


def _told(record: Mapping[str, Any], metric: str) -> Sequence[tuple[Any, Any]]:
    rows = record["content"]["metrics"]
    return [(row["value"], row["standard_error"]) for row in rows if row["metric"] == metric]


def _compare_errors(
    place: str,
    arrays: Mapping[str, Any],
    drawn: tuple[float, float, float],
    file: str,
    notes: Notes,
) -> None:
    """That a file has both errors apart as its answers give them."""
    for name, found in zip(_ERRORS, drawn[1:], strict=True):
        if not is_near((float(arrays[name]), 0.0), (found, 0.0), _SUMMING):
            notes.find("number", place, f"{file} has a {name} of {arrays[name]}; expected {found}")


def _compare(
    place: str,
    record: Mapping[str, Any],
    expected: Mapping[str, _Numbers],
    file: str,
    notes: Notes,
) -> None:
    for metric, numbers in expected.items():
        told = [(one, error or 0.0) for one, error in _told(record, metric)]
        # Roots of small differences of sums lose half of their digits.
        if len(told) != 1 or not is_near(told[0], numbers, 1e-7):
            notes.find(
                "number",
                place,
                f"the {metric.replace('_', ' ')} is said to be {told[0] if told else None} "
                f"(value, standard error); expected {numbers}, as {file} has it",
            )
