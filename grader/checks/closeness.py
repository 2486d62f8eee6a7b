"""Judge one value: type, then shape, then dtype, then finite, then the numbers.

The first rung that fails is the message. Nothing that came from a submission is trusted to compare, to
broadcast or to print itself: by the time it is here it is plain data, and it is checked again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from itertools import islice
from typing import NoReturn

import numpy as np

from grader.checks.diagnosis import NO_CANDIDATES, Candidates, likely_cause
from grader.checks.excerpts import excerpt
from grader.checks.tolerance import Array, Tolerance, as_float, relative_errors, tolerance_for, within
from grader.errors import CheckFailed, StudentFault

# Integers are exact, so they are judged by their values like floats.
NUMERIC_KINDS = "fiu"
# Names in a dict are the student's to choose: this much of them is shown.
_NAMES, _NAME_CHARACTERS = 8, 60


def require_array(
    value: object, *, what: str, shape: tuple[int, ...] | None = None, finite: bool = True
) -> Array:
    """Return `value` if it is a real NumPy array of this shape without nan or inf, or raise CheckFailed."""
    if not isinstance(value, np.ndarray):
        raise CheckFailed(f"{what} should be a NumPy array, but is {describe(value)}")
    if shape is not None and value.shape != shape:
        raise CheckFailed(
            f"{what} has the shape {value.shape}; it should be {shape}",
            expected=f"shape {shape}",
            got=f"shape {value.shape}",
        )
    if value.dtype.kind not in NUMERIC_KINDS:
        raise CheckFailed(f"{what} has the dtype {value.dtype}; it should hold real numbers, like float64")
    if finite and not np.isfinite(value).all():
        _not_finite(value, what)
    return value


def require_number(value: object, *, what: str, finite: bool = True) -> float:
    """Return `value` as a float if it is a real number or an array of shape (), or raise CheckFailed."""
    if isinstance(value, np.ndarray) and value.shape != ():
        raise CheckFailed(f"{what} should be a single number, but is {describe(value)}")
    is_number = isinstance(value, int | float | np.ndarray) and not isinstance(value, bool)
    if not is_number or (isinstance(value, np.ndarray) and value.dtype.kind not in NUMERIC_KINDS):
        raise CheckFailed(f"{what} should be a number, but is {describe(value)}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        number = float("inf")
    if finite and not np.isfinite(number):
        raise CheckFailed(f"{what} is {number}, which is not finite", got=str(number))
    return number


def require_close(
    got: object,
    expected: Array,
    *,
    what: str,
    rtol: float | None = None,
    computed_with: Sequence[object] = (),
    candidates: Candidates = NO_CANDIDATES,
) -> Array:
    """Return `got` as an array if it has the shape and, to tolerance, the values of `expected`.

    The tolerance follows the coarsest dtype among `got` and `computed_with` (the parameters that
    `got` was computed from); `rtol` replaces it for float64. Raises CheckFailed.
    """
    if isinstance(got, np.ndarray) and got.shape != expected.shape and got.dtype.kind in NUMERIC_KINDS:
        _wrong_shape(got, expected, what, candidates)
    array = require_array(got, what=what, shape=expected.shape)
    tolerance = tolerance_for(expected, array, *computed_with, rtol=rtol)
    if not within(array, expected, tolerance).all():
        raise mismatch(array, expected, tolerance, what=what, candidates=candidates)
    return array


def require_number_close(
    got: object, expected: float, *, what: str, rtol: float, candidates: Candidates = NO_CANDIDATES
) -> float:
    """Return `got` as a float if it is a number within `rtol` of `expected`, or raise CheckFailed."""
    number = require_number(got, what=what)
    if abs(number - expected) <= rtol * max(abs(expected), 1e-12):
        return number
    raise CheckFailed(
        f"{what} is {number:.8g}; it should be {expected:.8g}",
        expected=f"{expected:.8g}",
        got=f"{number:.8g}",
        max_relative_error=float(relative_errors(np.array([number]), np.array([expected]))[0]),
        cause=likely_cause(np.array([number]), np.array([expected]), candidates),
    )


def require_keys(found: Mapping[str, object], wanted: AbstractSet[str], *, what: str) -> None:
    """Raise CheckFailed unless a dict has exactly the wanted keys."""
    missing, surplus = sorted(wanted - set(found)), sorted(set(found) - wanted)
    if missing or surplus:
        parts = [
            f"{words} {listed(keys)}"
            for words, keys in (("it lacks", missing), ("it should not have", surplus))
            if keys
        ]
        raise CheckFailed(
            f"{what} has wrong keys: {'; '.join(parts)}",
            expected=listed(sorted(wanted)) or "no keys",
            got=listed(sorted(found)) or "no keys",
        )


def require_unchanged(after: object, before: Array, *, what: str) -> None:
    """Raise CheckFailed unless `after` equals `before` bit for bit."""
    array = require_array(after, what=what, shape=before.shape, finite=False)
    changed = ~((array == before) | (np.isnan(array) & np.isnan(before)))
    if changed.any():
        index = first_index(changed)
        raise CheckFailed(
            f"{what} was changed: {counted(changed)} differ from before, the first at {list(index)}",
            expected=excerpt(before, index),
            got=excerpt(array, index),
            first_bad_index=index,
            max_relative_error=float(relative_errors(array, before).max()),
        )


def is_close(
    got: object, expected: Array, *, rtol: float | None = None, computed_with: Sequence[object] = ()
) -> bool:
    """Say whether `require_close` would accept, for checks where either of two answers is right."""
    try:
        array = require_array(got, what="it", shape=expected.shape)
    except CheckFailed:
        return False
    tolerance = tolerance_for(expected, array, *computed_with, rtol=rtol)
    return bool(within(array, expected, tolerance).all())


def mismatch(
    got: Array,
    expected: Array,
    tolerance: Tolerance,
    *,
    what: str,
    candidates: Candidates = NO_CANDIDATES,
) -> CheckFailed:
    """Describe two arrays of one shape that differ: how much, where, and why if that is plain to see."""
    wrong = ~within(got, expected, tolerance)
    index = first_index(wrong)
    errors = relative_errors(got, expected)
    at = f" at {list(index)}" if index else ""
    message = (
        f"{what} is wrong: {counted(wrong)} differ; the first{at} is {float(got[index]) + 0.0:.6g} "
        f"and should be {float(expected[index]) + 0.0:.6g}; the largest relative error is {errors.max():.2g}"
    )
    return CheckFailed(
        message,
        expected=excerpt(as_float(expected), index),
        got=excerpt(got, index),
        first_bad_index=index,
        max_relative_error=float(errors.max()),
        cause=likely_cause(got, expected, candidates),
    )


@contextmanager
def reproduced_by(line: str) -> Iterator[None]:
    """Attach one line of code, with which the student sees it too, to any StudentFault of the block.

    The innermost line wins.
    """
    try:
        yield
    except StudentFault as fault:
        fault.reproduce = fault.reproduce or line
        raise


def describe(value: object) -> str:
    """Say in words what came instead of what was asked for."""
    if value is None:
        return "None (is a return missing?)"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    # Objects that stayed in the worker, and values that cannot cross.
    for attribute in ("description", "type_name"):
        if isinstance(text := getattr(value, attribute, None), str):
            return text if attribute == "description" else f"an object of type {text}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return "a text"
    is_huge = isinstance(value, int) and value.bit_length() > 64
    return f"the {type(value).__name__} {'that has too many digits' if is_huge else repr(value)}"


def quoted(name: str) -> str:
    """Return a name of the student's in quotes, its start where it is long."""
    text = repr(name[:_NAME_CHARACTERS])
    is_whole = len(name) <= _NAME_CHARACTERS and len(text) <= _NAME_CHARACTERS + 2
    return text if is_whole else f"{text[:_NAME_CHARACTERS]}…"


def listed(names: Collection[str]) -> str:
    """Return the first names in quotes, and how many more there are."""
    shown = ", ".join(quoted(name) for name in islice(names, _NAMES))
    more = len(names) - _NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def first_index(wrong: Array) -> tuple[int, ...]:
    """Return the index of the first True."""
    # Not argwhere, which takes 8 bytes an axis for each of them.
    return tuple(int(axis) for axis in np.unravel_index(int(wrong.argmax()), wrong.shape))


def counted(wrong: Array) -> str:
    """Return how many entries are True, like `3 of 12 entries`."""
    return f"{int(wrong.sum())} of {wrong.size} entries"


def _wrong_shape(got: Array, expected: Array, what: str, candidates: Candidates) -> NoReturn:
    raise CheckFailed(
        f"{what} has the shape {got.shape}; it should be {expected.shape}",
        expected=excerpt(as_float(expected)),
        got=excerpt(got),
        cause=likely_cause(got, expected, candidates),
    )


def _not_finite(value: Array, what: str) -> NoReturn:
    bad = ~np.isfinite(value)
    index = first_index(bad)
    raise CheckFailed(
        f"{what} is not finite: {counted(bad)} are nan or inf, the first at {list(index)}",
        got=excerpt(value, index),
        first_bad_index=index,
    )
