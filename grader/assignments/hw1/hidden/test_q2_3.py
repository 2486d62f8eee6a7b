"""Q2.3 for other sizes and other strengths of the regulariser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grader.assignments.hw1.theory_huber import problem_with, require_regulariser
from grader.client import Student
from grader.pytest_plugin import check

SIZES = ((1, 1), (1, 4), (5, 1), (3, 8), (30, 6))


@check("q2.3.any_size", needs=("q2.3.regulariser",))
def test_any_size(student: Student, rng: np.random.Generator) -> None:
    """The regulariser is right for any n and p."""
    for n, p in SIZES:
        problem = problem_with(rng, rng.normal(size=n), p=p, delta=0.8)
        require_regulariser(student, problem, 1.7)


@check("q2.3.any_lam", needs=("q2.3.regulariser",))
def test_any_lam(student: Student, rng: np.random.Generator) -> None:
    """The regulariser is right for a small, a large and a whole lam, and for weights of any size."""
    problem = problem_with(rng, rng.normal(size=6), p=4, delta=0.8)
    for lam in (0.05, 1, 250.0):
        require_regulariser(student, problem, lam)
    w = np.array([0.5, 0.0, -20.0, 0.0])
    require_regulariser(student, replace(problem, w=w), 0.9)
