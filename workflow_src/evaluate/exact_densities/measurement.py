"""Measures one trained model with an exact density on the test set.

Pure computation: arrays in, arrays and numbers out. Files and records belong to `job`.

Test points whose label no training point has are anomalies: they take part in `anomaly_auc` alone,
and "test points" below are all others. Shapes use N = those test points, D = values of a point,
S = latent dimensions, R = regions, P = points that are shown. Masses, densities and likelihoods
are natural logarithms. Float64 unless said. The arrays, by file:

``log_likelihoods`` (always):
    ``train`` [training points], ``validation`` [validation points], ``test`` [N],
    ``anomalies`` [their number], ``encoder_elbo`` and ``encoder_divergence`` [N] (exact evidence
    lower bound of the encoder and divergence from the exact posterior; of variational runs); where
    there are no exact masses, from S = 4, all are estimates, with ``standard_errors`` [N] (of
    ``test``), ``encoder_elbo_errors`` and ``encoder_divergence_errors`` [N].
``partition`` (measure `partition`, S = 1 or 2): ``window`` [S, 2] (lower, upper),
    ``slopes`` [R, D, S], ``offsets`` [R, D] (of each region's affine map), ``colours`` [R, 3] (in
    [0, 1]; alike where maps are alike), ``log_prior_mass`` [R], ``discovery_steps`` [R] (int64:
    the least number of faces between a region and that of one latent vector, drawn from the prior
    by the run's seed; 0 for the latter); and, cut at the window,
    S = 1: ``lower`` [R], ``upper`` [R];
    S = 2: ``vertices`` [all, 2] and ``starts`` [R + 1]: region r has the corners
    ``vertices[starts[r]:starts[r + 1]]``, counter-clockwise; none where it is off the window.
``triangulation`` (with `partition`, S = 2): ``triangles`` [T, 3, 2], ``region`` [T] (int64), and
    ``window`` [2, 2].
``marginal`` (`densities`, D = 2): ``first`` [G], ``second`` [G] (the grid's coordinates),
    ``log_density`` [G, G] (first index: ``second``, as matplotlib has it), ``test`` and ``train``
    [at most 500, 2]; S = 1: ``curve`` [M, 2] (the generator's noiseless image).
``posteriors`` (`posteriors` = O observations of each kind, S = 1 or 2; P = 3 O): ``points`` [P, D]
    with ``kinds`` [P] (text): "noiseless" g(z0), "noisy" g(z0) plus noise (of the same O z0), and
    "test" (the first test points); ``drawn_latents`` [P, S] (z0; NaN for test points); and of each
    ``latents``: S = 1 [G] (grid of z, common to all); S = 2 [2, G] (a grid of each dimension),
    ``log_density`` S = 1 [P, G], S = 2 [P, G, G] (first index: second dimension) of z given x,
    ``boundaries`` [B] (S = 1: where regions meet, within the grid), ``log_likelihood`` [P],
    ``mean`` [P, S], ``covariance`` [P, S, S], ``region_probabilities`` [P, R], ``reconstructions``
    [P, D] (E[g(z) | x]), ``modes`` [P] (S = 1: their number, int64), ``encoder_mean`` [P, S] and
    ``encoder_covariance`` [P, S, S] (variational runs).
``point_samples`` (`point_samples` draws M): ``latents`` [M, S], ``noiseless`` [M, D] (g(z)),
    ``noisy`` [M, D] (plus noise), ``shape`` [2] (height, width; int64), ``test`` [at most M, D].
``zero_noise`` (`zero_noise`): ``points`` [P, D] (first test points), ``latents`` [P, S] (the limit
    z*: nearest point of the generator's image), ``reconstructions`` [P, D] (g of ``latents``),
    ``regions`` [P] (int64, of ``latents``), ``single`` [P] (bool: the limit is one point),
    ``penalised_latents`` [P, S] (most probable z at the
    model's noise), ``clipped_latents`` [P, S] (nearest within [-clip, clip]^S), ``clip`` [],
    ``noise_standard_deviations`` [V] (descending), ``means`` [V, P, S] and
    ``standard_deviations`` [V, P, S] of the exact posterior at each noise; D = 2, S = 1:
    ``curve`` [M, 2] as in ``marginal``.
``components`` (`components`): ``log_weights`` [R], ``slopes`` [R, D, S], ``offsets`` [R, D],
    ``means`` [R, D], ``covariances`` [R, D, D] (D <= 8: exact moments of x in each region, noise
    included), ``latent_means`` [R, S], ``latent_covariances`` [R, S, S]; with D <= 8
    ``log_likelihood`` and ``mixture_log_density`` [at most 100] (of the first test points: of the
    model, and of its components put together).
``integrals`` (`reference` points): ``points`` [P, D], ``log_likelihood`` [P],
    ``reference_log_likelihood`` [P], ``mean`` [P, S], ``reference_mean`` [P, S], ``second``
    [P, S, S], ``reference_second`` [P, S, S] (posterior moments).
``costs`` (`costs`, or `reference`; timed, so that equal results differ in it):
    ``enumeration_seconds``, ``expectation_seconds``, ``reference_seconds`` (each []; those that
    were measured), ``regions`` [], ``points`` [] (int64: of the expectation step).
``gaps`` (`gaps` test points): ``points`` [P, D], ``log_likelihood`` [P], ``best_elbo`` [P],
    ``best_mean`` [P, S], ``best_covariance`` [P, S, S], ``converged`` [P] (bool: the search for it
    ended at an optimum that no encoder is above), ``approximation`` [P],
    ``modes`` [P] (int64; S = 1), ``encoder_elbo`` [P], ``amortisation`` [P] (variational runs).
``modes`` (`gaps`, S = 1): ``modes`` [N] (int64: of the posterior of every test point) that have at
    least the share ``least_density`` [] of the highest one's density, as everywhere here.
``imputation`` (`imputation`, S <= 3): ``hidden`` [2, D] (bool: first half, second half),
    ``squared_errors`` [2, N] (mean over hidden values), ``log_densities`` [2, N] (of the hidden
    values together), ``mean_squared_errors`` [2, N] (filled with training means),
    ``encoder_squared_errors`` [2, N] (variational runs), ``points`` [P, D], ``expected`` [2, P, D]
    (hidden values filled in).
``model_selection`` (`model_selection`): ``singular_values`` [of the score matrix, descending],
    ``rank`` [] (int64), ``parameters`` [] (int64), ``train_log_likelihood`` [] (sum), ``points`` []
    (int64), ``train_log_likelihood_error`` [] (only of estimates).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.exact_densities.anomalies import anomaly_row
from workflow_src.evaluate.exact_densities.costs import cost_arrays, cost_rows, costs
from workflow_src.evaluate.exact_densities.criteria import criteria
from workflow_src.evaluate.exact_densities.gaps import (
    encoder_arrays,
    encoder_bounds,
    encoder_rows,
    gaps,
    multimodality,
)
from workflow_src.evaluate.exact_densities.imputation import imputation
from workflow_src.evaluate.exact_densities.likelihoods import (
    LogLikelihoods,
    all_log_likelihoods,
    likelihood_arrays,
    likelihood_rows,
    noise_row,
)
from workflow_src.evaluate.exact_densities.limits import components, zero_noise
from workflow_src.evaluate.exact_densities.pictures import marginal, point_samples, posteriors
from workflow_src.evaluate.exact_densities.reference import reference
from workflow_src.evaluate.exact_densities.regions import regions
from workflow_src.evaluate.exact_densities.subject import Points, Subject, points_of, subject_of
from workflow_src.evaluate.measurement import Arrays, Measurement
from workflow_src.evaluate.metric_rows import Row, row, size_row
from workflow_src.models.building import build_model

Found = tuple[list[Row], dict[str, Arrays]]
"""Rows, and arrays by file."""


def measure_run(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Measurement:
    """As `measure`, for a run's checkpoint on the test points of its data."""
    model = build_model(spec, data.shape, data.levels, data.channels)
    subject = subject_of(model, parameters, spec, device, memory_bytes)
    return measure(subject, points_of(data, spec), measures, model.parameter_count())


def measure(
    subject: Subject, points: Points, measures: Mapping[str, Any], parameter_count: int
) -> Measurement:
    """Everything that ``measures`` asks for and that the model and the data have.

    ``measures`` is as a study says. What needs a latent space that can be shown, points in the
    plane, exact masses, an encoder or anomalies is left out where there are none.
    """
    started = time.perf_counter()
    likelihoods = all_log_likelihoods(subject, points)
    seconds = time.perf_counter() - started
    arrays: dict[str, Arrays] = {"log_likelihoods": likelihood_arrays(likelihoods)}
    rows = likelihood_rows(subject, points, likelihoods)
    encoded = encoder_bounds(subject, points.test)
    if encoded is not None:
        rows += encoder_rows(encoded)
        arrays["log_likelihoods"] |= encoder_arrays(encoded)
    for part in (
        _diagnosed(subject, points, measures, likelihoods),
        _timed(subject, points, measures),
    ):
        rows += part[0]
        arrays |= part[1]
    arrays |= _pictures(subject, points, measures)
    rows += [
        row("region_count", subject.partition.regions, None, "regions", None),
        noise_row(subject),
        size_row(parameter_count),
    ]
    images = len(points.test) + len(points.anomalies)
    return Measurement(rows, points.dimensions, arrays, images, seconds)


def _diagnosed(
    subject: Subject,
    points: Points,
    measures: Mapping[str, Any],
    likelihoods: Mapping[str, LogLikelihoods],
) -> Found:
    """Gaps, imputation, anomalies, information criteria, and checks of the paper's statements."""
    rows: list[Row] = []
    arrays: dict[str, Arrays] = {}
    test, train = likelihoods["test"].values, likelihoods["train"].values
    if measures["gaps"] and subject.is_exact:
        shown = slice(measures["gaps"])
        more, arrays["gaps"] = gaps(subject, points.test[shown], test[shown])
        rows += more
    if measures["gaps"] and subject.latent_dimensions == 1:
        more, arrays["modes"] = multimodality(subject, points.test)
        rows += more
    if measures["imputation"] and points.dimensions > 1 and subject.is_exact:
        more, arrays["imputation"] = imputation(subject, points)
        rows += more
    if measures["anomalies"] and len(points.anomalies):
        rows.append(anomaly_row(test, likelihoods["anomalies"].values))
    if measures["model_selection"]:
        errors = likelihoods["train"].errors
        error = None if errors is None else float(np.linalg.norm(errors))
        known = (points.train, float(train.sum()), error)
        more, arrays["model_selection"] = criteria(subject, *known)
        rows += more
    if measures["zero_noise"] and subject.is_exact:
        more, arrays["zero_noise"] = zero_noise(subject, points.test)
        rows += more
    if measures["components"] and subject.is_exact:
        more, arrays["components"] = components(subject, points.test)
        rows += more
    return rows, arrays


def _timed(subject: Subject, points: Points, measures: Mapping[str, Any]) -> Found:
    """Times, and the agreement with the paper's simplices."""
    rows: list[Row] = []
    arrays: dict[str, Arrays] = {}
    seconds: dict[str, float] = {}
    count = measures["reference"] if subject.is_exact else 0
    timed = points.test[:count] if count else points.train
    if measures["costs"]:
        seconds |= costs(subject, timed)
    if count:
        more, arrays["integrals"], taken = reference(subject, timed)
        rows, seconds = [*rows, *more], {**seconds, "reference_seconds": taken}
    if seconds:
        rows += cost_rows(seconds)
        arrays["costs"] = cost_arrays(subject, timed, seconds)
    return rows, arrays


def _pictures(subject: Subject, points: Points, measures: Mapping[str, Any]) -> dict[str, Arrays]:
    """Arrays that figures draw."""
    arrays: dict[str, Arrays] = {}
    if measures["partition"] and subject.can_be_shown:
        arrays |= regions(subject)
    if measures["densities"] and points.dimensions == 2:
        arrays["marginal"] = marginal(subject, points)
    if measures["posteriors"] and subject.can_be_shown:
        arrays["posteriors"] = posteriors(subject, points, measures["posteriors"])
    if measures["point_samples"]:
        arrays["point_samples"] = point_samples(subject, points, measures["point_samples"])
    return arrays
