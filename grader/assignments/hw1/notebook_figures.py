"""Find in a notebook's figures what a question asks to be drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from grader.assignments.hw1.notebook_interface import Axes, Harvest
from grader.checks.tolerance import Array

PICTURE = (28, 28)
# A figure is drawn in double precision from what may be single.
_RTOL = 1e-4


def all_axes(harvest: Harvest) -> list[Axes]:
    """Return every plot of a question."""
    return [axes for figure in harvest.figures for axes in figure.axes]


def pictures(harvest: Harvest) -> int:
    """Return how many pictures of 28 x 28 pixels are shown; many joined in one image count as many."""
    shapes = [shape for axes in all_axes(harvest) for shape in axes.images]
    return sum(_pictures_in(shape) for shape in shapes)


def _pictures_in(shape: tuple[int, ...]) -> int:
    if len(shape) < 2 or min(shape[:2]) < PICTURE[0]:
        return 0
    return (shape[0] // PICTURE[0]) * (shape[1] // PICTURE[1])


def titles_of_pictures(harvest: Harvest) -> list[str]:
    """Return what stands beside each single picture: its title, or else another text of its own."""
    return [
        next(
            (text.strip() for text in (axes.title, axes.xlabel, axes.ylabel, *axes.texts) if text.strip()), ""
        )
        for axes in all_axes(harvest)
        if any(tuple(shape[:2]) == PICTURE for shape in axes.images)
    ]


def has_bars(harvest: Harvest, heights: Iterable[float]) -> bool:
    """Say whether some plot has bars of these lengths, in whatever order."""
    wanted = Counter(float(height) for height in heights)
    return any(Counter(float(bar) for bar in axes.bars) == wanted for axes in all_axes(harvest))


def is_drawn(harvest: Harvest, curve: Array) -> bool:
    """Say whether some line is this curve, or this curve in percent."""
    return any(is_line(line, curve) for axes in all_axes(harvest) for line in axes.lines)


def is_line(line: Array, curve: Array) -> bool:
    """Say whether a line is this curve, or this curve in percent."""
    got = np.asarray(line)
    if got.shape != curve.shape or got.dtype.kind not in "fiu":
        return False
    return any(
        np.allclose(got, factor * curve, rtol=_RTOL, atol=1e-9, equal_nan=True) for factor in (1.0, 100.0)
    )


def not_drawn(harvest: Harvest, curves: Sequence[tuple[str, Array]]) -> list[str]:
    """Return the names of the curves that no line shows."""
    return [name for name, curve in curves if not is_drawn(harvest, curve)]


def shows_matrix(harvest: Harvest, size: int) -> bool:
    """Say whether a square matrix is shown, as an image or as numbers in a plot."""
    return any(
        any(tuple(shape[:2]) == (size, size) for shape in axes.images)
        or sum(_is_number(text) for text in axes.texts) >= size * size
        for axes in all_axes(harvest)
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text.strip().rstrip("%")))
    except ValueError:
        return False
