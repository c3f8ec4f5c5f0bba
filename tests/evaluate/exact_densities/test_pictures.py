"""What figures draw: regions fill the window, densities integrate to one, limits are nearest."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.exact_densities import Quadrature, bent, density, generated, points, subject

from workflow_src.evaluate.exact_densities.limits import CLIP, components, zero_noise
from workflow_src.evaluate.exact_densities.pictures import marginal, point_samples, posteriors
from workflow_src.evaluate.exact_densities.regions import WINDOW, colours, regions
from workflow_src.evaluate.exact_densities.subject import Points
from workflow_src.models.piecewise_affine.networks import AffineMaps


def shoelace(corners: np.ndarray) -> float:
    """Signed area; positive counter-clockwise."""
    x, y = corners.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def test_intervals_fill_the_window_with_their_maps() -> None:
    arrays = regions(subject(bent()))["partition"]
    assert arrays["window"].tolist() == [[-WINDOW, WINDOW]]
    assert arrays["lower"].tolist() == [-WINDOW, 0]
    assert arrays["upper"].tolist() == [0, WINDOW]
    assert arrays["slopes"][:, :, 0].tolist() == [[1, -1], [1, 1]]
    np.testing.assert_allclose(np.exp(arrays["log_prior_mass"]), 0.5)
    assert sorted(arrays["discovery_steps"]) == [0, 1]


def test_polygons_and_their_triangles_fill_the_window() -> None:
    model = density(latent=2, hidden=5)
    found = regions(subject(model))
    arrays, triangles = found["partition"], found["triangulation"]
    starts, vertices = arrays["starts"], arrays["vertices"]
    cells = [vertices[a:b] for a, b in itertools.pairwise(starts)]
    areas = np.array([shoelace(one) if len(one) > 2 else 0.0 for one in cells])
    assert (areas >= 0).all()
    assert areas.sum() == pytest.approx(4 * WINDOW**2)
    for number, cell in enumerate(cells):
        if len(cell) < 3:
            continue
        middle = cell.mean(axis=0)
        mapped = arrays["slopes"][number] @ middle + arrays["offsets"][number]
        np.testing.assert_allclose(mapped, generated(model, middle[None])[0], atol=1e-9)
        own = triangles["triangles"][triangles["region"] == number]
        total = sum(abs(shoelace(one)) for one in own)
        assert total == pytest.approx(areas[number], abs=1e-9)
    assert np.exp(arrays["log_prior_mass"]).sum() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("latent", [1, 2])
def test_regions_are_found_from_that_of_the_runs_first_latent_vector(latent: int) -> None:
    """In one layer a step is a unit's change of sign, wherever the start is."""
    starts = set()
    for seed in range(6):
        one = subject(density(latent=latent, hidden=5), seed=seed)
        steps = regions(one)["partition"]["discovery_steps"]
        weights, biases = one.model.network.weights[0], one.model.network.biases[0]
        drawn = weights @ one.generator("discovery").standard_normal(latent) + biases > 0
        assert steps.tolist() == (one.partition.signs != drawn).sum(axis=1).tolist()
        starts.add(int(steps.argmin()))
    assert len(starts) > 1


def test_equal_maps_have_equal_colours() -> None:
    rng = np.random.default_rng(0)
    slopes, offsets = rng.normal(size=(6, 2, 2)), rng.normal(size=(6, 2))
    slopes[4], offsets[4] = slopes[1], offsets[1]
    found = colours(AffineMaps(slopes, offsets))
    assert found.shape == (6, 3)
    assert found.min() == 0
    assert found.max() == 1
    np.testing.assert_allclose(found[4], found[1], atol=1e-12)
    assert len(np.unique(found.round(9), axis=0)) == 5
    assert colours(AffineMaps(slopes[:1], offsets[:1])).tolist() == [[0.5, 0.5, 0.5]]


@pytest.mark.parametrize("latent", [1, 2])
def test_the_density_on_the_grid_is_that_of_x(latent: int) -> None:
    model = density(latent=latent, hidden=3)
    rng = np.random.default_rng(0)
    drawn = generated(model, rng.normal(size=(900, latent))) + 0.3 * rng.normal(size=(900, 2))
    data = Points(drawn[:400], drawn[:1], drawn[400:], drawn[:0], (1, 2))
    arrays = marginal(subject(model), data)
    first, second = arrays["first"], arrays["second"]
    assert arrays["log_density"].shape == (len(second), len(first))
    if latent == 1:
        exact = Quadrature(model, 40_001)
        for row, column in ((0, 0), (40, 97), (120, 3)):
            wanted = exact.log_likelihood(np.array([first[column], second[row]]))
            assert arrays["log_density"][row, column] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
        np.testing.assert_array_equal(
            arrays["curve"], generated(model, np.linspace(-WINDOW, WINDOW, 1001)[:, None])
        )
    mass = np.trapezoid(np.trapezoid(np.exp(arrays["log_density"]), first), second)
    assert mass == pytest.approx(1, abs=2e-3)
    assert len(arrays["test"]) == 500


def test_posteriors_are_normalised_and_of_what_they_say() -> None:
    model, data = bent(), points()
    one = subject(model, (np.array([[0.5, 0.5]]), 0.1))
    arrays = posteriors(one, data, 2)
    assert arrays["kinds"].tolist() == ["noiseless"] * 2 + ["noisy"] * 2 + ["test"] * 2
    np.testing.assert_allclose(
        arrays["points"][:2], generated(model, arrays["drawn_latents"][:2]), atol=1e-12
    )
    np.testing.assert_array_equal(arrays["drawn_latents"][:2], arrays["drawn_latents"][2:4])
    assert np.isnan(arrays["drawn_latents"][4:]).all()
    np.testing.assert_array_equal(arrays["points"][4:], data.test[:2])
    latents = arrays["latents"]
    np.testing.assert_allclose(np.trapezoid(np.exp(arrays["log_density"]), latents), 1, rtol=2e-3)
    exact = Quadrature(model, 40_001)
    for number, point in enumerate(arrays["points"]):
        weights = exact.posterior(point)
        assert arrays["mean"][number, 0] == pytest.approx(weights @ exact.latents, abs=1e-6)
        right = weights[exact.latents > 0].sum()
        assert arrays["region_probabilities"][number, 1] == pytest.approx(right, abs=1e-3)
        np.testing.assert_allclose(
            arrays["reconstructions"][number], weights @ exact.outputs, atol=1e-6
        )
    assert arrays["boundaries"].tolist() == [0]
    np.testing.assert_allclose(arrays["encoder_mean"][:, 0], arrays["points"] @ [0.5, 0.5])


def test_posteriors_in_the_plane_are_normalised() -> None:
    arrays = posteriors(subject(density(latent=2, hidden=3, noise=0.5)), points(), 1)
    assert arrays["log_density"].shape == (3, 121, 121)
    first, second = arrays["latents"]
    mass = np.trapezoid(np.trapezoid(np.exp(arrays["log_density"]), first), second)
    np.testing.assert_allclose(mass, 1, rtol=0.02)


def test_samples_are_the_generators_plus_noise() -> None:
    model = density(noise=0.2)
    arrays = point_samples(subject(model), points(), 4000)
    np.testing.assert_allclose(arrays["noiseless"], generated(model, arrays["latents"]), atol=1e-12)
    off = arrays["noisy"] - arrays["noiseless"]
    assert off.std() == pytest.approx(0.2, rel=0.05)
    assert arrays["latents"].std() == pytest.approx(1, rel=0.06)
    assert arrays["shape"].tolist() == [1, 2]


def test_the_limit_of_no_noise_is_the_nearest_point() -> None:
    model, data = density(noise=0.3), points()
    _, arrays = zero_noise(subject(model), data.test)
    grid = np.linspace(-12, 12, 240_001)
    outputs = generated(model, grid[:, None])
    for number, point in enumerate(arrays["points"]):
        squares = ((point - outputs) ** 2).sum(axis=1)
        inside = np.abs(grid) <= CLIP
        for name, objective in (
            ("latents", squares),
            ("penalised_latents", squares + 0.09 * grid**2),
            ("clipped_latents", np.where(inside, squares, np.inf)),
        ):
            wanted = grid[objective.argmin()]
            if abs(wanted) < 12:
                assert arrays[name][number, 0] == pytest.approx(wanted, abs=2e-4), name
    np.testing.assert_allclose(
        arrays["reconstructions"], generated(model, arrays["latents"]), atol=1e-9
    )
    assert arrays["noise_standard_deviations"][0] == pytest.approx(0.3)
    assert (np.diff(arrays["noise_standard_deviations"]) < 0).all()
    assert arrays["standard_deviations"].shape == (5, len(data.test), 1)


def test_components_put_together_are_the_model() -> None:
    model = density()
    _, arrays = components(subject(model), points().test)
    exact = Quadrature(model)
    weights, prior = np.exp(arrays["log_weights"]), np.exp(exact.log_prior)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(weights @ arrays["means"], prior @ exact.outputs, atol=1e-6)
    outer = np.einsum("g,gi,gj->ij", prior, exact.outputs, exact.outputs) + 0.09 * np.eye(2)
    second = arrays["covariances"] + arrays["means"][:, :, None] * arrays["means"][:, None, :]
    np.testing.assert_allclose(np.einsum("r,rij->ij", weights, second), outer, atol=1e-6)
    np.testing.assert_allclose(weights @ arrays["latent_means"], 0, atol=1e-12)
