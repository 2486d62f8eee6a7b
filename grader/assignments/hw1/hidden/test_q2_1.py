"""Q2.1 in closed form: other sizes, other deltas."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.theory_huber import closed_form, problem_with, require_gradient
from grader.checks.exactness import FlagIt, flag_differences, inexactness
from grader.client import Student
from grader.pytest_plugin import check

SIZES = ((1, 1), (1, 4), (5, 1), (4, 4), (3, 8), (60, 5))


@check("q2.1.any_size", needs=("q2.1.all_residuals",))
def test_any_size(student: Student, rng: np.random.Generator, flag: FlagIt) -> None:
    """huber_gradient is right for any n and p, also for one residual and one weight."""
    problems = [
        problem_with(rng, rng.normal(scale=2.0, size=n), p=p, delta=float(rng.uniform(0.5, 2.0)))
        for n, p in SIZES
    ]
    got = require_gradient(student, problems, closed_form)
    for problem, value in zip(problems, got, strict=True):
        if len(problem.y) > 2:  # a single residual may be nearly 0, and then few of its digits are right
            flag_differences(flag, inexactness(value, closed_form(problem)), what="huber_gradient")


@check("q2.1.any_delta", needs=("q2.1.all_residuals",))
def test_any_delta(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient is right for a tiny delta, for a huge one, and for outliers."""
    r = rng.normal(size=8)
    outliers = np.where(np.arange(8) < 3, 1e6 * r, r)
    problems = [
        problem_with(rng, values, p=3, delta=delta)
        for values in (r, outliers)
        for delta in (1e-3, 1.0, 1, 1e3)
    ]
    require_gradient(student, problems, closed_form)
