"""Figures as numbers: what the worker's matplotlib says was plotted, taken strictly and within limits."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grader.notebooks.strict_values import as_list, as_size, as_text, as_vector
from grader.remote import Value

# Of the figures of one cell. The worker keeps to the same, unless somebody else speaks for it.
MAX_FIGURES, MAX_AXES, MAX_ARTISTS, MAX_BARS, MAX_POINTS = 60, 400, 100, 1000, 20_000
MAX_DIMENSIONS, MAX_TEXT = 8, 200


@dataclass(frozen=True, slots=True)
class Axes:
    """One plot: its labels, y data of each line (n,), heights of bars, shapes of pictures, and texts."""

    title: str
    xlabel: str
    ylabel: str
    lines: tuple[np.ndarray, ...]
    bars: tuple[float, ...]
    images: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that a cell showed, or left open at its end."""

    axes: tuple[Axes, ...]


def read_figures(found: Value) -> tuple[Figure, ...]:
    """Read the figures of a cell; one that is described in no known way, or is too large, is none."""
    figures = []
    axes_left = MAX_AXES
    for each in (found if isinstance(found, list) else [])[:MAX_FIGURES]:
        with contextlib.suppress(TypeError, ValueError, LookupError, AttributeError):
            axes = tuple(map(_axes, as_list(each["axes"], axes_left)))
            axes_left -= len(axes)
            figures.append(Figure(axes))
    return tuple(figures)


def _axes(found: Mapping[str, Value]) -> Axes:
    most = MAX_ARTISTS
    return Axes(
        title=as_text(found["title"], MAX_TEXT),
        xlabel=as_text(found["xlabel"], MAX_TEXT),
        ylabel=as_text(found["ylabel"], MAX_TEXT),
        lines=tuple(as_vector(line, MAX_POINTS) for line in as_list(found["lines"], most)),
        bars=tuple(map(float, as_vector(found["bars"], MAX_BARS))),
        images=tuple(
            tuple(map(as_size, as_list(shape, MAX_DIMENSIONS))) for shape in as_list(found["images"], most)
        ),
        texts=tuple(as_text(text, MAX_TEXT) for text in as_list(found["texts"], most)),
    )
