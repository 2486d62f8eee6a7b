"""Say why numbers are wrong, but only when the explanation reproduces them.

A detector is a plain function of what came back and what was expected; it returns a sentence, or None. It
speaks only when its explanation, carried out on the expected values, gives what came back to tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from grader.checks.tolerance import Array, FloatArray, Tolerance, as_float, tolerance_for, within

Explanations = Mapping[str, Array | tuple[Array, ...]]

# An explanation must be as close as a right answer would have to be, but a student's value may come
# from a differently ordered sum of larger terms.
_RTOL = 1e-6


@dataclass(frozen=True, slots=True)
class Factor:
    """A number that a wrong answer may be off by; the hints say what usually causes it."""

    name: str
    value: float
    if_too_large: str = ""
    if_too_small: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What this homework knows about its usual mistakes.

    `explanations` maps a sentence to the array that the mistake would produce, of whatever shape, or to a
    tuple of those that it may produce.
    """

    factors: Sequence[Factor] = ()
    explanations: Explanations = field(default_factory=dict)


NO_CANDIDATES = Candidates()
EARLIER_CALL = "these are the values of an earlier call: is the first batch kept for good?"
TWO = Factor("2", 2.0)


def likely_cause(got: Array, expected: Array, candidates: Candidates = NO_CANDIDATES) -> str | None:
    """Return the first explanation that reproduces `got`, or None.

    Both are numeric; an equal `got` needs no explanation and gets none.
    """
    if not got.size or not np.isfinite(as_float(got)).all():
        return None
    if got.shape != expected.shape:
        return transposed(got, expected) or known_mistake(got, expected, candidates.explanations)
    if _same(got, expected):
        return None
    detectors: Iterable[Callable[[], str | None]] = (
        lambda: all_zero(got, expected),
        lambda: wrong_sign(got, expected),
        lambda: known_mistake(got, expected, candidates.explanations),
        lambda: constant_factor(got, expected, candidates.factors),
        lambda: transposed(got, expected),
        lambda: only_part_wrong(got, expected),
        lambda: constant_offset(got, expected),
    )
    return next((cause for detector in detectors if (cause := detector())), None)


def all_zero(got: Array, expected: Array) -> str | None:
    """Notice that nothing was written where something should be."""
    return "every entry is 0" if not np.any(got) and np.any(expected) else None


def wrong_sign(got: Array, expected: Array) -> str | None:
    """Notice values that are right but for the sign of all of them."""
    return "every entry has the wrong sign" if _same(got, -as_float(expected)) else None


def known_mistake(got: Array, expected: Array, explanations: Explanations) -> str | None:
    """Return the sentence of the one mistake that gives these values; None if several would."""
    fitting = [
        sentence
        for sentence, values in explanations.items()
        if any(_is_explained(got, expected, each) for each in _all_of(values))
    ]
    return fitting[0] if len(fitting) == 1 else None


def constant_factor(got: Array, expected: Array, factors: Sequence[Factor] = ()) -> str | None:
    """Notice that all values are off by one factor, by its name if it is a known one."""
    for factor in (*factors, TWO):
        if factor.value != 1.0 and _same(got, factor.value * as_float(expected)):
            return _with_hint(f"exactly {_named(factor)} times too large", factor.if_too_large)
        if factor.value not in (0.0, 1.0) and _same(got, as_float(expected) / factor.value):
            return _with_hint(f"exactly {_named(factor)} times too small", factor.if_too_small)
    return _unknown_factor(got, expected)


def transposed(got: Array, expected: Array) -> str | None:
    """Notice the transpose of a matrix, also where it was reshaped afterwards."""
    if expected.ndim != 2 or min(expected.shape) < 2:
        return None
    if got.shape == expected.T.shape and _same(got, expected.T):
        return "this is the transpose of what it should be"
    if got.shape == expected.shape and _same(got, expected.T.reshape(expected.shape)):
        return "this is the transpose, reshaped until the shapes agree"
    return None


def only_part_wrong(got: Array, expected: Array) -> str | None:
    """Notice that just one entry, one row or one column is wrong."""
    wrong = ~within(got, expected, _tolerance(got, expected))
    count = int(wrong.sum())
    if count == 0 or expected.size < 3:
        return None
    first = tuple(int(axis) for axis in np.argwhere(wrong)[0])
    if count == 1:
        return f"only the entry {list(first)} is wrong, all others are right"
    if expected.ndim != 2 or min(expected.shape) < 2:
        return None
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    if len(rows) == 1:
        return f"only row {_ordinal(int(rows[0]), expected.shape[0])} is wrong, all others are right"
    if len(columns) == 1:
        return f"only column {_ordinal(int(columns[0]), expected.shape[1])} is wrong, all others are right"
    return None


def constant_offset(got: Array, expected: Array) -> str | None:
    """Notice that all values are off by the same amount; asks for at least three values."""
    gap = as_float(got) - as_float(expected)
    offset = float(gap.mean())
    if gap.size < 3 or not _same(got, as_float(expected) + offset):
        return None
    return f"every entry is off by the same {offset:+.4g}"


def _unknown_factor(got: Array, expected: Array) -> str | None:
    """Notice a factor that has no name, where at least three entries agree on it."""
    values = as_float(expected)
    large = np.abs(values) > 1e-3 * np.abs(values).max(initial=0.0)
    if large.sum() < 3:
        return None
    ratio = float(np.median(as_float(got)[large] / values[large]))
    if ratio == 0.0 or not _same(got, ratio * values):
        return None
    shown = f"{ratio:.4g}"
    return f"every entry is {f'{ratio:.8g}' if shown == '1' else shown} times what it should be"


def _all_of(values: Array | tuple[Array, ...]) -> tuple[Array, ...]:
    return values if isinstance(values, tuple) else (values,)


def _is_explained(got: Array, expected: Array, values: Array) -> bool:
    """Whether a mistake's values are these; a mistake that changes nothing, or leaves 0, explains nothing."""
    if values.shape != got.shape or not np.any(values) or not _same(got, values):
        return False
    return values.shape != expected.shape or not _same(values, expected)


def _same(got: Array, values: Array | FloatArray) -> bool:
    return bool(within(got, values, _tolerance(got, values)).all())


def _tolerance(got: Array, values: Array) -> Tolerance:
    return tolerance_for(values, got, rtol=_RTOL)


def _named(factor: Factor) -> str:
    plain = f"{factor.value:.6g}"
    return plain if factor.name == plain else f"{factor.name} (= {plain})"


def _with_hint(text: str, hint: str) -> str:
    return f"{text}: {hint}" if hint else text


def _ordinal(index: int, size: int) -> str:
    return f"{index} (the last)" if index == size - 1 else str(index)
