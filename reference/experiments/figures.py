"""Plots as figures of Matplotlib, drawn without a display and without its global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Picture = tuple[str, np.ndarray]
"""A title, and an image (28, 28) or (28, 28, 3), uint8."""

__all__ = ["Figure", "Picture", "bars", "confusion_matrix", "curves", "pictures"]


def curves(lines: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str) -> Figure:
    """Plot lines by name, their values at 1, 2 and so on."""
    figure = _figure(7, 4.5)
    axes = figure.add_subplot(title=title, xlabel=x_label, ylabel=y_label)
    for name, values in lines.items():
        axes.plot(range(1, len(values) + 1), values, marker=".", label=name)
    axes.legend()
    return figure


def bars(heights: Mapping[str, int], *, title: str) -> Figure:
    """Plot a bar for each name."""
    figure = _figure(8, 4.5)
    axes = figure.add_subplot(title=title)
    axes.bar(list(heights), list(heights.values()))
    axes.tick_params(axis="x", labelrotation=30)
    return figure


def confusion_matrix(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Figure:
    """Show counts, true classes in rows, with each number in its square."""
    figure = _figure(8.5, 7.5)
    axes = figure.add_subplot(title="Confusion matrix", xlabel="predicted class", ylabel="true class")
    matrix = np.asarray(counts)
    figure.colorbar(axes.imshow(matrix, cmap="Blues"))
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if count > matrix.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    return figure


def pictures(shown: Sequence[Picture], *, columns: int) -> Figure:
    """Show images with their titles in a grid; none at all make an empty figure."""
    rows = max(1, -(-len(shown) // columns))
    figure = _figure(2.4 * columns, 2.6 * rows)
    for place, (title, image) in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(image, cmap="gray")
        axes.set_title(title, fontsize=7)
        axes.set_axis_off()
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
