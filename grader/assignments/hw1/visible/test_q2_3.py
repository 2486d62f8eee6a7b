"""Q2.3 What the regulariser adds to the gradient, whatever the rest of it is."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.theory_contract import require_arguments_unmodified
from grader.assignments.hw1.theory_huber import Problem, problem_with, require_regulariser
from grader.client import Student
from grader.pytest_plugin import check

RESIDUALS = (0.3, -0.5, 2.5, -1.9, 0.1, -4.0, 3.1)
WORKED = "q2.3.regulariser"


@check("q2.3.regulariser")
def test_regulariser(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient grows by the gradient of ½ lam ‖w‖²."""
    for lam in (0.7, 3.0):
        require_regulariser(student, _problem(rng), lam)


@check("q2.3.every_weight")
def test_every_weight(student: Student, rng: np.random.Generator) -> None:
    """The regulariser counts every weight, negative ones and that of a constant column too."""
    for column in (0, -1):
        problem = _problem(rng, p=5)
        X = problem.X.copy()
        X[:, column] = 1.0
        w = rng.permutation([-1.5, 0.8, -0.3, 2.0, -0.9])
        require_regulariser(student, Problem(w, X, X @ w + np.array(RESIDUALS), 0.9), 0.6)


@check("q2.3.whatever_the_data", needs=("q2.3.regulariser",))
def test_whatever_the_data(student: Student, rng: np.random.Generator) -> None:
    """What the regulariser adds depends on neither the data nor delta."""
    for delta in (0.05, 0.9, 50.0):
        require_regulariser(student, problem_with(rng, RESIDUALS, p=4, delta=delta), 2.0)


@check("q2.3.inputs_unmodified", needs=("q2.3.regulariser",))
def test_inputs_are_not_modified(student: Student, rng: np.random.Generator) -> None:
    """huber_gradient changes none of its arguments when lam is not 0."""
    require_arguments_unmodified(student, {WORKED: _problem(rng).asked_with(1.3)}, passed={WORKED})


def _problem(rng: np.random.Generator, p: int = 4) -> Problem:
    return problem_with(rng, rng.permutation(RESIDUALS), p=p, delta=0.9)
