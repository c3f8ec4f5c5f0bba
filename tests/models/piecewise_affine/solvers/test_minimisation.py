"""Tests of the minimisation of many small problems."""

from __future__ import annotations

import numpy as np

from workflow_src.models.piecewise_affine.solvers.minimisation import minimised


def test_quadratics_of_any_scale_end_at_their_minima():
    generator = np.random.default_rng(0)
    roots = generator.normal(size=(5, 3, 3))
    matrices = roots @ roots.transpose(0, 2, 1) + np.eye(3) * 0.1
    centres = generator.normal(size=(5, 3))

    def objective(rows, places):
        away = places - centres[rows]
        turned = np.einsum("npq,nq->np", matrices[rows], away)
        return (away * turned).sum(axis=1) / 2, turned

    ended = minimised(objective, np.zeros((5, 3)))
    places, values = ended.places, ended.values
    assert ended.converged.all()
    assert np.allclose(places, centres, atol=1e-5)
    assert np.allclose(values, 0, atol=1e-10)


def test_a_bent_valley_and_a_start_at_the_minimum():
    def objective(rows, places):
        x, y = places.T
        values = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        slope = np.stack([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=1)
        return values, slope

    ended = minimised(objective, np.array([[-1.2, 1.0], [1.0, 1.0]]))
    places, values = ended.places, ended.values
    assert ended.converged.all()
    assert np.allclose(places, 1, atol=1e-5)
    assert np.all(values < 1e-10)


def test_steps_where_the_objective_is_not_a_number_are_not_taken():
    def objective(rows, places):
        with np.errstate(invalid="ignore", divide="ignore"):
            return (places - 3 * np.log(places)).sum(axis=1), 1 - 3 / places

    ended = minimised(objective, np.array([[0.5], [100.0]]))
    places = ended.places
    assert ended.converged.all()
    assert np.allclose(places, 3, atol=1e-5)


def test_problems_that_are_stopped_early_say_so():
    """One starts at its minimum; the other has a valley that three steps do not go through."""

    def objective(rows, places):
        x, y = places.T
        values = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        slope = np.stack([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=1)
        return values, slope

    starts = np.array([[-1.2, 1.0], [1.0, 1.0]])
    assert minimised(objective, starts, iterations=3).converged.tolist() == [False, True]


def test_a_gradient_that_is_not_the_objectives_is_no_minimum():
    def objective(rows, places):
        return np.square(places).sum(axis=1), -2 * places

    assert not minimised(objective, np.ones((1, 2))).converged.any()
