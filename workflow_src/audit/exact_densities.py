"""Whether what was measured on exact densities follows from the arrays beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of, is_near, mean_of
from workflow_src.config.data_sets import DATA_SETS
from workflow_src.config.models import model_declarations

LOG_LIKELIHOODS = "log_likelihoods.npz"

# Means of float64 numbers, added up in another order.
_SUMMING = 1e-10
# Of the largest singular value; scores are right to about 1e-12.
_SMALLEST_SHARE = 1e-8
_SPLITS = ("test", "train", "validation")
_OF_ENCODER = {"test_elbo": "encoder_elbo", "encoder_kl_divergence": "encoder_divergence"}
_OF_IMPUTATION = {
    "imputation_error": "squared_errors",
    "encoder_imputation_error": "encoder_squared_errors",
    "mean_imputation_error": "mean_squared_errors",
}
_OF_SECOND_HALF = {metric: f"{metric}_of_second_half" for metric in _OF_IMPUTATION}
_FILES = {
    "gaps.npz": (
        *("approximation_gap", "amortisation_gap", "unfinished_search_share"),
        *("multimodal_approximation_gap", "unimodal_approximation_gap"),
    ),
    "modes.npz": ("multimodal_share",),
    "imputation.npz": (*_OF_IMPUTATION, *_OF_SECOND_HALF.values(), "imputation_log_density"),
    "zero_noise.npz": ("zero_noise_distance",),
    "components.npz": ("mixture_difference",),
    "model_selection.npz": ("akaike_criterion", "bayesian_criterion", "score_rank"),
    "integrals.npz": ("reference_difference", "reference_lost_share"),
    "costs.npz": ("enumeration_seconds", "expectation_seconds", "reference_seconds"),
}
METRICS = frozenset(
    {
        *(f"{split}_log_likelihood" for split in _SPLITS),
        *_OF_ENCODER,
        *(metric for file in _FILES.values() for metric in file),
        *("akaike_criterion_of_rank", "bayesian_criterion_of_rank"),
        *("isotropic_gaussian_log_likelihood", "isotropic_gaussian_validation_log_likelihood"),
        *("noise_standard_deviation", "anomaly_auc"),
    }
)
"""What is computed without noise and in double precision."""

Expected = Mapping[str, tuple[float, float | None] | None]
"""Value and standard error by metric; None where there must be no row."""


def are_told(content: Mapping[str, Any]) -> bool:
    """Whether a measurement is one of exact densities, by the evaluation of its model."""
    known = model_declarations().get(content["spec"]["model"])
    return known is not None and known.evaluation == "exact_densities"


def _check_log_likelihoods(
    place: str, record: Mapping[str, Any], data: bytes, notes: Notes
) -> None:
    """Means over splits and of the encoder, and how well densities tell anomalies."""
    errors_of = {"test": "standard_errors"} | {
        name: f"{name}_errors" for name in _OF_ENCODER.values()
    }
    optional = (*errors_of.values(), *_OF_ENCODER.values())
    splits = (*_SPLITS, "anomalies")
    arrays = arrays_of(place, LOG_LIKELIHOODS, data, splits, notes, if_there=optional)
    if arrays is None:
        return
    # Anomalies are test points too, and those of no mean.
    images = record["content"]["images"] - len(arrays["anomalies"])
    of_test = [name for name in ("test", *optional) if name in arrays]
    if any(arrays[name].shape != (images,) for name in of_test):
        _tell(place, f"{LOG_LIKELIHOODS} is not of {images} test points", notes)
        return
    expected: dict[str, tuple[float, float | None] | None] = {
        f"{split}_log_likelihood": mean_of(arrays[split]) for split in _SPLITS
    }
    if "standard_errors" in arrays:
        # Other splits' estimates have errors, too, which are not kept.
        expected = {}
    for metric, name in {"test_log_likelihood": "test", **_OF_ENCODER}.items():
        expected[metric] = _estimated(arrays, name, errors_of[name]) if name in arrays else None
    usual, anomalies = arrays["test"], arrays["anomalies"]
    asked = record["content"]["measures"].get("anomalies") and len(anomalies)
    expected["anomaly_auc"] = area(usual, anomalies) if asked else None
    if "encoder_divergence" in arrays and "standard_errors" not in arrays:
        gap = arrays["test"] - arrays["encoder_elbo"] - arrays["encoder_divergence"]
        if not _is_small(gap, arrays["test"]):
            _tell(place, f"{LOG_LIKELIHOODS} has bounds and divergences that do not add up", notes)
    compare(place, record, expected, LOG_LIKELIHOODS, notes)


def _check_gaps(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Gaps: of as many points as asked for, and the differences of what they are between."""
    file, names = "gaps.npz", ("log_likelihood", "best_elbo", "approximation", "converged")
    optional = ("encoder_elbo", "amortisation", "modes")
    arrays = arrays_of(place, file, data, names, notes, if_there=optional)
    if arrays is None:
        return
    asked = min(record["content"]["measures"]["gaps"], test_images(record["content"]))
    if any(one.shape != (asked,) for one in arrays.values()):
        _tell(place, f"{file} is not of {asked} points", notes)
        return
    differences = [("approximation", "log_likelihood", "best_elbo")]
    differences += [("amortisation", "best_elbo", "encoder_elbo")] * ("amortisation" in arrays)
    for name, more, less in differences:
        if less not in arrays or not _is_small(
            arrays[more] - arrays[less] - arrays[name], arrays[more]
        ):
            _tell(place, f"{file} has {name} that is not what is lost", notes)
    lost, several = arrays["approximation"], arrays["modes"] > 1 if "modes" in arrays else None
    amortised = arrays.get("amortisation")
    expected = {
        "approximation_gap": _mean(lost),
        "unfinished_search_share": _mean((~arrays["converged"]).astype(float)),
        "amortisation_gap": None if amortised is None else _mean(amortised),
        "multimodal_approximation_gap": None if several is None else _mean(lost[several]),
        "unimodal_approximation_gap": None if several is None else _mean(lost[~several]),
    }
    compare(place, record, expected, file, notes)


def _check_modes(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The share of points with several modes."""
    file = "modes.npz"
    arrays = arrays_of(place, file, data, ("modes",), notes)
    if arrays is not None:
        several = (arrays["modes"] > 1).astype(float)
        compare(place, record, {"multimodal_share": _mean(several)}, file, notes)


def _check_imputation(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Roots of mean squared errors, and the density of a hidden value."""
    import numpy as np

    file, names = "imputation.npz", ("hidden", "log_densities", "points", "expected")
    needed = (*names, "squared_errors", "mean_squared_errors")
    arrays = arrays_of(place, file, data, needed, notes, if_there=("encoder_squared_errors",))
    if arrays is None:
        return
    hidden = arrays["hidden"]
    squares = {name: arrays[name] for name in _OF_IMPUTATION.values() if name in arrays}
    shape = (len(hidden), arrays["log_densities"].shape[-1])
    if any(one.shape != shape for one in (*squares.values(), arrays["log_densities"])):
        _tell(place, f"{file} has errors that are not all of {shape[-1]} test points", notes)
        return
    expected: dict[str, tuple[float, float | None] | None] = {}
    for metric, name in _OF_IMPUTATION.items():
        known = name in squares
        expected[metric] = _root_of_mean(squares[name].mean(axis=0)) if known else None
        second = _root_of_mean(squares[name][1]) if known else None
        expected[_OF_SECOND_HALF[metric]] = second
    per_value = arrays["log_densities"] / hidden.sum(axis=1)[:, None]
    expected["imputation_log_density"] = mean_of(per_value.mean(axis=0))
    points = arrays["points"]
    for mask, filled, said in zip(
        hidden, arrays["expected"], arrays["squared_errors"], strict=True
    ):
        if not np.array_equal(filled[:, ~mask], points[:, ~mask]):
            _tell(place, f"{file} has other values than the points' where none were hidden", notes)
        found = ((filled - points)[:, mask] ** 2).mean(axis=1)
        if not np.allclose(said[: len(points)], found, rtol=1e-9, atol=1e-300):
            _tell(place, f"{file} has errors that its expected values do not have", notes)
    compare(place, record, expected, file, notes)


def _check_model_selection(
    place: str, record: Mapping[str, Any], data: bytes, notes: Notes
) -> None:
    """Criteria: of both counts of parameters, and of the training log likelihood told."""
    file = "model_selection.npz"
    names = ("singular_values", "rank", "parameters", "train_log_likelihood", "points")
    of_sum = "train_log_likelihood_error"
    arrays = arrays_of(place, file, data, names, notes, if_there=(of_sum,))
    if arrays is None:
        return
    error = 2 * float(arrays[of_sum]) if of_sum in arrays else None
    rank, points = int(arrays["rank"]), int(arrays["points"])
    if rank != _rank(arrays["singular_values"]):
        _tell(place, f"{file} has a rank that its singular values do not have", notes)
    likelihood = float(arrays["train_log_likelihood"])
    counts = {"": int(arrays["parameters"]), "_of_rank": rank if rank >= 0 else None}
    expected: dict[str, tuple[float, float | None] | None] = {
        "score_rank": (float(rank), None) if rank >= 0 else None
    }
    for suffix, count in counts.items():
        for name, weight in (("akaike", 2.0), ("bayesian", math.log(points))):
            value = None if count is None else (weight * count - 2 * likelihood, error)
            expected[f"{name}_criterion{suffix}"] = value
    told = [_told(record, f"{name}") for name in ("train_log_likelihood", "parameter_count")]
    if not is_near(
        (told[0][0][0] * points if told[0] else None, told[1][0][0] if told[1] else None),
        (likelihood, float(arrays["parameters"])),
        _SUMMING * max(1.0, abs(likelihood)),
    ):
        _tell(place, f"{file} is of another likelihood or size than the rows tell", notes)
    compare(place, record, expected, file, notes)


def _check_integrals(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The largest difference from the reference, of points that it gives a density, and others."""
    import numpy as np

    file, names = "integrals.npz", ("log_likelihood", "reference_log_likelihood")
    arrays = arrays_of(place, file, data, names, notes)
    if arrays is None:
        return
    off = np.abs(arrays[names[0]] - arrays[names[1]])
    known = off[np.isfinite(off)]
    largest = float(known.max()) if len(known) else math.nan
    lost = (len(off) - len(known)) / len(off)
    expected = {"reference_difference": (largest, None), "reference_lost_share": (lost, None)}
    compare(place, record, expected, file, notes)


def _check_zero_noise(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The distance of the posterior from its limit, at the smallest noise."""
    file, names = "zero_noise.npz", ("latents", "single", "noise_standard_deviations", "means")
    arrays = arrays_of(place, file, data, names, notes)
    if arrays is None:
        return
    smallest = arrays["noise_standard_deviations"].argmin()
    squares = ((arrays["means"][smallest] - arrays["latents"]) ** 2).sum(axis=1)
    distance = _mean(squares[arrays["single"]] ** 0.5)
    compare(place, record, {"zero_noise_distance": distance}, file, notes)


def _check_components(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The largest difference of two log densities, where both are there."""
    file, names = "components.npz", ("mixture_log_density", "log_likelihood")
    arrays = arrays_of(place, file, data, (), notes, if_there=names)
    if arrays is None:
        return
    off = abs(arrays[names[0]] - arrays[names[1]]) if len(arrays) == len(names) else None
    largest = None if off is None else (float(off.max()), None)
    compare(place, record, {"mixture_difference": largest}, file, notes)


def _check_costs(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Times, as they were taken."""
    file, names = "costs.npz", _FILES["costs.npz"]
    arrays = arrays_of(place, file, data, (), notes, if_there=names)
    if arrays is None:
        return
    expected = {name: (float(arrays[name]), None) if name in arrays else None for name in names}
    compare(place, record, expected, file, notes)


def _check_point_samples(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Drawn points: as many as were asked for, and of the data's size."""
    file, names = "point_samples.npz", ("latents", "noiseless", "noisy")
    arrays = arrays_of(place, file, data, names, notes)
    if arrays is None:
        return
    content = record["content"]
    shape = (content["measures"]["point_samples"], content["dimensions"])
    for name in names[1:]:
        if arrays[name].shape != shape or len(arrays["latents"]) != shape[0]:
            _tell(
                place, f"{file} has {name} of shape {arrays[name].shape}; expected {shape}", notes
            )


CHECKS: Mapping[str, Callable[[str, Mapping[str, Any], bytes, Notes], None]] = {
    LOG_LIKELIHOODS: _check_log_likelihoods,
    "gaps.npz": _check_gaps,
    "modes.npz": _check_modes,
    "zero_noise.npz": _check_zero_noise,
    "components.npz": _check_components,
    "imputation.npz": _check_imputation,
    "model_selection.npz": _check_model_selection,
    "integrals.npz": _check_integrals,
    "costs.npz": _check_costs,
    "point_samples.npz": _check_point_samples,
}
"""How each file of arrays is checked against the rows of its record."""


def test_images(content: Mapping[str, Any]) -> int:
    """Test images, or points, that are no anomalies, by the registry."""
    known = DATA_SETS.get(content["spec"]["data_set"])
    return int(content["images"]) - (known.anomalies if known else 0)


def _rank(singular_values: Any) -> int:
    """How many are more than rounding; -1 where there are none, as no rank was asked for."""
    if not len(singular_values):
        return -1
    return int((singular_values > _SMALLEST_SHARE * singular_values.max()).sum())


def _mean(values: Any) -> tuple[float, float]:
    """The mean over points and its standard error; NaN where there are too few for one."""
    if len(values) > 1:
        return mean_of(values)
    return float(values[0]) if len(values) else math.nan, math.nan


def _estimated(arrays: Mapping[str, Any], name: str, errors: str) -> tuple[float, float]:
    """The mean over points, whose standard error holds those of estimates."""
    mean, error = mean_of(arrays[name])
    if errors in arrays:
        of_estimates = math.sqrt(float((arrays[errors] ** 2).sum())) / len(arrays[errors])
        error = math.hypot(error, of_estimates)
    return mean, error


def _root_of_mean(squares: Any) -> tuple[float, float]:
    """The root of a mean over points; its error by the slope of the root."""
    mean, error = _mean(squares)
    root = math.sqrt(mean)
    return root, error / (2 * root) if root > 0 else 0.0


def area(usual: Any, anomalies: Any) -> tuple[float, float]:
    """Share of pairs in which the anomaly is less likely, ties half, and its error; by ranks."""
    of_anomalies, of_usual = placements(usual, anomalies)
    return float(of_anomalies.mean()), math.hypot(mean_of(of_anomalies)[1], mean_of(of_usual)[1])


def placements(usual: Any, anomalies: Any) -> tuple[Any, Any]:
    """Share of usual images that are likelier than each anomaly, and the other way round."""
    import numpy as np
    from scipy.stats import rankdata

    count, all_scores = len(anomalies), -np.concatenate([anomalies, usual])
    ranks = rankdata(all_scores)
    below = (ranks[:count] - rankdata(all_scores[:count])) / len(usual)
    above = 1 - (ranks[count:] - rankdata(all_scores[count:])) / count
    return below, above


def _is_small(differences: Any, scale: Any) -> bool:
    """Whether what must be zero is, up to the rounding of what it is a difference of.

    A divergence is computed from the posterior's pieces and not as this difference, so that it has
    errors of its own.
    """
    import numpy as np

    return bool((np.abs(differences) <= 1e-6 * np.maximum(1.0, np.abs(scale))).all())


def _told(record: Mapping[str, Any], metric: str) -> Sequence[tuple[Any, Any]]:
    rows = record["content"]["metrics"]
    return [(row["value"], row["standard_error"]) for row in rows if row["metric"] == metric]


def compare(
    place: str, record: Mapping[str, Any], expected: Expected, file: str, notes: Notes
) -> None:
    """That the row of each metric has these numbers, or that there is none."""
    for metric, numbers in expected.items():
        told = _told(record, metric)
        if numbers is None:
            right = not told
        else:
            value, error = numbers
            room = _SUMMING * max(1.0, abs(value)) if math.isfinite(value) else 0.0
            own = [(one, 0.0 if error is other is None else other) for one, other in told]
            right = len(own) == 1 and is_near(own[0], (value, error or 0.0), room)
        if not right:
            _tell(
                place,
                f"the {metric.replace('_', ' ')} is said to be {told[0] if told else None} "
                f"(value, standard error); expected {numbers}, as {file} has it",
                notes,
            )


def _tell(place: str, text: str, notes: Notes) -> None:
    notes.find("number", place, text)
