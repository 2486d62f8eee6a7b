"""Q6.6 gradient_check: small faults, faults far from the loss, small gradients and gradients of zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.assignments.hw1.checked_models import (
    SMALL,
    Trial,
    draw_problem,
    reported_errors,
    require_told_apart,
    wrong_entry,
    wrong_everywhere,
)
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check


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
        wrong_entry(rng, draw_problem(rng, deep=True), at, (-1,) * slope.ndim)
        for at, slope in right[0].problem.gradients().items()
    ]
    errors = reported_errors(student, rng, right + wrong)
    _require_below_small(errors[: len(right)])
    _require_above(errors[len(right) :], 1e-4)


@check("q6.6.error_is_relative", needs=("q6.6.tells_right_from_wrong",))
def test_the_error_is_relative(student: Student, rng: np.random.Generator) -> None:
    """gradient_check's error is relative: small gradients count like large ones, zeros do no harm."""
    sizes = (1e-3, 1e3) * 2
    right = [Trial(draw_problem(rng, size=size)) for size in sizes]
    zeros = [Trial(draw_problem(rng, zero_column=2)) for _ in range(2)]
    doubled = [wrong_everywhere(draw_problem(rng, size=size), 2.0) for size in sizes]
    trials = [*right, *zeros, *doubled]
    errors = reported_errors(student, rng, trials)
    _require_below_small(errors[: -len(doubled)])
    _require_above(errors[-len(doubled) :], 2e-2)


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
