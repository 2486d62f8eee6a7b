"""What a check found, as bounded data for a picture: values only, which the reports draw.

The numbers may be a submission's, so everything here is cut to a size. Names are ours.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from grader.checks.tolerance import Array, as_float, relative_errors
from grader.model import ErrorsPlot, LinePlot, MatrixPlot, Picture, PicturesPlot, Plot, Series

# The fixture `plot`: a maker of this module, and what it is given.
PlotIt = Callable[..., None]

MOST_PLOTS, MOST_SERIES, MOST_POINTS, MOST_CLASSES, MOST_PICTURES, MOST_ERRORS = 4, 8, 120, 20, 4, 60
GRADIENT_ERRORS = "Largest relative error of each gradient"
# More digits than can be drawn would only differ between machines.
_DIGITS, _ERROR_DIGITS = 5, 2


def lines(title: str, across: str, series: Mapping[str, Array]) -> LinePlot:
    """Draw rows of numbers against epochs, steps or layers."""
    longest = max((np.size(row) for row in series.values()), default=0)
    every = max(1, -(-longest // MOST_POINTS))
    cut = [
        Series(name, tuple(_rounded(float(value), _DIGITS) for value in as_float(row).ravel()[::every]))
        for name, row in list(series.items())[:MOST_SERIES]
    ]
    return LinePlot(title, across, tuple(cut), every)


def matrix(title: str, names: Sequence[str], counts: Array) -> MatrixPlot:
    """Draw a confusion matrix, true classes in rows."""
    cut = counts[:MOST_CLASSES, :MOST_CLASSES]
    rows = tuple(tuple(int(count) for count in row) for row in cut)
    return MatrixPlot(title, tuple(names[:MOST_CLASSES]), rows)


def gallery(
    title: str,
    images: npt.NDArray[np.uint8],
    names: Sequence[str],
    answers: Sequence[tuple[int, int, float]],
) -> PicturesPlot:
    """Draw images of our own data, (N, height, width, channels), with label, prediction and confidence."""
    shown = zip(images[:MOST_PICTURES], answers[:MOST_PICTURES], strict=True)
    return PicturesPlot(title, tuple(_picture(image, names, *answer) for image, answer in shown))


def _picture(
    image: npt.NDArray[np.uint8], names: Sequence[str], label: int, prediction: int, confidence: float
) -> Picture:
    height, width, channels = image.shape
    return Picture(
        height=height,
        width=width,
        channels=channels,
        pixels=base64.b64encode(image.tobytes()).decode(),
        true=names[label],
        predicted=names[prediction],
        confidence=_rounded(confidence, _DIGITS),
    )


def gradient_error(name: str, got: Array, truth: Array) -> ErrorsPlot:
    """Draw the largest relative error of a gradient; several of one check share an axis."""
    return errors(GRADIENT_ERRORS, {name: relative_errors(got, truth).max()})


def errors(title: str, by_name: Mapping[str, float]) -> ErrorsPlot:
    """Draw relative errors, on a logarithmic axis."""
    cut = list(by_name.items())[:MOST_ERRORS]
    values = tuple(_rounded(float(value), _ERROR_DIGITS) for _, value in cut)
    return ErrorsPlot(title, tuple(name for name, _ in cut), values)


def added(plots: tuple[Plot, ...], new: Plot) -> tuple[Plot, ...]:
    """Return the plots with another one; errors under one title are one plot."""
    for at, old in enumerate(plots):
        if isinstance(old, ErrorsPlot) and isinstance(new, ErrorsPlot) and old.title == new.title:
            both = dict(zip(old.names + new.names, old.errors + new.errors, strict=True))
            return (*plots[:at], errors(old.title, both), *plots[at + 1 :])
    return (*plots, new)[:MOST_PLOTS]


def no_plot(*_: object) -> None:
    """Draw nothing: a `PlotIt` for callers whose numbers nobody looks at."""


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
