"""Q1.2 Gradients of an affine map, in A and in b, each by itself."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextlib import suppress

import numpy as np

from grader.assignments.hw1.theory_affine import PARTS, draw, require_gradient, require_pair
from grader.assignments.hw1.theory_contract import Asked, require_arguments_unmodified
from grader.checks.closeness import reproduced_by
from grader.client import Student
from grader.errors import CheckFailed, StudentRaised
from grader.pytest_plugin import check

WORKED = {part: f"q1.2.gradient_{part.lower()}" for part in PARTS}


@check("q1.2.pair")
def test_pair(student: Student, rng: np.random.Generator) -> None:
    """affine_gradients gives two arrays: dA of the shape of A, then db of the shape of b."""
    require_pair(student, draw(rng, 3, 5))


@check("q1.2.gradient_a")
def test_gradient_in_a(student: Student, rng: np.random.Generator) -> None:
    """The first of the pair is the gradient of f in A."""
    for d, n in ((3, 5), (4, 2)):
        require_gradient(student, draw(rng, d, n), "A")


@check("q1.2.gradient_b")
def test_gradient_in_b(student: Student, rng: np.random.Generator) -> None:
    """The second of the pair is the gradient of f in b."""
    for d, n in ((3, 5), (4, 2)):
        require_gradient(student, draw(rng, d, n), "b")


@check("q1.2.inputs_unmodified")
def test_inputs_are_not_modified(
    student: Student, rng: np.random.Generator, passed: AbstractSet[str]
) -> None:
    """affine_gradients changes none of A, b, x and t."""
    asked = draw(rng, 4, 3)
    require_arguments_unmodified(student, dict.fromkeys(WORKED.values(), asked), passed=passed)


@check("q1.2.other_dtypes")
def test_other_dtypes(student: Student, rng: np.random.Generator, passed: AbstractSet[str]) -> None:
    """float32 serves as well as float64, and whole numbers are refused rather than answered wrongly."""
    asked = draw(rng, 4, 3)
    judged = [part for part in PARTS if WORKED[part] in passed]
    if not judged:
        with reproduced_by(asked.line):
            raise CheckFailed("not judged, because neither dA nor db is right for float64 yet")
    single = {name: value.astype(np.float32) for name, value in asked.arguments.items()}
    whole = {name: rng.integers(-5, 6, size=value.shape) for name, value in asked.arguments.items()}
    for part in judged:
        require_gradient(student, Asked(asked.name, single), part)
        with suppress(StudentRaised):
            require_gradient(student, Asked(asked.name, whole), part)
