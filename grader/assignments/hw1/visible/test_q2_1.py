"""Q2.1 Gradient of the Huber objective, without a regulariser."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace

import numpy as np

from grader.assignments.hw1.theory_contract import answers, require_arguments_unmodified
from grader.assignments.hw1.theory_huber import (
    closed_form,
    problem_on_the_grid,
    problem_with,
    require_gradient,
    require_one_gradient,
)
from grader.client import Student
from grader.errors import StudentRaised
from grader.pytest_plugin import check

WORKED = ("q2.1.small_residuals", "q2.1.large_residuals", "q2.1.all_residuals")


@check("q2.1.small_residuals")
def test_small_residuals(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient is right where all residuals are smaller than delta."""
    r = np.array([0.3, -0.5, 0.8, -1.1, 0.6, -0.2])
    problems = [problem_with(rng, rng.permutation(r), p=p, delta=1.7) for p in (3, 4)]
    require_gradient(student, problems)


@check("q2.1.large_residuals")
def test_large_residuals(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient is right where all residuals are larger than delta."""
    r = np.array([1.3, -2.5, 4.0, -0.9, 2.1, 3.3])
    problems = [problem_with(rng, rng.permutation(r), p=p, delta=0.4) for p in (3, 4)]
    require_gradient(student, problems)


@check("q2.1.all_residuals")
def test_all_residuals(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient is right where residuals lie on both sides of delta."""
    r = np.array([0.3, -0.5, 2.5, -1.9, 0.1, -4.0, 3.1])
    problems = [problem_with(rng, rng.permutation(r), p=p, delta=0.9) for p in (4, 3)]
    require_gradient(student, problems)


@check("q2.1.on_the_boundary", needs=("q2.1.small_residuals",))
def test_on_the_boundary(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient is right for residuals of exactly delta, -delta and 0."""
    for delta in (0.75, 2.0):
        on_it = [delta, -delta, delta, 0.0, delta]
        problems = [
            problem_on_the_grid(rng, r, p=3, delta=delta)
            for r in (on_it, [0.0] * 4 + [delta], [0.25, -delta, 0.0, -0.5, delta])
        ]
        # In closed form: where two pieces meet, differences know few digits.
        require_gradient(student, problems, closed_form)


@check("q2.1.lam_left_out", needs=("q2.1.small_residuals",))
def test_lam_may_be_left_out(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient can be called without lam, which is 0 then."""
    problem = problem_with(rng, [0.3, -0.5, 0.8, -1.1, 0.6], p=4, delta=1.5)
    require_one_gradient(answers(student, [problem.asked])[0], problem)


@check("q2.1.inputs_unmodified")
def test_inputs_are_not_modified(
    student: Student, rng: np.random.Generator, passed: AbstractSet[str]
) -> None:
    """huber_gradient changes none of w, X and y."""
    problem = problem_with(rng, [0.3, -0.5, 2.5, -1.9, 0.1], p=3, delta=0.9)
    for asked in (problem.asked, problem.asked_with(0.0)):
        with suppress(StudentRaised):  # that it can be called both ways is another check
            require_arguments_unmodified(student, dict.fromkeys(WORKED, asked), passed=passed)


@check("q2.1.other_dtypes", needs=("q2.1.small_residuals",))
def test_other_dtypes(student: Student, rng: np.random.Generator) -> None:
    """float32 serves as well as float64, and data of whole numbers are refused or answered rightly."""
    problem = problem_with(rng, [0.3, -0.5, 0.8, -1.1, 0.6], p=3, delta=1.5)
    w, X, y = (value.astype(np.float32) for value in (problem.w, problem.X, problem.y))
    require_gradient(student, [replace(problem, w=w, X=X, y=y)])
    whole = replace(problem, X=rng.integers(-5, 6, size=(5, 3)), y=rng.integers(-9, 10, size=5), delta=3)
    with suppress(StudentRaised):
        require_gradient(student, [whole])
