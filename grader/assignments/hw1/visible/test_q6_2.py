"""Q6.2 Activations: ReLU, Tanh and Sigmoid, each by itself."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.activations import (
    RELU,
    SIGMOID,
    TANH,
    require_derivative,
    require_finite,
    require_inputs_unmodified,
    require_values,
)
from grader.checks.closeness import reproduced_by, require_array, require_close
from grader.checks.gradients import away_from_kinks
from grader.checks.plots import PlotIt
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check


@check("q6.2.relu_values")
def test_relu_values(student: Student, rng: np.random.Generator) -> None:
    """ReLU.forward computes max(x, 0), also at 0, and stays finite at |x| = 1000."""
    require_values(RELU, student, rng)
    require_finite(RELU, student, backward=False)


@check("q6.2.tanh_values")
def test_tanh_values(student: Student, rng: np.random.Generator) -> None:
    """Tanh.forward computes tanh(x)."""
    require_values(TANH, student, rng)


@check("q6.2.sigmoid_values")
def test_sigmoid_values(student: Student, rng: np.random.Generator) -> None:
    """Sigmoid.forward computes 1 / (1 + exp(-x))."""
    require_values(SIGMOID, student, rng)


@check("q6.2.relu_gradient")
def test_relu_gradient(student: Student, rng: np.random.Generator, plot: PlotIt) -> None:
    """ReLU.backward passes dLdy on where x was positive."""
    require_derivative(RELU, student, rng, plot)


@check("q6.2.tanh_gradient")
def test_tanh_gradient(student: Student, rng: np.random.Generator, plot: PlotIt) -> None:
    """Tanh.backward multiplies dLdy by the derivative of tanh."""
    require_derivative(TANH, student, rng, plot)


@check("q6.2.sigmoid_gradient")
def test_sigmoid_gradient(student: Student, rng: np.random.Generator, plot: PlotIt) -> None:
    """Sigmoid.backward multiplies dLdy by the derivative of the logistic function."""
    require_derivative(SIGMOID, student, rng, plot)


@check("q6.2.relu_at_zero", needs=("q6.2.relu_gradient",))
def test_relu_at_zero(student: Student, rng: np.random.Generator) -> None:
    """ReLU's derivative at exactly 0 lies between 0 and 1, and is 0 or 1 right beside it."""
    x = away_from_kinks(rng, (4, 6))
    x[:, 4] = 0.005 * np.sign(x[:, 4])  # a threshold of more than that shows
    at_zero = rng.random((4, 6)) < 0.4
    at_zero[1, 2], at_zero[0, 0], at_zero[:, 4] = True, False, False
    x[at_zero] = 0.0
    dLdy = away_from_kinks(rng, (4, 6))
    what = "ReLU().backward(dLdy) where some x are exactly 0"
    with reproduced_by("layer = ReLU(); layer.forward(np.zeros(3)); print(layer.backward(np.ones(3)))"):
        layer = student.new("ReLU")
        layer.forward(x)
        dLdx = require_array(layer.backward(dLdy), what=what, shape=x.shape)
        require_close(
            np.where(at_zero, 0.0, dLdx), np.where(x > 0, dLdy, 0.0), what=f"{what}, elsewhere than at 0,"
        )
        ratio = dLdx[at_zero] / dLdy[at_zero]
        if not ((ratio >= 0.0) & (ratio <= 1.0 + 1e-6)).all():
            raise CheckFailed(
                f"{what}: the derivative at 0 is {ratio.max():.4g}; anything from 0 to 1 is right"
            )


@check("q6.2.tanh_large", needs=("q6.2.tanh_values",))
def test_tanh_large(student: Student) -> None:
    """Tanh stays finite at |x| = 1000, forward and backward."""
    require_finite(TANH, student)


@check("q6.2.sigmoid_large", needs=("q6.2.sigmoid_values",))
def test_sigmoid_large(student: Student) -> None:
    """Sigmoid stays finite at |x| = 1000, forward and backward."""
    require_finite(SIGMOID, student)


# What code did to its arguments is only its own word, so it counts beside right values alone.
@check(
    "q6.2.inputs_unmodified",
    needs=("q6.2.relu_values", "q6.2.tanh_values", "q6.2.sigmoid_values"),
    handout="The rules of mytorch",
)
def test_inputs_are_not_modified(student: Student, rng: np.random.Generator) -> None:
    """The activations change neither the x nor the dLdy that they are given."""
    for activation in (RELU, TANH, SIGMOID):
        require_inputs_unmodified(activation, student, rng)
