"""Q1.2: the gradients of ½ ‖A x + b - t‖² in A and b, each judged by itself."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.theory_contract import CLOSED_FORM_RTOL, Asked, answers, half_squared_norm
from grader.checks.closeness import describe, reproduced_by, require_array, require_close
from grader.checks.diagnosis import Candidates, Factor
from grader.checks.gradients import LINEAR_STEPS, central_differences
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import Student, Value
from grader.errors import CheckFailed

PARTS = ("A", "b")


def draw(rng: np.random.Generator, d: int, n: int) -> Asked:
    """Return a call with random arrays."""
    sizes = {"A": (d, n), "b": (d,), "x": (n,), "t": (d,)}
    return Asked("affine_gradients", {name: rng.normal(size=size) for name, size in sizes.items()})


def require_pair(student: Student, asked: Asked) -> None:
    """Judge the form alone: a pair, dA first, of the shapes of A and b."""
    with reproduced_by(asked.line):
        pair = _pair(answers(student, [asked])[0], asked)
        shapes = [asked.arguments[part].shape for part in PARTS]
        if _is_swapped(pair, asked):
            raise CheckFailed(f"{asked.what} gives (db, dA); the gradient in A should come first")
        for part, value, shape in zip(PARTS, pair, shapes, strict=True):
            require_array(value, what=f"d{part} of {asked.what}", shape=shape, finite=False)


def require_gradient(student: Student, asked: Asked, part: str, *, truth: Array | None = None) -> Array:
    """Judge dA or db, by differences where no truth is given; a swapped pair costs another check."""
    with reproduced_by(asked.line):
        pair = _pair(answers(student, [asked])[0], asked)
        got = pair[(part == "b") != _is_swapped(pair, asked)]
        return require_close(
            got,
            _slope(asked, part) if truth is None else truth,
            what=f"d{part} of {asked.what}",
            rtol=DIFFERENCES_RTOL if truth is None else CLOSED_FORM_RTOL,
            computed_with=tuple(asked.arguments.values()),
            candidates=_candidates(asked, part),
        )


def residual(asked: Asked) -> FloatArray:
    """Return A x + b - t."""
    A, b, x, t = (as_float(value) for value in asked.arguments.values())
    r: FloatArray = A @ x + b - t
    return r


def _pair(value: Value, asked: Asked) -> tuple[Value, Value]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise CheckFailed(f"{asked.what} should give the pair (dA, db), but gives {describe(value)}")
    return value[0], value[1]


def _is_swapped(pair: tuple[Value, Value], asked: Asked) -> bool:
    shapes = tuple(value.shape if isinstance(value, np.ndarray) else None for value in pair)
    return shapes == (asked.arguments["b"].shape, asked.arguments["A"].shape)


def _slope(asked: Asked, part: str) -> FloatArray:
    """Return the gradient by differences, which are exact to rounding: f is quadratic."""
    given = {name: as_float(value) for name, value in asked.arguments.items()}
    return central_differences(
        lambda points: [half_squared_norm(**{**given, part: point}) for point in points],
        given[part],
        steps=LINEAR_STEPS,
    ).values


def _candidates(asked: Asked, part: str) -> Candidates:
    A, b, x, t = (as_float(value) for value in asked.arguments.values())
    residuals = {
        "b is left out of the residual": A @ x - t,
        "t is left out of the residual": A @ x + b,
        "b is subtracted in the residual": A @ x - b - t,
        "t is added in the residual": A @ x + b + t,
        "the residual is squared": (A @ x + b - t) ** 2,
        "only the sign of the residual is used": np.sign(A @ x + b - t),
    }
    factors = (
        Factor("2", 2.0, if_too_large="the ½ of f cancels the 2 of the square"),
        Factor("d, the number of rows of A", len(b), if_too_small="f has a sum in it, not a mean"),
    )
    if part == "b":
        return Candidates(factors, dict(residuals))
    right = A @ x + b - t
    wrong = {sentence: np.outer(r, x) for sentence, r in residuals.items()}
    wrong["x is left out: this is the residual in every column"] = np.outer(right, np.ones_like(x))
    return Candidates(factors, wrong)
