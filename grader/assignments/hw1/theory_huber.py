"""Q2.1 and Q2.3: the gradient of the Huber objective, and what the regulariser adds to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.theory_contract import CLOSED_FORM_RTOL, Asked, answers, huber_objective, slope
from grader.checks.closeness import reproduced_by, require_array, require_close
from grader.checks.diagnosis import Candidates, Factor
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import Student, Value
from grader.errors import CheckFailed, StudentRaised

# From r to what stands in place of the derivative of the loss.
Derivative = Callable[[FloatArray, float], FloatArray]


@dataclass(frozen=True, slots=True)
class Problem:
    """One regression problem."""

    w: Array  # (p,)
    X: Array  # (n, p)
    y: Array  # (n,)
    delta: float

    @property
    def asked(self) -> Asked:
        """The call that leaves lam out."""
        return Asked("huber_gradient", {"w": self.w, "X": self.X, "y": self.y, "delta": self.delta})

    def asked_with(self, lam: float) -> Asked:
        """Return the call with lam."""
        return Asked("huber_gradient", {**self.asked.arguments, "lam": lam})

    def residuals(self) -> FloatArray:
        """Return y - X w, (n,)."""
        r: FloatArray = as_float(self.y) - as_float(self.X) @ as_float(self.w)
        return r

    def slope(self) -> FloatArray:
        """Return the gradient of the objective without a regulariser, by differences."""
        X, y = as_float(self.X), as_float(self.y)
        return slope(lambda w: huber_objective(w, X, y, self.delta), self.w)


def problem_with(
    rng: np.random.Generator, residuals: Sequence[float] | Array, *, p: int, delta: float
) -> Problem:
    """Return a random problem that has these residuals, up to rounding."""
    r = as_float(np.asarray(residuals))
    w, X = rng.normal(size=p), rng.normal(size=(len(r), p))
    return Problem(w, X, X @ w + r, delta)


def problem_on_the_grid(
    rng: np.random.Generator, residuals: Sequence[float], *, p: int, delta: float
) -> Problem:
    """Return a random problem that has these residuals to the last bit, in whatever order one adds.

    All its numbers are small multiples of a quarter; residuals must be too.
    """
    w = rng.integers(-8, 9, size=p) / 4.0
    X = rng.choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], size=(len(residuals), p))
    return Problem(w, X, X @ w + np.asarray(residuals), delta)


def gradients_without_lam(student: Student, problems: Sequence[Problem]) -> list[Value]:
    """Return the gradients for lam = 0; that lam may be left out costs another check.

    A function without lam is asked without it: what lam does is judged in Q2.3.
    """
    try:
        return answers(student, [problem.asked_with(0.0) for problem in problems])
    except StudentRaised as error:
        if error.exception_type != "TypeError":
            raise
    return answers(student, [problem.asked for problem in problems])


def require_gradient(
    student: Student, problems: Sequence[Problem], truth: Callable[[Problem], Array] | None = None
) -> list[Array]:
    """Judge gradients for lam = 0, by differences where no truth is given."""
    got = gradients_without_lam(student, problems)
    return [
        require_one_gradient(value, problem, None if truth is None else truth(problem))
        for value, problem in zip(got, problems, strict=True)
    ]


def require_one_gradient(got: Value, problem: Problem, truth: Array | None = None) -> Array:
    """Judge one gradient for lam = 0, by differences where no truth is given."""
    with reproduced_by(problem.asked.line):
        return require_close(
            got,
            problem.slope() if truth is None else truth,
            what=problem.asked.what,
            rtol=DIFFERENCES_RTOL if truth is None else CLOSED_FORM_RTOL,
            computed_with=(problem.w, problem.X, problem.y),
            candidates=_candidates(problem, got),
        )


def require_regulariser(student: Student, problem: Problem, lam: float) -> None:
    """Judge what lam adds to the student's own gradient: the rest of it is judged in Q2.1."""
    asked = problem.asked_with(lam)
    with reproduced_by(f"{asked.line.rpartition('; ')[0]}; print({asked.call} - {problem.asked.call})"):
        shape = problem.w.shape
        without = require_array(
            gradients_without_lam(student, [problem])[0], what=problem.asked.what, shape=shape
        )
        got = require_array(answers(student, [asked])[0], what=asked.what, shape=shape)
        with np.errstate(all="ignore"):
            added = as_float(got) - as_float(without)
        if not added.any():
            raise CheckFailed(
                f"{asked.what} is the same as for lam = 0",
                cause="the regulariser is missing from the gradient",
            )
        require_close(
            added,
            lam * as_float(problem.w),
            what=f"what lam = {lam:g} adds to {problem.asked.what}",
            rtol=DIFFERENCES_RTOL,
            computed_with=(got, without, problem.w),
            candidates=_wrong_regularisers(problem, lam),
        )


def _candidates(problem: Problem, got: Value) -> Candidates:
    r, w = problem.residuals(), as_float(problem.w)
    inside = np.abs(r) <= problem.delta
    wrong = {
        sentence: -as_float(problem.X).T @ np.where(inside, small(r, problem.delta), large(r, problem.delta))
        for sentence, (small, large) in _WRONG_DERIVATIVES.items()
    }
    if isinstance(got, np.ndarray) and got.shape == w.shape and got.dtype.kind == "f":
        # Which multiple of w it would be is measured; a wrong default explains the numbers or it does not.
        excess = as_float(got) - closed_form(problem)
        with np.errstate(all="ignore"):
            lam = float(excess @ w / (w @ w))
        if len(w) > 2 and np.isfinite(lam):
            wrong[f"lam is {lam:.4g} where it is left out or 0"] = closed_form(problem) + lam * w
    n = len(r)
    mean = Factor("n, the number of residuals", n, if_too_small="the objective is a sum, not a mean")
    return Candidates((mean,), _distinct(wrong))


def _distinct(explanations: Mapping[str, Array]) -> dict[str, Array]:
    """Return the explanations without those that give the same as an earlier one.

    Where all residuals are on one side of delta, mistakes on the other side make no difference.
    """
    kept: dict[str, Array] = {}
    for sentence, values in explanations.items():
        if not any(np.allclose(values, other) for other in kept.values()):
            kept[sentence] = values
    return kept


def _wrong_regularisers(problem: Problem, lam: float) -> Candidates:
    w = as_float(problem.w)
    first, last = np.arange(len(w)) == 0, np.arange(len(w)) == len(w) - 1
    factors = (
        Factor(
            "2",
            2.0,
            if_too_large="the ½ of the regulariser cancels the 2 of the square",
            if_too_small="the ½ of the regulariser is gone once it is differentiated",
        ),
        Factor("n, the number of residuals", len(problem.y)),
    )
    wrong = {
        "the first weight is left out; here all of w is regularised": np.where(first, 0.0, lam * w),
        "the last weight is left out; here all of w is regularised": np.where(last, 0.0, lam * w),
        "only the sign of w is used, as for ‖w‖₁": lam * np.sign(w),
        "lam itself is added, without w": np.full_like(w, lam),
        "w is added, without lam": w,
        "lam is squared": lam**2 * w,
        "w is divided by its length, as for the norm without a square": lam * w / np.linalg.norm(w),
        "the regulariser's value is added, not its gradient": np.full_like(w, 0.5 * lam * (w @ w)),
    }
    return Candidates(factors, wrong)


def _itself(r: FloatArray, _: float) -> FloatArray:
    return r


def _clipped(r: FloatArray, delta: float) -> FloatArray:
    return delta * np.sign(r)


# What is taken for the derivative, inside of delta and beyond.
_WRONG_DERIVATIVES: dict[str, tuple[Derivative, Derivative]] = {
    "residuals beyond delta are not clipped: this is the gradient of the squared loss": (_itself, _itself),
    "the factor delta is missing for residuals beyond delta": (_itself, lambda r, _: np.sign(r)),
    "the sign of the residual is missing beyond delta": (_itself, np.full_like),
    "the sign is wrong for residuals beyond delta": (_itself, lambda r, d: -_clipped(r, d)),
    "residuals beyond delta are left out": (_itself, lambda r, _: np.zeros_like(r)),
    "the sign is wrong for residuals up to delta": (lambda r, _: -r, _clipped),
    "the size of small residuals is used without their sign": (lambda r, _: np.abs(r), _clipped),
    "the factor 2 of a square without ½ stands inside of delta": (lambda r, _: 2.0 * r, _clipped),
    "the two pieces are exchanged": (_clipped, _itself),
    "this is the absolute loss: small residuals are clipped too": (_clipped, _clipped),
    "the loss itself stands where its derivative should": (
        lambda r, _: 0.5 * r**2,
        lambda r, d: d * (np.abs(r) - 0.5 * d),
    ),
}


def closed_form(problem: Problem) -> FloatArray:
    """Return the gradient for lam = 0."""
    X = as_float(problem.X)
    total: FloatArray = -X.T @ np.clip(problem.residuals(), -problem.delta, problem.delta)
    return total
