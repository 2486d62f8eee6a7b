"""Read what a notebook left behind: numbers, curves and results by method, however they are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grader.assignments.hw1.notebook_interface import Harvest, Replay
from grader.checks.closeness import describe, require_array, require_number
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.errors import CheckFailed
from grader.remote import RemoteObject, Value

METHODS = ("zero", "small_random", "xavier", "he")
# Numbers nested deeper than this are no list of numbers.
_DEEPEST = 3


def object_named(harvest: Harvest, name: str, *, kind: str) -> RemoteObject:
    """Return an object that stayed in the worker; `kind` says what it should be."""
    value = harvest.value(name)
    if not is_object(value):
        raise CheckFailed(f"`{name}` should be {kind}, but is {describe(value)}")
    return value  # type: ignore[no-any-return]


def is_object(value: Value) -> bool:
    """Say whether a value is an object that stayed in the worker."""
    return isinstance(getattr(value, "type_name", None), str)


def made_by(notebook: Replay, target: RemoteObject, *args: Value, what: str) -> RemoteObject:
    """Return the object that a call makes."""
    made = notebook.student.call_with_tensors(target, None, *args)
    if not is_object(made):
        raise CheckFailed(f"{what} should make a network, but gives {describe(made)}")
    return made  # type: ignore[no-any-return]


def numbers(value: Value, *, what: str, finite: bool = True) -> FloatArray:
    """Return a list, a tensor or an array of numbers as one row, (n,); lists of batches are joined."""
    row = np.concatenate([np.zeros(0), *_pieces(value, what, _DEEPEST)])
    if finite and not np.isfinite(row).all():
        index = int(np.argmin(np.isfinite(row)))
        raise CheckFailed(f"{what} is not finite: entry {index} is {row[index]}", got=str(row[index]))
    return row


def _pieces(value: Value, what: str, depth: int) -> list[FloatArray]:
    if isinstance(value, np.ndarray):
        return [as_float(require_array(value, what=what, finite=False)).reshape(-1)]
    if isinstance(value, list | tuple) and depth:
        return [
            piece
            for index, item in enumerate(value)
            for piece in _entry(item, f"entry {index} of {what}", depth - 1)
        ]
    raise CheckFailed(f"{what} should be a list of numbers, but is {describe(value)}")


def _entry(item: Value, what: str, depth: int) -> list[FloatArray]:
    if isinstance(item, list | tuple | np.ndarray) and np.ndim(item) != 0:
        return _pieces(item, what, depth)
    return [np.array([require_number(item, what=what, finite=False)])]


def whole_numbers(value: Value, *, what: str) -> Array:
    """Return whole numbers as one row of int64, (n,), whatever their type."""
    row = numbers(value, what=what)
    if not np.array_equal(row, np.round(row)) or (row.size and np.abs(row).max() > 2**31):
        index = int(np.argmax(row != np.round(row)))
        raise CheckFailed(f"{what} should hold the indices of classes; entry {index} is {row[index]:.6g}")
    return row.astype(np.int64)


def by_method(harvest: Harvest, name: str) -> Mapping[str, Value]:
    """Return a dict with an entry for each of the four methods."""
    value = harvest.value(name)
    if not isinstance(value, Mapping):
        raise CheckFailed(
            f"`{name}` should be a dict with an entry for each method, but is {describe(value)}"
        )
    if missing := [method for method in METHODS if method not in value]:
        raise CheckFailed(
            f"`{name}` has no entry {missing[0]!r}; it should have one for each of "
            f"{', '.join(repr(method) for method in METHODS)}"
        )
    return value


def require_share(value: float, *, what: str) -> float:
    """Return an accuracy if it lies between 0 and 1, or raise CheckFailed that says what it looks like."""
    if 0.0 <= value <= 1.0:
        return value
    raise CheckFailed(
        f"{what} is {value:.6g}; an accuracy lies between 0 and 1",
        expected="0 to 1",
        got=f"{value:.6g}",
        cause="is this in percent? Leave out the factor of 100" if 1.0 < value <= 100.0 else None,
    )
