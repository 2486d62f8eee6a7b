"""How exactly two arrays agree that agree well enough: a derivative by differences has ten right digits.

A closed form in float64 leaves errors near 1e-16 of the typical size; central differences leave 1e-11 at
best, and pass where 1e-8 is asked for. A function linear in what is moved is the exception: with a step of 1
its differences are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.checks.tolerance import Array, as_float, coarsest_itemsize

# Right closed forms, however they are written, stay two orders of magnitude below.
ROUNDING = 1e-13

FlagIt = Callable[[str, str], None]  # kind, message


def inexactness(got: Array, expected: Array, *computed: object) -> float:
    """Return the largest error, as a part of the typical size; 0 where anything came in less than float64."""
    if coarsest_itemsize((got, *computed)) < 8:
        return 0.0
    typical = float(np.sqrt(np.mean(as_float(expected) ** 2)))
    return float(np.abs(as_float(got) - as_float(expected)).max(initial=0.0)) / max(typical, 1e-300)


def flag_differences(flag: FlagIt, error: float, *, what: str) -> None:
    """Flag a right derivative that is no closer to its closed form than differences would be."""
    if error > ROUNDING:
        flag(
            "finite_differences",
            f"{what} agrees with its closed form to {error:.0e} only, where rounding leaves about 1e-16: is "
            "the derivative computed by differences, or a small constant added?",
        )
