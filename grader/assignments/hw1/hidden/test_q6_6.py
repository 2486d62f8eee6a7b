"""Q6.6 gradient_check: small faults, faults far from the loss, small gradients and gradients of zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.assignments.hw1.checked_models import (
    SMALL,
    Trial,
    draw_problem,
    one_that_matters,
    reported_error,
    reported_errors,
    require_told_apart,
    wrong_entry,
    wrong_everywhere,
)
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

# Where an entry is missing that is nearly all of the gradient, the error is 1 entry by entry, 0.8 and more by
# the length of the gradient, and at most a half as a mean over entries or parameters.
LARGEST = 0.6
# Central differences with a step of 0.3 are off by about 0.1 here.
COARSE = 1e-3


@check("q6.6.finds_small_faults", needs=("q6.6.tells_right_from_wrong",))
def test_finds_small_faults(student: Student, rng: np.random.Generator) -> None:
    """gradient_check finds gradients that are 1 % too large, and one wrong sign."""
    right = [Trial(draw_problem(rng)) for _ in range(4)]
    slightly = [wrong_everywhere(draw_problem(rng), 1.01) for _ in range(2)]
    sign = [_wrong_sign(rng, (0, name)) for name in right[0].problem.layers[0].values for _ in range(2)]
    trials = [*right, *slightly, *sign]
    errors = reported_errors(student, rng, trials)
    _require_above(errors[len(right) :], 1e-3)
    _require_above(errors[-len(sign) :], 1e-2)
    require_told_apart(trials, errors)


@check("q6.6.finds_deep_faults", needs=("q6.6.tells_right_from_wrong",))
def test_finds_faults_in_every_layer(student: Student, rng: np.random.Generator) -> None:
    """gradient_check looks at every parameter of a deep model."""
    right = [Trial(draw_problem(rng, deep=True)) for _ in range(3)]
    wrong = [
        wrong_entry(rng, draw_problem(rng, deep=True), at, (-1,) * value.ndim)
        for at, value in right[0].problem.parameters()
    ]
    errors = reported_errors(student, rng, right + wrong)
    _require_below_small(errors[: len(right)])
    _require_above(errors[len(right) :], 1e-4)


@check("q6.6.error_is_relative", needs=("q6.6.tells_right_from_wrong",))
def test_the_error_is_relative(student: Student, rng: np.random.Generator) -> None:
    """gradient_check gives the largest relative error, for gradients of any size, with steps of epsilon."""
    sizes = (3e-6, 1e3) * 2
    right = [Trial(draw_problem(rng, size=size)) for size in sizes]
    zeros = [Trial(draw_problem(rng, zero_columns=columns)) for columns in (2, 2, slice(None))]
    doubled = [wrong_everywhere(draw_problem(rng, size=size), 2.0) for size in sizes]
    trials = [*right, *zeros, *doubled]
    errors = reported_errors(student, rng, trials)
    _require_below_small(errors[: -len(doubled)])
    _require_above(errors[-len(doubled) :], 2e-2)
    _require_above([reported_error(student, one_that_matters(rng))], LARGEST)
    _require_steps_of_epsilon(student, Trial(draw_problem(rng)))


def _require_steps_of_epsilon(student: Student, trial: Trial) -> None:
    """Judge that a step of 0.3 leaves an error that anybody sees, and that the default is 1e-5."""
    by_default, by_name, coarse = (
        reported_error(student, trial, **named) for named in ({}, {"epsilon": 1e-5}, {"epsilon": 0.3})
    )
    if not coarse > COARSE:
        raise CheckFailed(
            f"gradient_check(model, loss_fn, x, y, epsilon=0.3) is {coarse:.3g}: is the step another one?"
        )
    if by_default != by_name:
        raise CheckFailed(
            f"gradient_check(model, loss_fn, x, y) is {by_default:.3g}, and {by_name:.3g} with epsilon=1e-5, "
            "which is the default"
        )


def _wrong_sign(rng: np.random.Generator, at: tuple[int, str]) -> Trial:
    problem = draw_problem(rng)
    fault = np.ones_like(problem.layers[at[0]].values[at[1]])
    fault.flat[int(rng.integers(fault.size))] = -1.0
    return Trial(problem, {at: fault})


def _require_below_small(errors: Sequence[float]) -> None:
    for error in errors:
        if not error < SMALL:
            raise CheckFailed(f"gradient_check is {error:.3g} for a right model")


def _require_above(errors: Sequence[float], bound: float) -> None:
    for error in errors:
        if not error > bound:
            raise CheckFailed(f"gradient_check is only {error:.3g} for a wrong model")
