"""Q6.6 gradient_check: small faults, faults far from the loss, small gradients and gradients of zero."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.checked_models import (
    SMALL,
    Problem,
    draw_problem,
    own_sequential_works,
    reported_error,
)
from grader.checks.tolerance import Array
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

Faults = dict[tuple[int, str], Array]


@check("q6.6.finds_small_faults", needs=("q6.6.tells_right_from_wrong",))
def test_finds_small_faults(student: Student, rng: np.random.Generator) -> None:
    """gradient_check finds gradients that are 1 % too large, and one wrong sign."""
    problem = draw_problem(rng)
    gradients = problem.gradients()
    _require_above(student, problem, {at: np.full_like(g, 1.01) for at, g in gradients.items()}, 1e-3)
    for at, gradient in gradients.items():
        fault = np.ones_like(gradient)
        fault.flat[int(rng.integers(fault.size))] = -1.0
        _require_above(student, problem, {at: fault}, 1e-2)


@check("q6.6.finds_deep_faults", needs=("q6.6.tells_right_from_wrong",))
def test_finds_faults_in_every_layer(student: Student, rng: np.random.Generator) -> None:
    """gradient_check looks at every parameter of every layer."""
    problem = draw_problem(rng, deep=True)
    if not own_sequential_works(student, problem):
        problem = draw_problem(rng)
    _require_small(student, problem)
    for at, gradient in problem.gradients().items():
        fault = np.ones_like(gradient)
        fault[(-1,) * fault.ndim] = 0.0
        _require_above(student, problem, {at: fault}, 1e-4)


@check("q6.6.error_is_relative", needs=("q6.6.tells_right_from_wrong",))
def test_the_error_is_relative(student: Student, rng: np.random.Generator) -> None:
    """gradient_check's error is relative: small gradients count like large ones, zeros do no harm."""
    for size in (1e-3, 1e3):
        problem = draw_problem(rng, size=size)
        _require_small(student, problem)
        doubled = {at: np.full_like(g, 2.0) for at, g in problem.gradients().items()}
        _require_above(student, problem, doubled, 2e-2)
    _require_small(student, draw_problem(rng, zero_column=2))


def _require_small(student: Student, problem: Problem) -> None:
    error = reported_error(student, problem)
    if not error < SMALL:
        raise CheckFailed(f"gradient_check is {error:.3g} for a right model")


def _require_above(student: Student, problem: Problem, faults: Faults, bound: float) -> None:
    error = reported_error(student, problem, faults)
    if not error > bound:
        raise CheckFailed(f"gradient_check is only {error:.3g} for a wrong model")
