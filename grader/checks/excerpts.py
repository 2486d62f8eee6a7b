"""Cut a readable window out of an array, around the place that matters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from grader.checks.tolerance import Array
from grader.model import ArrayExcerpt

# A window shows this many rows and columns of the last two axes, and one index of each before. A terminal has
# room for all of it, so that nothing is cut a second time, away from the difference.
ROWS, COLUMNS = 8, 6
OTHER_AXES = 1


def excerpt(array: Array, around: tuple[int, ...] | None = None) -> ArrayExcerpt:
    """Return a window of `array`, centred on the index `around` as far as the edges allow."""
    centre = around if around is not None else (0,) * array.ndim
    windows = [
        _window(size, at, _width(array.ndim - axis))
        for axis, (size, at) in enumerate(zip(array.shape, centre, strict=True))
    ]
    cut = array[tuple(windows)]
    return ArrayExcerpt(
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        offset=tuple(window.start for window in windows),
        values=_plain(np.asarray(cut).tolist()),
        is_whole=cut.shape == array.shape,
    )


def _width(from_the_end: int) -> int:
    return {1: COLUMNS, 2: ROWS}.get(from_the_end, OTHER_AXES)


def _window(size: int, at: int, width: int) -> slice:
    start = max(0, min(at - width // 2, size - width))
    return slice(start, min(size, start + width))


def _plain(value: Any) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, complex) else value
