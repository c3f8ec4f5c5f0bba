"""Tests of the noise covariance."""

from __future__ import annotations

import numpy as np
import pytest
from support.generative_oracles import noise_matrix, random_model

from workflow_src.models.piecewise_affine.noise import NoiseCovariance

KINDS = ["isotropic", "diagonal", "full"]


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_its_matrix(kind):
    model = random_model((1, 2, 4), noise=kind)
    noise, matrix = model.noise, noise_matrix(model)
    vectors = np.random.default_rng(1).normal(size=(3, 2, 4))
    assert np.allclose(noise.matrix(), matrix, rtol=1e-14)
    assert noise.log_determinant() == pytest.approx(np.linalg.slogdet(matrix)[1], rel=1e-12)
    solved = np.linalg.solve(matrix, vectors[..., None])[..., 0]
    assert np.allclose(noise.solve(vectors), solved, rtol=1e-11)
    whitened = noise.whiten(vectors)
    assert np.allclose((whitened**2).sum(-1), (vectors * solved).sum(-1), rtol=1e-11)
    assert np.allclose(noise.colour(whitened), vectors, rtol=1e-11)
    assert noise.standard_deviation() == pytest.approx(np.sqrt(np.trace(matrix) / 4))


@pytest.mark.parametrize("kind", KINDS)
def test_noise_of_some_values(kind):
    model = random_model((1, 2, 4), noise=kind)
    chosen = np.array([3, 1])
    expected = noise_matrix(model)[np.ix_(chosen, chosen)]
    assert np.allclose(model.noise.part(chosen).matrix(), expected)


def test_noise_that_is_none():
    with pytest.raises(ValueError, match="above zero"):
        NoiseCovariance.isotropic(0.0, 2)
    with pytest.raises(ValueError, match="above zero"):
        NoiseCovariance.diagonal(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="symmetric"):
        NoiseCovariance.full(np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="shape"):
        NoiseCovariance("diagonal", np.ones(3), 2)
    with pytest.raises(ValueError, match="positive definite"):
        NoiseCovariance.full(np.array([[1.0, 2.0], [2.0, 1.0]])).log_determinant()
