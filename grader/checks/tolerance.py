"""How close is close enough: tolerances that follow the precision a value was computed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

# Rounding alone leaves about 1e-14 and 1e-6 on sums of a few dozen products; a realistic fault (a factor, a
# sign, one entry, 1 %) is far above both. There is no row for float16: its rounding would hide a fault.
_RELATIVE = {8: 1e-8, 4: 1e-4}
_COARSEST = min(_RELATIVE)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """|got - expected| <= atol + rtol |expected|, entry by entry."""

    rtol: float
    atol: float


def tolerance_for(expected: Array, *computed: object, rtol: float | None = None) -> Tolerance:
    """Return the tolerance for values of the size of `expected`, in the coarsest precision of `computed`.

    Without `rtol` it follows the dtype: 1e-8 in float64, 1e-4 in float32; a given `rtol` is for
    float64 and is never tightened. The absolute part is `rtol` times the root mean square of
    `expected`, since an entry that is a difference of large terms carries their rounding.
    """
    by_dtype = _RELATIVE[coarsest_itemsize(computed)]
    relative = by_dtype if rtol is None else max(rtol, by_dtype)
    return Tolerance(rtol=relative, atol=relative * _typical_size(expected))


def coarsest_itemsize(computed: Iterable[object]) -> int:
    """Return the bytes a number of the least precise float array among `computed`: 8 or 4.

    Integers and Python numbers are exact or double, so they count as 8; float16 counts as float32.
    """
    sizes = [
        max(value.dtype.itemsize, _COARSEST)
        for value in computed
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    ]
    return min(sizes, default=8)


def within(got: Array, expected: Array, tolerance: Tolerance) -> npt.NDArray[np.bool_]:
    """Say for each entry whether it is close enough; NaN and infinity never are. The shapes must be equal."""
    with np.errstate(all="ignore"):
        gap = np.abs(as_float(got) - as_float(expected))
        allowed = tolerance.atol + tolerance.rtol * np.abs(as_float(expected))
        # An allowance that overflowed would forgive anything.
        close: npt.NDArray[np.bool_] = np.isfinite(gap) & np.isfinite(allowed) & (gap <= allowed)
    return close


def relative_errors(got: Array, expected: Array, *, floor: float = 1e-12) -> FloatArray:
    """Return |got - expected| / max(floor, |got| + |expected|); 0 where both are 0, 1 at the most."""
    a, n = as_float(got), as_float(expected)
    with np.errstate(all="ignore"):
        ratio = np.abs(a - n) / np.maximum(floor, np.abs(a) + np.abs(n))
    # inf/inf and nan are as wrong as can be.
    return np.where(np.isfinite(ratio), ratio, 1.0)


def as_float(value: Array) -> FloatArray:
    """Return the values as float64, without a copy where they already are."""
    return np.asarray(value, dtype=np.float64)


def _typical_size(expected: Array) -> float:
    """Return the root mean square, scaled first so that large values do not overflow."""
    values = as_float(expected)
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.mean((values / largest) ** 2)))
