"""Values that came from a worker, taken as what they should be: TypeError for anything else."""

from __future__ import annotations

import numpy as np

from grader.remote import Value


def as_text(value: Value, most: int | None = None) -> str:
    """Return a text of at most so many characters."""
    if not isinstance(value, str) or (most is not None and len(value) > most):
        raise TypeError
    return value


def as_list(value: Value, most: int) -> list[Value]:
    """Return a list of at most so many values."""
    if not isinstance(value, list) or len(value) > most:
        raise TypeError
    return value


def as_size(value: Value) -> int:
    """Return a whole number from 0 on."""
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def as_vector(value: Value, most: int) -> np.ndarray:
    """Return real numbers (n,), at most so many."""
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind != "f" or value.size > most:
        raise TypeError
    return value
