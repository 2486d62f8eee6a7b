"""Q1.1 in closed form: other sizes and temperatures, and a Jacobian where exp overflows."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from grader.assignments.hw1.theory_softmax import (
    LARGE_WORKED,
    SOFTMAX_WORKED,
    TIES,
    Trial,
    draw_trial,
    draw_trials,
    jacobian_of,
    require_jacobian,
    require_softmax,
)
from grader.checks.closeness import require_array
from grader.checks.exactness import FlagIt, flag_differences, inexactness
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

SIZES = (2, 3, 7, 40)
TEMPERATURES = (0.05, 0.8, 12.0, 1e4)


@check("q1.1.softmax_any_size", needs=("q1.1.softmax_values",))
def test_softmax_any_size(student: Student, rng: np.random.Generator) -> None:
    """softmax_temperature is right for any K and any tau."""
    require_softmax(student, [*_trials(rng), Trial(rng.normal(size=1), 0.7)])


@check("q1.1.jacobian_any_size", needs=("q1.1.jacobian_values",))
def test_jacobian_any_size(
    student: Student, rng: np.random.Generator, passed: AbstractSet[str], flag: FlagIt
) -> None:
    """softmax_jacobian is right for any K and any tau."""
    # The student's own softmax, where it is wrong, may leave nothing to derive at an unusual temperature.
    trials = _trials(rng) if SOFTMAX_WORKED in passed else draw_trials(rng)
    error = 0.0
    for trial, J in zip(
        trials, require_jacobian(student, trials, passed=passed, closed_form=True), strict=True
    ):
        truth = jacobian_of(trial.truth(), trial.tau)
        error = max(error, inexactness(J, truth))
    if SOFTMAX_WORKED in passed:
        flag_differences(flag, error, what="softmax_jacobian")
        _require_zero_for_one_class(student, Trial(rng.normal(size=1), 0.7))


@check("q1.1.jacobian_large", needs=("q1.1.jacobian_values",))
def test_jacobian_large(student: Student, rng: np.random.Generator, passed: AbstractSet[str]) -> None:
    """softmax_jacobian is finite and right for |z| = 1000 and tau = 0.001.

    Where softmax_temperature overflows, which costs its own check, moderate numbers take their place.
    """
    trials = TIES if LARGE_WORKED in passed else draw_trials(rng)
    require_jacobian(student, trials, passed=passed, closed_form=True)


def _trials(rng: np.random.Generator) -> list[Trial]:
    return [draw_trial(rng, K, tau) for K in SIZES for tau in TEMPERATURES]


def _require_zero_for_one_class(student: Student, trial: Trial) -> None:
    what = trial.jacobian.what
    J = require_array(student.run([trial.jacobian.calling(student)])[0], what=what, shape=(1, 1))
    if abs(float(J[0, 0])) > 1e-6:
        raise CheckFailed(f"{what} should be 0: a single probability is always 1")
