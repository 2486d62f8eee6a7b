"""Q1.2 in closed form, for other sizes."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.theory_affine import draw, require_gradient, residual
from grader.checks.exactness import FlagIt, flag_differences, inexactness
from grader.client import Student
from grader.pytest_plugin import check

SIZES = ((1, 1), (1, 5), (5, 1), (4, 4), (13, 9))


@check("q1.2.gradient_a_any_size", needs=("q1.2.gradient_a",))
def test_gradient_in_a_any_size(student: Student, rng: np.random.Generator, flag: FlagIt) -> None:
    """The gradient in A is right for any d and n, also for a single row or column and for a square A."""
    for d, n in SIZES:
        asked = draw(rng, d, n)
        truth = np.outer(residual(asked), asked.arguments["x"])
        got = require_gradient(student, asked, "A", truth=truth)
        if d > 3:  # a single residual may be nearly 0, and then few of its digits are right
            flag_differences(flag, inexactness(got, truth), what="affine_gradients")


@check("q1.2.gradient_b_any_size", needs=("q1.2.gradient_b",))
def test_gradient_in_b_any_size(student: Student, rng: np.random.Generator) -> None:
    """The gradient in b is right for any d and n."""
    for d, n in SIZES:
        asked = draw(rng, d, n)
        require_gradient(student, asked, "b", truth=residual(asked))
