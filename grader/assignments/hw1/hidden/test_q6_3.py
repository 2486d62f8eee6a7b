"""Q6.3 Losses in closed form, for other sizes, used more than once, and on a larger layer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from grader.assignments.hw1.losses import (
    LossCase,
    cross_entropy_case,
    linear_works,
    make_chain,
    require_loss_gradient,
    require_loss_value,
    squared_error_case,
)
from grader.assignments.hw1.mytorch_contract import LOSS_RTOL, Shape, affine, one_hot
from grader.checks.closeness import (
    require_array,
    require_close,
    require_number,
    require_number_close,
    require_unchanged,
)
from grader.checks.diagnosis import EARLIER_CALL, Candidates
from grader.checks.gradients import directional_derivatives, random_directions, taylor_order
from grader.checks.tolerance import Array, FloatArray, as_float, coarsest_itemsize, relative_errors
from grader.client import RemoteObject, Student
from grader.errors import CheckFailed, StudentRaised
from grader.pytest_plugin import check

SHAPES = ((1, 4), (12, 2), (9, 26))


@check("q6.3.mse_other_sizes", needs=("q6.3.mse_value", "q6.3.mse_gradient"))
def test_mse_other_sizes(student: Student, rng: np.random.Generator) -> None:
    """MSELoss is right for other sizes, also for a batch of one and a single column."""
    for N, K in (*SHAPES, (8, 1)):
        case = squared_error_case(rng, N, K)
        require_loss_value(student, case)
        truth = 2.0 * (case.pred - case.target) / case.pred.size
        require_loss_gradient(student, case, truth=truth)


@check("q6.3.ce_other_sizes", needs=("q6.3.ce_value", "q6.3.ce_gradient"))
def test_cross_entropy_other_sizes(student: Student, rng: np.random.Generator) -> None:
    """SoftmaxCrossEntropy is right for other sizes, for shifted logits and for a sure but wrong guess."""
    for N, K in SHAPES:
        case = cross_entropy_case(rng, N, K)
        require_loss_value(student, case)
        truth = _cross_entropy_gradient(case)
        factor = require_loss_gradient(student, case, truth=truth)
        shifted = replace(case, pred=case.pred + rng.uniform(-50.0, 50.0, size=(N, 1)))
        require_loss_value(student, shifted)
        require_loss_gradient(student, shifted, truth=truth, what=" with the logits of each row shifted")
        _require_rows_sum_to_zero(student, case, factor)
    require_loss_value(student, _sure_and_wrong(rng))


@check("q6.3.used_again", needs=("q6.3.mse_gradient", "q6.3.ce_gradient"))
def test_losses_can_be_used_again(student: Student, rng: np.random.Generator) -> None:
    """A loss that is used again, or beside another, gives what a new one would and keeps its inputs."""
    for make in (squared_error_case, cross_entropy_case):
        cases = [make(rng, N, 5) for N in (6, 3, 8)]
        others = [make(rng, N, 5) for N in (6, 3, 8)]
        alone = [_value_and_gradient(student, case) for case in cases]
        earlier = Candidates(explanations={EARLIER_CALL: tuple(gradient for _, gradient in alone)})
        loss, other = (student.new(cases[0].name) for _ in range(2))
        for case, stranger, (value, truth) in zip(cases, others, alone, strict=True):
            echo = student.run([loss.calling("forward", case.pred, case.target, echo=True)])[0]
            require_unchanged(echo.args_after[0], case.pred, what=f"the input of {case.name}().forward")
            require_unchanged(echo.args_after[1], case.target, what=f"the target of {case.name}().forward")
            what = f"{case.name}().forward(…) of a loss that is used again"
            require_number_close(echo.value, value, what=what, rtol=LOSS_RTOL)
            other.forward(stranger.pred, stranger.target)
            what = f"{case.name}().backward() of a loss that is used again"
            require_close(loss.backward(), truth, what=what, candidates=earlier)
            _require_backward_again(loss, truth, what=f"a second {what}")


@check("q6.3.larger_model", needs=("q6.3.mse_end_to_end", "q6.3.ce_end_to_end"))
def test_losses_on_a_larger_layer(
    student: Student, rng: np.random.Generator, passed: Collection[str]
) -> None:
    """The gradient of loss(Linear(x)) is right for a larger layer, in random directions."""
    shape = Shape(N=23, D=40, M=17)
    has_linear = linear_works(student, rng, shape, passed=passed)
    for make in (squared_error_case, cross_entropy_case):
        case = make(rng, shape.N, shape.M)
        if has_linear:
            _require_directions(student, rng, case, shape)
        else:
            require_loss_gradient(student, case)


def _require_backward_again(loss: RemoteObject, truth: Array, *, what: str) -> None:
    """Allow a second backward pass to be refused, but not to be wrong."""
    try:
        again = loss.backward()
    except StudentRaised:
        return
    require_close(again, truth, what=what)


def _require_directions(student: Student, rng: np.random.Generator, case: LossCase, shape: Shape) -> None:
    """Compare ⟨gradient, d⟩ with differences of the formula; a Taylor test has the last word."""
    chain = make_chain(student, rng, case, shape)
    gradient = np.column_stack(chain.gradients())  # (M, D + 1)
    at = np.column_stack((chain.W, chain.b))
    directions = random_directions(rng, 6, at.shape)
    single = coarsest_itemsize((chain.W, chain.b, gradient)) < 8

    def formula(points: FloatArray) -> FloatArray:
        return case.value(affine(chain.x, points[..., :-1], points[..., -1]))

    slopes = directional_derivatives(formula, at, directions).values
    claimed = (directions * gradient).reshape(len(directions), -1).sum(axis=1)
    wrong = relative_errors(claimed, slopes, floor=1e-3) > (1e-2 if single else 1e-5)
    for direction in directions[wrong]:
        if not taylor_order(formula, at, gradient, direction) >= 1.7:
            raise CheckFailed(
                f"the gradient of {case.name}()(Linear({shape.D}, {shape.M})(x)) is wrong in "
                f"{int(wrong.sum())} of {len(directions)} random directions",
                max_relative_error=float(relative_errors(claimed, slopes, floor=1e-3).max()),
            )


def _sure_and_wrong(rng: np.random.Generator) -> LossCase:
    """Return a call where one row has a probability of e⁻⁹ for its class: there clipping shows.

    A 1e-8 inside the logarithm still does not.
    """
    case = cross_entropy_case(rng, 12, 2)
    pred = case.pred.copy()
    pred[0] = 0.0
    pred[0, case.target[0]] = -9.0
    return replace(case, pred=pred)


def _cross_entropy_gradient(case: LossCase) -> FloatArray:
    z = np.exp(case.pred - case.pred.max(axis=1, keepdims=True))
    N, K = z.shape
    gradient: FloatArray = (z / z.sum(axis=1, keepdims=True) - one_hot(case.target, K)) / N
    return gradient


def _require_rows_sum_to_zero(student: Student, case: LossCase, factor: float) -> None:
    rows = as_float(_gradient(student, case)).sum(axis=1)
    if not (np.abs(rows) <= 1e-5 * factor).all():
        raise CheckFailed(
            f"the rows of {case.name}().backward() must sum to 0; one sums to {np.abs(rows).max():.3g}"
        )


def _gradient(student: Student, case: LossCase) -> Array:
    return _value_and_gradient(student, case)[1]


def _value_and_gradient(student: Student, case: LossCase) -> tuple[float, Array]:
    _, found, slope = student.new_then(case.name, then=lambda loss: loss.passing(case.pred, case.target))
    value = require_number(found, what=f"{case.name}().forward(…)")
    gradient = require_array(slope, what=f"{case.name}().backward()", shape=case.pred.shape)
    return value, gradient
