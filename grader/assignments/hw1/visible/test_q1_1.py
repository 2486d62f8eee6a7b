"""Q1.1 Softmax with temperature: the probabilities and their Jacobian, each by itself."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextlib import suppress

import numpy as np

from grader.assignments.hw1.theory_contract import require_arguments_unmodified
from grader.assignments.hw1.theory_softmax import (
    JACOBIAN_WORKED,
    SOFTMAX_WORKED,
    Trial,
    draw_trials,
    require_jacobian,
    require_large,
    require_shift_invariance,
    require_softmax,
    require_structure,
)
from grader.client import Student
from grader.errors import StudentRaised
from grader.pytest_plugin import check


@check("q1.1.softmax_values")
def test_softmax_values(student: Student, rng: np.random.Generator) -> None:
    """softmax_temperature computes softmax(z / tau)."""
    require_softmax(student, draw_trials(rng))


@check("q1.1.softmax_large")
def test_softmax_large(student: Student, passed: AbstractSet[str]) -> None:
    """softmax_temperature is finite and right for |z| = 1000 and tau = 0.001."""
    require_large(student, passed=passed)


@check("q1.1.shift_invariance", needs=("q1.1.softmax_values",))
def test_shift_invariance(student: Student, rng: np.random.Generator) -> None:
    """softmax_temperature does not change when the same number is added to every z."""
    for trial in draw_trials(rng):
        require_shift_invariance(student, trial, (30.0, -100.0))


@check("q1.1.jacobian_values")
def test_jacobian_values(student: Student, rng: np.random.Generator, passed: AbstractSet[str]) -> None:
    """softmax_jacobian holds the derivative of every output in every z."""
    require_jacobian(student, draw_trials(rng), passed=passed)


@check("q1.1.jacobian_structure")
def test_jacobian_structure(student: Student, rng: np.random.Generator, passed: AbstractSet[str]) -> None:
    """softmax_jacobian is symmetric, has rows that sum to 0, and the signs of a softmax's derivative."""
    for trial in draw_trials(rng):
        require_structure(student, trial, passed=passed)


@check("q1.1.inputs_unmodified")
def test_inputs_are_not_modified(
    student: Student, rng: np.random.Generator, passed: AbstractSet[str]
) -> None:
    """Neither function changes the z that it is given."""
    for trial in draw_trials(rng):
        calls = {SOFTMAX_WORKED: trial.softmax, JACOBIAN_WORKED: trial.jacobian}
        require_arguments_unmodified(student, calls, passed=passed)


@check("q1.1.other_dtypes", needs=("q1.1.softmax_values",))
def test_other_dtypes(student: Student, rng: np.random.Generator, passed: AbstractSet[str]) -> None:
    """float32 serves as well as float64, and whole numbers are refused rather than answered wrongly."""
    single = Trial(rng.normal(size=5).astype(np.float32), 0.5)
    whole = Trial(rng.permutation(5), 2.0)
    require_softmax(student, [single, Trial(rng.normal(size=4), 2)])
    with suppress(StudentRaised):
        require_softmax(student, [whole])
    if JACOBIAN_WORKED in passed:
        require_jacobian(student, [single], passed=passed)
        with suppress(StudentRaised):
            require_jacobian(student, [whole], passed=passed)
