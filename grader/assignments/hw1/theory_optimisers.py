"""Q3.1: paths of momentum and Adam, as weighted sums of all gradients so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.theory_contract import CLOSED_FORM_RTOL, Asked, answers
from grader.checks.closeness import (
    NUMERIC_KINDS,
    describe,
    is_close,
    reproduced_by,
    require_array,
    require_close,
)
from grader.checks.diagnosis import Candidates
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import Student, Value
from grader.errors import CheckFailed

TINY_EPS = 1e-8  # far too small for its place to matter


@dataclass(frozen=True, slots=True)
class Run:
    """One call of an optimiser, the path that it should give, and those that mistakes give."""

    asked: Asked
    path: FloatArray  # (steps, *shape of w)
    wrong: Callable[[], Mapping[str, Array]]

    @property
    def w(self) -> Array:
        """The w that it starts from."""
        return self.asked.arguments["w"]  # type: ignore[no-any-return]


def momentum(w: Array, grads: Sequence[Array], *, lr: float, beta: float) -> Run:
    """Return a run of momentum_steps."""
    start, g = as_float(w), _stacked(w, grads)
    v = np.tensordot(_decay(beta, len(g)), g, axes=1)

    def wrong() -> dict[str, Array]:
        one_late = np.concatenate([np.zeros_like(v[:1]), v[:-1]])
        return {
            "g is multiplied by 1 - beta; here v is a sum, not an average": _walk(start, lr * (1 - beta) * v),
            "beta is not used: this is plain gradient descent": _walk(start, lr * g),
            "the learning rate is taken twice, in v and in the step": _walk(start, lr**2 * v),
            "the learning rate is not used": _walk(start, v),
            "this is Nesterov's momentum: g is added once more": _walk(start, lr * (g + beta * v)),
            "w is moved before v is updated": _walk(start, lr * one_late),
            **_wrong_walks(start, lr * v),
        }

    asked = Asked("momentum_steps", {"w": w, "grads": list(grads), "lr": lr, "beta": beta})
    return Run(asked, _walk(start, lr * v), wrong)


def adam(
    w: Array, grads: Sequence[Array], *, lr: float, beta1: float, beta2: float, eps: float = TINY_EPS
) -> Run:
    """Return a run of adam_steps."""
    start, g = as_float(w), _stacked(w, grads)
    mean, square = _averages(beta1, g), _averages(beta2, g**2)
    step = lr * mean / (np.sqrt(square) + eps)
    settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}

    def wrong() -> dict[str, Array]:
        with np.errstate(all="ignore"):
            return _wrong_adam(start, g, **settings) | _wrong_walks(start, step)

    asked = Asked("adam_steps", {"w": w, "grads": list(grads), **settings})
    return Run(asked, _walk(start, step), wrong)


def draw_grads(rng: np.random.Generator, steps: int, shape: tuple[int, ...]) -> list[Array]:
    """Return gradients of all sizes and signs, none near 0."""
    return [rng.choice([-1.0, 1.0], size=shape) * 10.0 ** rng.uniform(-0.5, 0.7, shape) for _ in range(steps)]


def require_path(student: Student, run: Run) -> None:
    """Judge a whole path; the form first: as many arrays of w's shape as there are gradients."""
    with reproduced_by(run.asked.line):
        entries = _entries(answers(student, [run.asked])[0], run)
        if not entries:
            return
        require_close(
            np.stack(entries),
            run.path,
            what=f"the w after each step of {run.asked.what}, one row a step,",
            rtol=CLOSED_FORM_RTOL,
            computed_with=(*entries, run.w),
            candidates=Candidates(explanations=run.wrong()),
        )


def _entries(value: Value, run: Run) -> list[Array]:
    """Return the w after each step, whether they came as a list, a tuple or one array."""
    steps, shape, what = len(run.path), run.w.shape, run.asked.what
    if isinstance(value, np.ndarray):
        _require_as_array(value, run)
        value = list(value)
    if not isinstance(value, list | tuple):
        hint = " (is it a generator? make it a list)" if "generator" in describe(value) else ""
        raise CheckFailed(f"{what} should be a list of the w after each step, but is {describe(value)}{hint}")
    if len(value) != steps:
        message = f"{what} should be a list of {steps}, the w after each step, but has {len(value)}"
        raise CheckFailed(message, cause=_why_so_long(value, run))
    named = [f"the w after step {number + 1} of {what}" for number in range(steps)]
    entries = [
        require_array(entry, what=name, shape=shape, finite=False)
        for name, entry in zip(named, value, strict=True)
    ]
    for name, entry in zip(named, entries, strict=True):
        if not np.isfinite(entry).all():
            message = f"{name} is not finite"
            raise CheckFailed(message, cause=_why_not_finite(entries[0], run))
    return entries


def _require_as_array(value: Array, run: Run) -> None:
    steps, shape, what = len(run.path), run.w.shape, run.asked.what
    if value.shape == shape != (steps, *shape[1:]):
        raise CheckFailed(
            f"{what} should be a list of the w after each step, but is one array of w's own shape "
            f"{shape}: is only the last w returned?"
        )
    if steps and len(value.shape) and value.shape[1:] != shape:
        raise CheckFailed(f"{what} has the shape {value.shape}; as one array it should be {(steps, *shape)}")
    if value.ndim == 0:
        raise CheckFailed(f"{what} should be a list of the w after each step, but is {describe(value)}")


def _why_so_long(value: Sequence[Value], run: Run) -> str | None:
    first_is_start = bool(value) and is_close(value[0], as_float(run.w), computed_with=(run.w,))
    if len(value) == len(run.path) + 1 and first_is_start:
        return "the list starts with the w that you start from, which should not be in it"
    return "only the last w is kept" if len(value) == 1 else None


def _why_not_finite(first: Array, run: Run) -> str | None:
    """Say that the correction divides by 0, where that explains a first step of nothing but nan."""
    if (
        "beta1" not in run.asked.arguments
        or first.dtype.kind not in NUMERIC_KINDS
        or np.isfinite(first).any()
    ):
        return None
    return "the bias correction counts its steps from 0: 1 - beta**0 is 0"


def _stacked(w: Array, grads: Sequence[Array]) -> FloatArray:
    return np.array([as_float(g) for g in grads]).reshape(len(grads), *w.shape)


def _decay(beta: float, steps: int) -> FloatArray:
    """Return the weight of gradient s (column) in step t (row): beta to the power of t - s."""
    t = np.arange(steps)
    return np.tril(beta ** np.abs(t[:, np.newaxis] - t).astype(float))


def _averages(beta: float, g: FloatArray) -> FloatArray:
    """Return the mean of all g so far, weighted by their age, after each step."""
    decay = _decay(beta, len(g))
    means: FloatArray = np.tensordot(decay / decay.sum(axis=1, keepdims=True), g, axes=1)
    return means


def _walk(start: FloatArray, steps: FloatArray) -> FloatArray:
    """Return where one is after each step."""
    return start - np.cumsum(steps, axis=0)


def _wrong_walks(start: FloatArray, steps: FloatArray) -> dict[str, Array]:
    right = _walk(start, steps)
    return {
        "the steps go uphill": _walk(start, -steps),
        "every entry is the last w: the same array is appended each time; append a copy": (
            np.broadcast_to(right[-1:], right.shape)
        ),
        "the list starts with the w that you start from, and lacks the last": (
            np.concatenate([start[np.newaxis], right[:-1]])
        ),
        "these are the steps, not the w after them": -steps,
        "every step starts from the first w again": start - steps,
    }


def _wrong_adam(
    start: FloatArray, g: FloatArray, *, lr: float, beta1: float, beta2: float, eps: float
) -> dict[str, Array]:
    mean, square = _averages(beta1, g), _averages(beta2, g**2)
    t = np.arange(1, len(g) + 1).reshape(-1, *(1,) * start.ndim)
    off1, off2 = 1.0 - beta1**t, 1.0 - beta2**t  # what a moving average lacks without its correction

    def walk(m: FloatArray, v: FloatArray) -> FloatArray:
        return _walk(start, lr * m / (np.sqrt(v) + eps))

    return {
        "both bias corrections are missing": walk(mean * off1, square * off2),
        "the bias correction of the first average is missing": walk(mean * off1, square),
        "the bias correction of the second average is missing": walk(mean, square * off2),
        "the bias corrections are one step ahead": walk(
            mean * off1 / (1.0 - beta1 ** (t + 1)), square * off2 / (1.0 - beta2 ** (t + 1))
        ),
        "the bias corrections do not change from step to step": walk(
            mean * off1 / (1.0 - beta1), square * off2 / (1.0 - beta2)
        ),
        "the averages are multiplied by their corrections, not divided": walk(
            mean * off1**2, square * off2**2
        ),
        "eps stands inside the root": _walk(start, lr * mean / np.sqrt(square + eps)),
        "eps is left out": _walk(start, lr * mean / np.sqrt(square)),
        "eps is added before the bias correction": _walk(
            start, lr * mean / np.sqrt((square * off2 + eps) / off2)
        ),
        "the root of the second average is missing": _walk(start, lr * mean / (square + eps)),
        "beta1 and beta2 are exchanged": walk(_averages(beta2, g), _averages(beta1, g**2)),
        "beta and 1 - beta are exchanged in both averages": walk(
            _exchanged(beta1, g) / off1, _exchanged(beta2, g**2) / off2
        ),
        "the gradients are not squared in the second average": walk(mean, _averages(beta2, g)),
        "m and v are exchanged in the step": walk(square, mean),
        "the first average is not used: the step takes g itself": walk(g, square),
        "g is not multiplied by 1 - beta in the averages": walk(mean / (1.0 - beta1), square / (1.0 - beta2)),
    }


def _exchanged(beta: float, g: FloatArray) -> FloatArray:
    """Return m <- (1 - beta) m + beta g after each step."""
    m: FloatArray = beta * np.tensordot(_decay(1.0 - beta, len(g)), g, axes=1)
    return m
