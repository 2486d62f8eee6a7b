"""The differences that stand for gradients here, against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from grader.assignments.hw1.checked_models import draw_problem
from grader.assignments.hw1.linear_probe import numeric_input_gradient, numeric_sums
from grader.assignments.hw1.losses import cross_entropy_case, numeric_gradient, squared_error_case
from grader.assignments.hw1.mytorch_contract import one_hot
from grader.assignments.hw1.probes import run_all, weighted_loss
from grader.checks.gradients import central_differences

SHAPES = [(1, 1, 1), (1, 3, 2), (5, 1, 4), (6, 4, 1), (23, 40, 17)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_linear_layers_gradients_are_known_to_rounding(shape, dtype):
    N, D, M = shape
    rng = np.random.default_rng(N)
    x, dLdy = rng.normal(size=(N, D)), rng.normal(size=(N, M))
    W, b = rng.normal(size=(M, D)).astype(dtype), rng.normal(size=M).astype(dtype)
    of_weight, of_bias = numeric_sums(x, W, b, dLdy)
    np.testing.assert_allclose(of_weight, dLdy.T @ x, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(of_bias, dLdy.sum(axis=0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(numeric_input_gradient(x, W, b, dLdy), dLdy @ W, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("N", "K"), [(1, 2), (8, 1), (9, 26)])
def test_the_gradients_of_the_losses_are_known(N, K):
    rng = np.random.default_rng(K)
    squares, entropy = squared_error_case(rng, N, K), cross_entropy_case(rng, N, K)
    truth = 2.0 * (squares.pred - squares.target) / squares.pred.size
    np.testing.assert_allclose(numeric_gradient(squares), truth, rtol=1e-7, atol=1e-10)
    shares = np.exp(entropy.pred) / np.exp(entropy.pred).sum(axis=1, keepdims=True)
    truth = (shares - one_hot(entropy.target, K)) / N
    np.testing.assert_allclose(numeric_gradient(entropy), truth, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", [{}, {"deep": True}, {"size": 3e-6}, {"size": 1e3}, {"zero_columns": 2}])
def test_the_gradients_of_a_problem_are_those_of_its_loss(kind):
    problem = draw_problem(np.random.default_rng(4), **kind)
    gradients = problem.gradients()
    for position, layer in enumerate(problem.layers):
        entered = run_all(problem.layers[:position], problem.x)
        for name, value in layer.values.items():

            def losses(points, layer=layer, entered=entered, name=name, position=position):
                y = layer.formula_with(entered, name, points)
                return weighted_loss(
                    problem.weights, run_all(problem.layers[position + 1 :], y), problem.target
                )

            slopes = central_differences(losses, value).values
            found = gradients[problem.name_of((position, name))]
            size = kind.get("size", 1.0)
            np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-9 * size)
    assert set(gradients) == set(problem.values())
