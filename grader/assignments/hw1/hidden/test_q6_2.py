"""Q6.2 Activations in closed form, for any shape, and used more than once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.assignments.hw1.activations import RELU, SIGMOID, TANH, Activation
from grader.checks.closeness import require_close
from grader.checks.diagnosis import EARLIER_CALL, Candidates
from grader.checks.exactness import FlagIt, flag_differences, inexactness
from grader.checks.gradients import away_from_kinks
from grader.checks.tolerance import Array
from grader.client import RemoteObject, Student
from grader.errors import StudentRaised
from grader.pytest_plugin import check

SHAPES = ((9,), (2, 3, 4), (1, 6), (13, 2))


@check("q6.2.relu_any_shape", needs=("q6.2.relu_values", "q6.2.relu_gradient"))
def test_relu_any_shape(student: Student, rng: np.random.Generator, flag: FlagIt) -> None:
    """ReLU works for any shape, and again and again."""
    _require_any_shape(student, rng, flag, RELU, lambda y: 1.0 * (y > 0))


@check("q6.2.tanh_any_shape", needs=("q6.2.tanh_values", "q6.2.tanh_gradient"))
def test_tanh_any_shape(student: Student, rng: np.random.Generator, flag: FlagIt) -> None:
    """Tanh works for any shape, and again and again."""
    _require_any_shape(student, rng, flag, TANH, lambda y: 1.0 - y**2)


@check("q6.2.sigmoid_any_shape", needs=("q6.2.sigmoid_values", "q6.2.sigmoid_gradient"))
def test_sigmoid_any_shape(student: Student, rng: np.random.Generator, flag: FlagIt) -> None:
    """Sigmoid works for any shape, and again and again."""
    _require_any_shape(student, rng, flag, SIGMOID, lambda y: y * (1.0 - y))


def _require_any_shape(
    student: Student,
    rng: np.random.Generator,
    flag: FlagIt,
    activation: Activation,
    slope_of_y: Callable[[Array], Array],
) -> None:
    """Run all shapes through one layer, with passes of a second layer and forward passes alone in between."""
    layer, other = student.new(activation.name), student.new(activation.name)
    error = 0.0
    earlier: tuple[Array, ...] = ()
    for shape in SHAPES:
        before = away_from_kinks(rng, (3, 5))
        x, dLdy = 2.0 * away_from_kinks(rng, shape), rng.normal(size=shape)
        y = activation.formula(x)
        what = f"with x of shape {shape}"
        _, found = student.run([layer.calling("forward", each) for each in (before, x)])
        own_y = require_close(found, y, what=f"{activation.name}().forward(x) {what}")
        other.passes(away_from_kinks(rng, shape), dLdy=2.0 * dLdy)
        dLdx = dLdy * slope_of_y(y)
        backward = f"{activation.name}().backward(dLdy) {what}"
        got = require_close(
            layer.backward(dLdy),
            dLdx,
            what=backward,
            computed_with=(own_y,),
            candidates=Candidates(explanations={EARLIER_CALL: earlier}),
        )
        earlier = (*earlier, dLdx)
        error = max(error, inexactness(got, dLdx, own_y))
        _require_backward_again(layer, -dLdx, -dLdy, what=f"a second {backward}", own_y=own_y)
    flag_differences(flag, error, what=f"{activation.name}.backward")


def _require_backward_again(
    layer: RemoteObject, truth: Array, dLdy: Array, *, what: str, own_y: Array
) -> None:
    """Allow a second backward pass to be refused, but not to be wrong."""
    try:
        again = layer.backward(dLdy)
    except StudentRaised:
        return
    require_close(again, truth, what=what, computed_with=(own_y,))
