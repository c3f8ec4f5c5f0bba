"""The metrics that tables can show: what each is called, its unit, and which direction is better.

How they are computed is the evaluation's; here they only get their one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from workflow_src.config.complaints import unknown


@dataclass(frozen=True)
class Metric:
    """A quantity measured per group, as it is named in settings, columns and tables.

    ``has_interval`` is false where an interval over seeds would tell nothing: counts, and times
    that the members of a bank share. ``holds_log_partition`` is true where the log partition
    function of the model's prior is a summand, so that its error is one of the metric.
    ``over_seeds`` is what a fixed bound is asked of: their mean, or the largest value of any seed,
    where one seed is enough to refute. ``shares_judges`` is true where the same judges say it of
    everything that they judge, so that errors have a part in common. ``errors_over`` is what the
    standard error of an estimate is over; None where there is nothing but the estimate.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    has_interval: bool = True
    holds_log_partition: bool = False
    over_seeds: Literal["mean", "largest"] = "mean"
    shares_judges: bool = False
    errors_over: str | None = "the test set"


LOG_PARTITION = "log_partition_function"

_ANOMALIES = "the test set and the anomalies"
_DRAWN = "the images drawn and the judges"
_FIRST_IMAGES = "the first 64 test images"
_FIRST_POINTS = "the first test points"

_ALL = (
    Metric(
        "test_bound",
        "importance-weighted bound, test set",
        "nats",
        "higher",
        holds_log_partition=True,
    ),
    Metric(
        "test_bound_per_dimension",
        "importance-weighted bound per pixel, test set",
        "nats per dimension",
        "higher",
        holds_log_partition=True,
    ),
    Metric(
        "test_bound_gain",
        "gain of the bound by the last increase of importance samples, test set",
        "nats",
        "lower",
    ),
    Metric(
        "test_bits_per_dimension",
        "importance-weighted bound as code length, test set",
        "bits per dimension",
        "lower",
        holds_log_partition=True,
    ),
    Metric(
        "test_smoothed_bound",
        "importance-weighted bound at the training temperature, test set",
        "nats",
        "higher",
        holds_log_partition=True,
    ),
    Metric(
        "test_smoothed_bits_per_dimension",
        "importance-weighted bound at the training temperature as code length, test set",
        "bits per dimension",
        "lower",
        holds_log_partition=True,
    ),
    Metric("validation_bound", "bound, validation set", "nats", "higher"),
    Metric("effective_sample_size", "effective number of importance samples", "samples", "higher"),
    Metric(
        "test_joint_bound",
        "joint bound of the smoothed model at its training temperature, test set",
        "nats",
        "higher",
    ),
    Metric(
        "test_marginal_bound",
        "marginal bound of the smoothed model at its training temperature, test set",
        "nats",
        "higher",
    ),
    Metric(
        "marginal_bound_gain",
        "gain of the marginal over the joint bound at equal parameters, test set",
        "nats",
        "higher",
    ),
    Metric(
        "kl_divergence",
        "divergence of the approximate posterior from the prior at the training temperature, "
        "sum over groups, test set",
        "nats",
        "neither",
        holds_log_partition=True,
    ),
    Metric(
        LOG_PARTITION,
        "log partition function of the prior",
        "nats",
        "neither",
        holds_log_partition=True,
        errors_over=None,
    ),
    Metric(
        "inpainting_log_density",
        "log density of missing pixels given the others (estimate), first 64 test images",
        "nats per missing dimension",
        "higher",
        errors_over=_FIRST_IMAGES,
    ),
    Metric(
        "inpainting_error",
        "root mean squared error of an image's expected missing pixels, mean over the first 64 "
        "test images",
        "share of full range",
        "lower",
        errors_over=_FIRST_IMAGES,
    ),
    Metric(
        "zeroed_inpainting_error",
        "root mean squared error of an image's expected missing pixels that are taken for "
        "observed zeros, mean over the first 64 test images",
        "share of full range",
        "lower",
        errors_over=_FIRST_IMAGES,
    ),
    Metric(
        "mean_image_inpainting_error",
        "root mean squared error of an image's missing pixels filled with the mean training image, "
        "mean over the first 64 test images",
        "share of full range",
        "lower",
        errors_over=_FIRST_IMAGES,
    ),
    Metric("test_log_likelihood", "log likelihood, test set", "nats", "higher"),
    Metric(
        "train_log_likelihood",
        "log likelihood, training set",
        "nats",
        "higher",
        errors_over="the training set",
    ),
    Metric(
        "validation_log_likelihood",
        "log likelihood, validation set",
        "nats",
        "higher",
        errors_over="the validation set",
    ),
    Metric(
        "isotropic_gaussian_log_likelihood",
        "log likelihood of an isotropic Gaussian fitted to the training set, test set",
        "nats",
        "neither",
    ),
    Metric(
        "isotropic_gaussian_validation_log_likelihood",
        "log likelihood of an isotropic Gaussian fitted to the training set, validation set",
        "nats",
        "neither",
        errors_over="the validation set",
    ),
    Metric("test_elbo", "evidence lower bound of the encoder, exact, test set", "nats", "higher"),
    Metric(
        "encoder_kl_divergence",
        "divergence of the encoder from the exact posterior, test set",
        "nats",
        "lower",
    ),
    Metric(
        "approximation_gap",
        "divergence of the best Gaussian from the exact posterior, first test points",
        "nats",
        "lower",
        errors_over=_FIRST_POINTS,
    ),
    Metric(
        "amortisation_gap",
        "what the encoder loses against the best Gaussian, first test points",
        "nats",
        "lower",
        errors_over=_FIRST_POINTS,
    ),
    Metric(
        "unfinished_search_share",
        "share of searches for the best Gaussian that did not end at a best one, first test points",
        "share",
        "lower",
        errors_over=_FIRST_POINTS,
    ),
    Metric(
        "multimodal_share",
        "share of points whose posterior has several modes of at least 10 % of the highest one's "
        "density, test set",
        "share",
        "neither",
    ),
    Metric(
        "multimodal_approximation_gap",
        "divergence of the best Gaussian from an exact posterior of several modes, first test "
        "points",
        "nats",
        "lower",
        errors_over=_FIRST_POINTS,
    ),
    Metric(
        "unimodal_approximation_gap",
        "divergence of the best Gaussian from an exact posterior of one mode, first test points",
        "nats",
        "lower",
        errors_over=_FIRST_POINTS,
    ),
    Metric(
        "akaike_criterion",
        "Akaike information criterion",
        "nats",
        "lower",
        errors_over=None,
    ),
    Metric(
        "bayesian_criterion",
        "Bayesian information criterion",
        "nats",
        "lower",
        errors_over=None,
    ),
    Metric(
        "akaike_criterion_of_rank",
        "Akaike information criterion with the rank of the scores",
        "nats",
        "lower",
    ),
    Metric(
        "bayesian_criterion_of_rank",
        "Bayesian information criterion with the rank of the scores",
        "nats",
        "lower",
    ),
    Metric(
        "score_rank",
        "identifiable parameters: rank of the scores of the training points",
        "parameters",
        "neither",
        has_interval=False,
    ),
    Metric(
        "anomaly_auc",
        "area under the ROC curve of anomalies told by low density",
        "share",
        "higher",
        errors_over=_ANOMALIES,
    ),
    Metric(
        "published_anomaly_auc",
        "area under the ROC curve of anomalies as the DCGMM paper estimates it, at 100 equally "
        "spaced thresholds without end points",
        "share",
        "higher",
    ),
    Metric(
        "layer_1_anomaly_auc",
        "area under the ROC curve of anomalies told by a low score of mixture layer 1",
        "share",
        "higher",
        errors_over=_ANOMALIES,
    ),
    Metric(
        "layer_2_anomaly_auc",
        "area under the ROC curve of anomalies told by a low score of mixture layer 2",
        "share",
        "higher",
        errors_over=_ANOMALIES,
    ),
    Metric(
        "layer_3_anomaly_auc",
        "area under the ROC curve of anomalies told by a low score of mixture layer 3",
        "share",
        "higher",
        errors_over=_ANOMALIES,
    ),
    Metric(
        "layer_4_anomaly_auc",
        "area under the ROC curve of anomalies told by a low score of mixture layer 4",
        "share",
        "higher",
        errors_over=_ANOMALIES,
    ),
    Metric(
        "top_layer_anomaly_auc_gain",
        "area under the ROC curve of anomalies by the top mixture layer, minus that by the best "
        "layer below it",
        "share",
        "higher",
        errors_over=_ANOMALIES,
    ),
    Metric("layer_1_loss", "mean score of mixture layer 1, test set", "nats", "higher"),
    Metric("layer_2_loss", "mean score of mixture layer 2, test set", "nats", "higher"),
    Metric("layer_3_loss", "mean score of mixture layer 3, test set", "nats", "higher"),
    Metric("layer_4_loss", "mean score of mixture layer 4, test set", "nats", "higher"),
    Metric(
        "imputation_error",
        "root mean squared error of expected hidden values, test set",
        "data units",
        "lower",
    ),
    Metric(
        "imputation_log_density",
        "log density of hidden values given the others, test set",
        "nats per hidden dimension",
        "higher",
    ),
    Metric(
        "encoder_imputation_error",
        "root mean squared error of hidden values by encoding and decoding, test set",
        "data units",
        "lower",
    ),
    Metric(
        "mean_imputation_error",
        "root mean squared error of hidden values filled with training means, test set",
        "data units",
        "lower",
    ),
    Metric(
        "imputation_error_of_second_half",
        "root mean squared error of an expected second half given the first, test set",
        "data units",
        "lower",
    ),
    Metric(
        "encoder_imputation_error_of_second_half",
        "root mean squared error of a second half by encoding and decoding, test set",
        "data units",
        "lower",
    ),
    Metric(
        "mean_imputation_error_of_second_half",
        "root mean squared error of a second half filled with training means, test set",
        "data units",
        "lower",
    ),
    Metric(
        "zero_noise_distance",
        "distance of the posterior's mean from its limit without noise, at a hundredth of the "
        "model's noise, first test points",
        "latent units",
        "lower",
        errors_over=_FIRST_POINTS,
    ),
    Metric(
        "mixture_difference",
        "largest difference of the mixture's log density from the model's, first test points",
        "nats",
        "lower",
        over_seeds="largest",
    ),
    Metric("region_count", "regions of the generator", "regions", "neither"),
    Metric(
        "noise_standard_deviation",
        "standard deviation of the noise, root mean square over dimensions",
        "data units",
        "neither",
    ),
    Metric(
        "enumeration_seconds",
        "time to enumerate the regions",
        "s",
        "lower",
        has_interval=False,
    ),
    Metric(
        "expectation_seconds",
        "time of one expectation step on the same points as the reference, or the training set",
        "s",
        "lower",
        has_interval=False,
    ),
    Metric(
        "reference_seconds",
        "time of one expectation step by the paper's simplices",
        "s",
        "lower",
        has_interval=False,
    ),
    Metric(
        "reference_difference",
        "largest difference of a log likelihood from the reference, where it gives one",
        "nats",
        "lower",
        over_seeds="largest",
    ),
    Metric(
        "reference_lost_share",
        "share of points to which the reference gives no positive density",
        "share",
        "lower",
        over_seeds="largest",
    ),
    Metric("test_accuracy", "classification accuracy, test set", "share", "higher"),
    Metric("test_cross_entropy", "cross-entropy of the classes, test set", "nats", "lower"),
    Metric(
        "judged_accuracy",
        "share of the images drawn of a class, with the model's own noise, that judges take for "
        "one of it",
        "share",
        "higher",
        shares_judges=True,
        errors_over=_DRAWN,
    ),
    Metric(
        "noiseless_judged_accuracy",
        "share of the images drawn of a class, with means for pixels instead of noise, that judges "
        "take for one of it",
        "share",
        "higher",
        shares_judges=True,
        errors_over=_DRAWN,
    ),
    Metric(
        "sharpened_judged_accuracy",
        "share of the images drawn of a class, and sharpened, that judges take for one of it",
        "share",
        "higher",
        shares_judges=True,
        errors_over=_DRAWN,
    ),
    Metric(
        "sharpening_gain",
        "gain of the judges' accuracy by sharpening the same draws",
        "share",
        "higher",
        shares_judges=True,
        errors_over=_DRAWN,
    ),
    Metric(
        "judge_accuracy",
        "accuracy of the judges on test images of the same classes",
        "share",
        "neither",
        shares_judges=True,
        errors_over="test images and the judges",
    ),
    Metric(
        "overall_judge_accuracy",
        "accuracy of the judges on all test images",
        "share",
        "neither",
        shares_judges=True,
        errors_over="test images and the judges",
    ),
    Metric("judge_count", "judges that judged", "judges", "neither", has_interval=False),
    Metric("parameter_count", "parameters", "parameters", "lower", has_interval=False),
    Metric(
        "centroid_count",
        "parameters of the centroids of one position of every mixture layer, as the DCGMM paper "
        "counts them",
        "parameters",
        "lower",
        has_interval=False,
    ),
    Metric(
        "seconds_per_step",
        "device seconds per training step, validation included",
        "s",
        "lower",
        has_interval=False,
    ),
    Metric(
        "epochs_to_converge",
        "epochs until the validation log likelihood is 95 % of the way from an isotropic "
        "Gaussian's to the best that any run reaches from the same start",
        "epochs",
        "lower",
    ),
    Metric(
        "largest_likelihood_fall",
        "largest fall of the exact training log likelihood between two validations",
        "nats",
        "lower",
        over_seeds="largest",
    ),
    Metric(
        "seconds_to_converge",
        "device seconds of training until then (as epochs to converge); runs that are trained "
        "together share them evenly",
        "s",
        "lower",
        has_interval=False,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})


def metric(name: str) -> Metric:
    """The metric of that name; an unknown name is a `UserError` that lists the known ones."""
    if name not in METRICS:
        raise unknown((), "metric", name, METRICS).error(lambda key: "metric")
    return METRICS[name]
