"""Plots as data: matplotlib's backend in the worker, which draws nothing and notes what was plotted.

matplotlib finds this module by the name in MPLBACKEND and takes `FigureCanvas`, `FigureManager` and `show`
from it. A picture would say no more than its numbers, costs a second, and nobody here opens one.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
_bases: Any = importlib.import_module("matplotlib.backend_bases")
_helpers: Any = importlib.import_module("matplotlib._pylab_helpers")

MAX_FIGURES = 60
MAX_AXES = 400  # of all figures of a cell
MAX_ARTISTS = 100  # lines, images, texts of one axes
MAX_BARS = 1000
MAX_POINTS = 20_000  # of one line
MAX_LABEL = 200

FigureCanvas = _agg.FigureCanvasAgg


class FigureManager(_bases.FigureManagerBase):  # type: ignore[misc]
    """A figure's window, of which there is none."""

    def show(self) -> None:
        """Note one figure, as `figure.show()` would show it."""
        _shown(self.canvas.figure)


_taken: dict[int, Any] = {}  # the figures of the cell at hand, by identity
_listeners: list[Callable[[Any], None]] = []


def settle_in() -> None:
    """Have matplotlib look for its folders anew: it may have been loaded where it had others."""
    matplotlib: Any = importlib.import_module("matplotlib")
    for name in ("get_configdir", "get_cachedir"):
        find = getattr(matplotlib, name)
        setattr(matplotlib, name, functools.cache(getattr(find, "__wrapped__", find)))


def show(*_: object, **__: object) -> None:
    """Note all open figures and close them, as an inline backend does."""
    for manager in list(_helpers.Gcf.get_all_fig_managers()):
        _shown(manager.canvas.figure)
    _helpers.Gcf.destroy_all()


def when_shown(listener: Callable[[Any], None]) -> None:
    """Have a function called with each figure as it is shown for the first time in a cell."""
    _listeners[:] = [listener]


def take_cell() -> list[dict[str, object]]:
    """Note what is still open, and return the figures since the last call, in order, as data."""
    show()
    figures = list(_taken.values())
    _taken.clear()
    axes_left = MAX_AXES
    described: list[dict[str, object]] = []
    for figure in figures[:MAX_FIGURES]:
        axes = list(figure.axes)[:axes_left]
        axes_left -= len(axes)
        described.append({"axes": [_described(each) for each in axes]})
    return described


def note(figure: Any) -> None:
    """Note a figure that is displayed as a value."""
    _taken[id(figure)] = figure


def _shown(figure: Any) -> None:
    is_new = id(figure) not in _taken
    _taken[id(figure)] = figure
    if is_new:
        for listener in _listeners:
            listener(figure)


def _described(axes: Any) -> dict[str, object]:
    return {
        "title": _text(axes.get_title()),
        "xlabel": _text(axes.get_xlabel()),
        "ylabel": _text(axes.get_ylabel()),
        "lines": list(_lines(axes)),
        "bars": np.array(list(_bars(axes))[:MAX_BARS], dtype=np.float64),
        "images": list(_images(axes))[:MAX_ARTISTS],
        "texts": list(_texts(axes))[:MAX_ARTISTS],
    }


def _lines(axes: Any) -> Iterator[np.ndarray]:
    for line in list(axes.lines)[:MAX_ARTISTS]:
        with contextlib.suppress(Exception):  # data that is no numbers
            yield np.array(line.get_ydata(), dtype=np.float64).reshape(-1)[:MAX_POINTS]


def _bars(axes: Any) -> Iterator[float]:
    containers = [each for each in axes.containers if hasattr(each, "patches")]
    for container in containers:
        is_flat = getattr(container, "orientation", "vertical") == "horizontal"
        for patch in container.patches:
            yield float(patch.get_width() if is_flat else patch.get_height())


def _images(axes: Any) -> Iterator[list[int]]:
    for image in (*axes.images, *axes.collections):
        with contextlib.suppress(Exception):  # a collection that is no grid of colours
            yield [int(size) for size in image.get_array().shape]


def _texts(axes: Any) -> Iterator[str]:
    legend = axes.get_legend()
    for text in (*axes.texts, *([] if legend is None else legend.get_texts())):
        yield _text(text.get_text())
    for axis in (axes.xaxis, axes.yaxis):
        if axis.isDefault_majfmt is False:  # names that somebody has set
            with contextlib.suppress(Exception):
                yield from (_text(label.get_text()) for label in axis.get_ticklabels())


def _text(value: object) -> str:
    return str(value)[:MAX_LABEL]
