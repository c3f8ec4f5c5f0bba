"""Checks of one experiment in itself: what it compares, shows and measures fits together.

They take plain parts of an experiment and raise complaints inside pydantic's validators, which add
where the part stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from workflow_src.config.complaints import Complaint, shown, unknown
from workflow_src.config.metrics import LOG_PARTITION, METRICS
from workflow_src.config.models import (
    evaluation_declarations,
    hyperparameters_of,
    measures_of,
    metrics_of,
)
from workflow_src.config.study_checks import check_name
from workflow_src.config.yaml_lines import KeyPath

PICTURES = (
    "leaf_manifolds",
    "leaf_posteriors",
    "inpainting",
    "global_samples",
    "inverse_cdfs",
    "partition",
    "densities",
    "posteriors",
    "point_samples",
    "zero_noise",
    "components",
    "reference",
    "gaps",
    "costs",
    "anomalies",
    "samples",
    "sharpened_samples",
    "variants",
    "side_by_side",
    "centroids",
)
"""Presentations that are called as the measure that they show."""
_ALONG_ROWS = {"curve": "a curve", "costs": "costs"}
"""Presentations that draw lines over what the table has in its rows, with words."""
_SAMPLES = "importance_samples"
_SHARPENING = "sharpened_samples"
_OF_SHARPENING = ("sharpened_judged_accuracy", "sharpening_gain")
OF_ANOMALIES = (
    "anomaly_auc",
    "published_anomaly_auc",
    *(f"layer_{layer}_anomaly_auc" for layer in range(1, 5)),
    "top_layer_anomaly_auc_gain",
)
"""Metrics of how well anomalies are told, which need data that have some."""
_MEASURE_OF = {
    "inpainting_log_density": ("inpainting", "masks under inpainting"),
    "inpainting_error": ("inpainting", "masks under inpainting"),
    "test_smoothed_bound": ("smoothed_bound", "smoothed_bound"),
    "test_smoothed_bits_per_dimension": ("smoothed_bound", "smoothed_bound"),
    "test_joint_bound": ("training_bounds", "training_bounds"),
    "test_marginal_bound": ("training_bounds", "training_bounds"),
    "marginal_bound_gain": ("training_bounds", "training_bounds"),
    "approximation_gap": ("gaps", "gaps"),
    "amortisation_gap": ("gaps", "gaps"),
    "unfinished_search_share": ("gaps", "gaps"),
    "multimodal_share": ("gaps", "gaps"),
    "multimodal_approximation_gap": ("gaps", "gaps"),
    "unimodal_approximation_gap": ("gaps", "gaps"),
    "akaike_criterion": ("model_selection", "model_selection"),
    "bayesian_criterion": ("model_selection", "model_selection"),
    "akaike_criterion_of_rank": ("model_selection", "model_selection"),
    "bayesian_criterion_of_rank": ("model_selection", "model_selection"),
    "score_rank": ("model_selection", "model_selection"),
    "zeroed_inpainting_error": ("inpainting", "masks under inpainting"),
    "mean_image_inpainting_error": ("inpainting", "masks under inpainting"),
    **dict.fromkeys(OF_ANOMALIES, ("anomalies", "anomalies")),
    **{f"layer_{layer}_loss": ("layer_scores", "layer_scores") for layer in range(1, 5)},
    "test_accuracy": ("classification", "classification"),
    "test_cross_entropy": ("classification", "classification"),
    "judged_accuracy": ("judged_samples", "judged_samples"),
    "noiseless_judged_accuracy": ("judged_samples", "judged_samples"),
    "judge_accuracy": ("judged_samples", "judged_samples"),
    "overall_judge_accuracy": ("judged_samples", "judged_samples"),
    "judge_count": ("judged_samples", "judged_samples"),
    "sharpened_judged_accuracy": ("judged_samples", "judged_samples"),
    "sharpening_gain": ("judged_samples", "judged_samples"),
    "imputation_error": ("imputation", "imputation"),
    "imputation_log_density": ("imputation", "imputation"),
    "encoder_imputation_error": ("imputation", "imputation"),
    "mean_imputation_error": ("imputation", "imputation"),
    "imputation_error_of_second_half": ("imputation", "imputation"),
    "encoder_imputation_error_of_second_half": ("imputation", "imputation"),
    "mean_imputation_error_of_second_half": ("imputation", "imputation"),
    "zero_noise_distance": ("zero_noise", "zero_noise"),
    "mixture_difference": ("components", "components"),
    "enumeration_seconds": ("costs", "costs"),
    "expectation_seconds": ("costs", "costs"),
    "reference_seconds": ("reference", "points under reference"),
    "reference_difference": ("reference", "points under reference"),
    "reference_lost_share": ("reference", "points under reference"),
}
"""Metrics that are computed where something is measured that need not be: its name, and words."""


def check_compared(key: str, names: Sequence[str], models: Iterable[str]) -> None:
    """Each hyperparameter that is told apart under ``key`` is one of a model of the experiment."""
    known = {name: one for model in models for name, one in hyperparameters_of(model).items()}
    for position, name in enumerate(names):
        check_name((key, position), name, known, " or ".join(models))


def check_best_over(names: Sequence[str], compare: Sequence[str], metric: str) -> None:
    """The best of several is asked of what is not shown apart, by a metric that has a better."""
    for position, name in enumerate(names):
        if name in compare:
            raise Complaint(
                ("best_over", position),
                f"{shown(name)} is compared already",
                expected="another hyperparameter",
            ).raised_in_validator()
    if names and METRICS[metric].better == "neither":
        raise Complaint(
            ("best_over",),
            f"there is no best {metric}",
            expected="a metric in the table that is better higher or lower",
        ).raised_in_validator()


def check_layout(
    rows: str, columns: Sequence[str], axes: Sequence[str], compare: Sequence[str]
) -> None:
    """Rows and columns of a table are different axes or compared hyperparameters."""
    known = (*axes, *compare)
    places: list[tuple[KeyPath, str]] = [(("rows",), rows)]
    places += [(("columns", position), name) for position, name in enumerate(columns)]
    for key, name in places:
        if name not in known:
            complaint = unknown(("table", *key), "axis", name, known)
            raise complaint.raised_in_validator()
    if rows in columns:
        key = ("table", "columns", columns.index(rows))
        raise Complaint(
            key, f"{shown(rows)} is in the rows already", expected="another axis"
        ).raised_in_validator()


def check_measurable(measured: Collection[str], models: Iterable[str]) -> None:
    """Everything that is to be measured can be, on some model of the experiment.

    What only the evaluations of other models measure is not asked of a model's. Models of which
    there is no more than a bound are measured with some number of samples.
    """
    measurable = {model: measures_of(model) for model in models}
    every = {name for known in measurable.values() for name in known}
    for model, known in measurable.items():
        for name in sorted(set(measured) - every):
            raise Complaint(
                ("measures", name),
                f"{name} is not measured on models such as {model}",
                expected="of the measures: " + ", ".join(known),
            ).raised_in_validator()
        if _SAMPLES in known and _SAMPLES not in measured:
            raise Complaint(
                ("measures", _SAMPLES),
                f"models such as {model} have no more than a bound of so many samples",
                expected="numbers of importance samples, ascending, such as [100]",
            ).raised_in_validator()


def check_measured(
    metric: str,
    importance_samples: Sequence[int] | None,
    measured: Iterable[str],
    models: Iterable[str],
    key: KeyPath,
) -> None:
    """What the ``metric``, which stands under ``key``, is computed from is measured."""
    models = list(models)
    lacking = None
    if metric == "test_bound_gain" and len(importance_samples or ()) < 2:
        lacking = "two numbers of importance_samples or more among the measures"
    measure, words = _MEASURE_OF.get(metric, (None, ""))
    measured = set(measured)
    if measure is not None and measure not in measured:
        lacking = f"{words} among the measures"
    if metric in _OF_SHARPENING and _SHARPENING not in measured:
        lacking = f"{_SHARPENING} among the measures, which judges then look at, too"
    if not any(computes(model, metric) for model in models):
        lacking = "a metric that is computed for one of its models"
    if metric == "validation_bound" and any(computes(model, LOG_PARTITION) for model in models):
        # A run's record does not hold the error of the log partition function in it.
        lacking = "a bound on the test set, whose standard error is known"
    if lacking is not None:
        raise Complaint(
            key, f"{metric} is not measured in this experiment", expected=lacking
        ).raised_in_validator()


def check_presentation(
    presentation: str, measured: Iterable[str], rows: str, models: Iterable[str]
) -> None:
    """The pictures that are shown are measured, and a curve has numbers along its axis."""
    if presentation in PICTURES and presentation not in measured:
        raise Complaint(
            ("presentation",),
            f"{presentation} is not measured in this experiment",
            expected=f"{presentation} among the measures",
        ).raised_in_validator()
    words = _ALONG_ROWS.get(presentation)
    if words is not None and not _is_numeric(rows, models):
        raise Complaint(
            ("presentation",),
            f"{words} over {rows}, which is no number",
            expected=f"{words} over the fraction or a compared hyperparameter in the table's rows",
        ).raised_in_validator()


def computes(model: str, metric: str) -> bool:
    """Whether a metric exists for a model; those that no evaluation computes exist for all."""
    of_evaluations = {name for one in evaluation_declarations().values() for name in one.metrics}
    return metric not in of_evaluations or metric in metrics_of(model)


def _is_numeric(rows: str, models: Iterable[str]) -> bool:
    if rows == "fraction":
        return True
    hyperparameters = [hyperparameters_of(model).get(rows) for model in models]
    return all(one is not None and one.type in ("integer", "number") for one in hyperparameters)
