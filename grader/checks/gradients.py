"""Numerical derivatives that can be trusted, and inputs where a derivative exists.

A function is given as `evaluate`: many points in, one number a point out. So a submission's function costs
one round trip however many entries are perturbed, and a formula of ours costs none.

A gradient is called wrong by differences alone where they are those of a formula of ours, which is evaluated
in float64, away from kinks: they are known to 1e-9. Where a sum of many slopes is compared instead of each, a
Taylor test has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from grader.checks.tolerance import Array, FloatArray, as_float
from grader.errors import GraderFault

T = TypeVar("T")
Evaluate = Callable[[FloatArray], Sequence[float] | FloatArray]  # (points, *shape of one) to a number each

# From where truncation rules (h² f'''/6) to where rounding does (eps |f| / h).
STEPS = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5)
# A function that is linear in what is perturbed has no truncation error: large steps leave only rounding.
LINEAR_STEPS = (1.0, 0.5)
# The remainders of a Taylor test must stand above rounding and still be small.
TAYLOR_STEPS = (3e-2, 1e-2, 3e-3, 1e-3)

DOUBLE = float(np.finfo(np.float64).eps)
SINGLE = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Derivatives, and for each how far apart the two steps are that agree best, rounding included."""

    values: FloatArray
    uncertainty: FloatArray


def central_differences(
    evaluate: Evaluate, at: Array, *, steps: Sequence[float] = STEPS, precision: float = DOUBLE
) -> Estimate:
    """Return the derivative of `evaluate` in every entry of `at`, in the shape of `at`.

    `precision` is the relative rounding of one evaluation.
    """
    directions = np.eye(at.size).reshape(at.size, *at.shape)
    estimate = directional_derivatives(evaluate, at, directions, steps=steps, precision=precision)
    return Estimate(estimate.values.reshape(at.shape), estimate.uncertainty.reshape(at.shape))


def directional_derivatives(
    evaluate: Evaluate,
    at: Array,
    directions: Array,
    *,
    steps: Sequence[float] = STEPS,
    precision: float = DOUBLE,
) -> Estimate:
    """Return the derivative along each direction (directions, *at.shape), by central differences.

    Steps are swept: each direction keeps the step whose slope agrees best with that of the next
    smaller one, where the rounding of the smaller one counts as disagreement. (Without that, the
    differences of a float32 function at tiny steps are all exactly 0 and agree perfectly.)
    """
    point = as_float(at)
    h = np.asarray(steps)[:, np.newaxis]
    moves = np.multiply.outer(h, directions)  # (steps, 1, directions, *shape)
    # By step, direction and sign.
    points = point + np.stack((moves[:, 0], -moves[:, 0]), axis=2)
    heights = np.asarray(evaluate(points.reshape(-1, *point.shape)), dtype=np.float64)
    heights = heights.reshape(len(steps), len(directions), 2)
    slopes = (heights[..., 0] - heights[..., 1]) / (2 * h)  # (steps, directions)
    rounding = precision * np.abs(heights).max(axis=2) / h
    disagreement = np.abs(slopes[:-1] - slopes[1:]) + rounding[1:]
    best = disagreement.argmin(axis=0)
    columns = np.arange(len(directions))
    return Estimate(slopes[best + 1, columns], disagreement[best, columns])


def elementwise_derivative(
    function: Callable[[FloatArray], FloatArray], at: Array, *, steps: Sequence[float] = STEPS
) -> Estimate:
    """Return f'(x) for a function that treats every entry alone, so that all move at once."""
    point = as_float(at)
    heights = np.stack([[function(point + h), function(point - h)] for h in steps])
    h = np.asarray(steps).reshape(-1, *(1,) * point.ndim)
    slopes = (heights[:, 0] - heights[:, 1]) / (2 * h)
    rounding = DOUBLE * np.abs(heights).max(axis=1) / h
    disagreement = np.abs(slopes[:-1] - slopes[1:]) + rounding[1:]
    best = disagreement.argmin(axis=0)[np.newaxis]
    return Estimate(
        np.take_along_axis(slopes[1:], best, axis=0)[0], np.take_along_axis(disagreement, best, axis=0)[0]
    )


def taylor_order(
    evaluate: Evaluate,
    at: Array,
    gradient: Array,
    direction: Array,
    *,
    steps: Sequence[float] = TAYLOR_STEPS,
    precision: float = DOUBLE,
) -> float:
    """Return how fast |J(x + hd) - J(x) - h⟨g, d⟩| falls with h: order 2 for a right g, 1 for a wrong one.

    A second opinion on a gradient that differences call wrong: noise does not look like order 1.
    It is inf where the remainder is nothing but rounding, as for a right g of a linear function.
    """
    point, d = as_float(at), as_float(direction)
    h = np.asarray(steps)
    heights = np.asarray(evaluate(point + np.multiply.outer((0.0, *steps), d)), dtype=np.float64)
    slope = float(np.vdot(as_float(gradient), d))
    remainders = np.abs(heights[1:] - heights[0] - h * slope)
    noise = 100 * precision * np.abs(heights).max()
    if not (np.isfinite(remainders).all() and np.isfinite(noise)):
        return 0.0
    seen = remainders > noise
    if seen.sum() < 2:
        return float("inf")
    orders = np.polyfit(np.log(h[seen]), np.log(remainders[seen]), 1)
    return float(orders[0])


def random_directions(rng: np.random.Generator, count: int, shape: tuple[int, ...]) -> FloatArray:
    """Return `count` directions of length 1 and the given shape."""
    directions = rng.normal(size=(count, *shape))
    lengths = np.sqrt((directions**2).reshape(count, -1).sum(axis=1))
    unit: FloatArray = directions / lengths.reshape(count, *(1,) * len(shape))
    return unit


def away_from_kinks(
    rng: np.random.Generator, shape: tuple[int, ...], *, gap: float = 0.2, span: float = 1.5
) -> FloatArray:
    """Return numbers with gap <= |x| <= gap + span; signs alternate along every axis, in random order.

    The gap is far more than ten steps of any difference here. Every column of two or more rows
    holds both signs, so no unit of a ReLU is dead and none always passes.
    """
    magnitudes = gap + span * rng.random(shape)
    signs = np.where(np.indices(shape).sum(axis=0) % 2 == 0, 1.0, -1.0)
    for axis in range(len(shape)):
        signs = np.take(signs, rng.permutation(shape[axis]), axis=axis)
    return magnitudes * signs


def draw_until(draw: Callable[[], T], is_good: Callable[[T], bool], *, attempts: int = 2000) -> T:
    """Return the first draw that is good; raise GraderFault after `attempts`, which is then our mistake."""
    for _ in range(attempts):
        candidate = draw()
        if is_good(candidate):
            return candidate
    raise GraderFault(f"no suitable input was found in {attempts} draws")


def smallest_size(arrays: Iterable[Array]) -> float:
    """Return the smallest |entry| of all arrays, for drawing models without vanishing gradients."""
    return min(float(np.abs(array).min()) for array in arrays)
