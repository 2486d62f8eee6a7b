"""Q3.1 Momentum and Adam, step by step, each by itself."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from grader.assignments.hw1.theory_contract import require_arguments_unmodified
from grader.assignments.hw1.theory_optimisers import Run, adam, draw_grads, momentum, require_path
from grader.checks.closeness import reproduced_by
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

SHAPE = (4,)
MOMENTUM_WORKED, ADAM_WORKED = "q3.1.momentum_one_step", "q3.1.adam_one_step"


@check("q3.1.momentum_one_step")
def test_momentum_one_step(student: Student, rng: np.random.Generator) -> None:
    """momentum_steps with one gradient gives one w, a step of lr times the gradient away."""
    for lr in (0.05, 0.6):
        require_path(student, _momentum(rng, steps=1, lr=lr))


@check("q3.1.momentum_several_steps", needs=("q3.1.momentum_one_step",))
def test_momentum_several_steps(student: Student, rng: np.random.Generator) -> None:
    """momentum_steps gives the w after each step, with all gradients so far in the velocity."""
    require_path(student, _momentum(rng, steps=6))
    require_path(student, _momentum(rng, steps=3, beta=0.5))


@check("q3.1.adam_one_step")
def test_adam_one_step(student: Student, rng: np.random.Generator) -> None:
    """adam_steps with one gradient gives one w, with both averages corrected for their bias."""
    for lr in (0.05, 0.6):
        require_path(student, _adam(rng, steps=1, lr=lr))


@check("q3.1.adam_several_steps", needs=("q3.1.adam_one_step",))
def test_adam_several_steps(student: Student, rng: np.random.Generator) -> None:
    """adam_steps gives the w after each step, with the corrections of that step."""
    require_path(student, _adam(rng, steps=6))
    require_path(student, _adam(rng, steps=3, beta1=0.5, beta2=0.8))


@check("q3.1.adam_epsilon", needs=("q3.1.adam_one_step",))
def test_adam_epsilon(student: Student, rng: np.random.Generator) -> None:
    """adam_steps adds eps outside of the root."""
    require_path(student, _adam(rng, steps=1, eps=0.3))
    require_path(student, _adam(rng, steps=5, eps=0.05))


@check("q3.1.adam_step_length", needs=("q3.1.adam_one_step",))
def test_adam_step_length(student: Student, rng: np.random.Generator) -> None:
    """adam_steps moves by lr a step under a constant gradient, whatever its size."""
    g = np.array([3.0, -0.01, 250.0, -1.0])
    require_path(student, adam(rng.normal(size=SHAPE), [g] * 7, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-12))


@check("q3.1.no_steps")
def test_no_steps(student: Student, rng: np.random.Generator, passed: AbstractSet[str]) -> None:
    """Without gradients there is no step, and the list is empty."""
    for run in _judged(passed, _momentum(rng, steps=0), _adam(rng, steps=0)):
        require_path(student, run)


@check("q3.1.inputs_unmodified")
def test_inputs_are_not_modified(
    student: Student, rng: np.random.Generator, passed: AbstractSet[str]
) -> None:
    """Neither function changes the w or the gradients that it is given."""
    calls = {MOMENTUM_WORKED: _momentum(rng, steps=4).asked, ADAM_WORKED: _adam(rng, steps=4).asked}
    require_arguments_unmodified(student, calls, passed=passed)


def _momentum(rng: np.random.Generator, *, steps: int, lr: float = 0.1, beta: float = 0.9) -> Run:
    return momentum(rng.normal(size=SHAPE), draw_grads(rng, steps, SHAPE), lr=lr, beta=beta)


def _adam(
    rng: np.random.Generator,
    *,
    steps: int,
    lr: float = 0.1,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> Run:
    w, grads = rng.normal(size=SHAPE), draw_grads(rng, steps, SHAPE)
    return adam(w, grads, lr=lr, beta1=beta1, beta2=beta2, eps=eps)


def _judged(passed: AbstractSet[str], of_momentum: Run, of_adam: Run) -> list[Run]:
    """Return the runs of those functions that take a right first step."""
    runs = {MOMENTUM_WORKED: of_momentum, ADAM_WORKED: of_adam}
    judged = [run for needed, run in runs.items() if needed in passed]
    if not judged:
        with reproduced_by(of_momentum.asked.line):
            raise CheckFailed("not judged, because neither function takes a right first step yet")
    return judged
