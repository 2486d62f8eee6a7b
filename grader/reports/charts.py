"""Curves, statistics against depth, and relative errors on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.reports.figures import Figure, Table
from grader.reports.schema import LinesReport, SeriesReport
from grader.reports.svg import (
    Axis,
    Ids,
    drawing,
    element,
    finite,
    line,
    linear_axis,
    logarithmic_axis,
    short,
    shown,
    text,
)

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 48.0, 330.0, 10.0, 170.0
_LEGEND_TOP, _LEGEND_ROW = 216.0, 17.0
# Numbers further apart than this are drawn on a logarithmic axis.
_WIDE = 100.0
_MOST_MARKS = 30
_ROW = 27.0
_SMALLEST_ERROR, _USUAL_ERROR = 1e-16, 1e-8


@dataclass(frozen=True, slots=True)
class NamedError:
    """The largest relative error of one comparison."""

    name: str
    error: object
    is_wrong: bool


def curves(plot: LinesReport, ids: Ids) -> Figure:
    """Draw named rows of numbers, each with a colour, a dash and a mark of its own."""
    numbers = [number for row in plot.series for value in row.values if (number := finite(value)) is not None]
    positive = [number for number in numbers if number > 0]
    is_wide = bool(positive) and min(numbers) >= 0 and max(positive) > _WIDE * min(positive)
    y_axis = (logarithmic_axis if is_wide else linear_axis)(numbers, _BOTTOM, _TOP)
    longest = max((len(row.values) for row in plot.series), default=0)
    last = 1 + (longest - 1) * plot.every
    x_axis = Axis(1.0, max(2.0, last), _LEFT + 8, _RIGHT - 8, is_logarithmic=False, ticks=_counts(last))
    parts = [*_grid(x_axis, y_axis, plot.across)]
    for number, row in enumerate(plot.series):
        parts += _row(number, row, plot.every, x_axis, y_axis)
        parts += _legend(number, row.name)
    height = _LEGEND_TOP + _LEGEND_ROW * -(-len(plot.series) // 2)
    words = "; ".join(map(_in_words, plot.series))
    scale = " The axis is logarithmic; 0 stands at its lower edge." if is_wide else ""
    picture = drawing(ids, plot.title, f"Against {plot.across}: {words}.{scale}", (_WIDTH, height), *parts)
    columns = [plot.across, *(row.name for row in plot.series)]
    rows = [
        [
            str(1 + at * plot.every),
            *(shown(row.values[at]) if at < len(row.values) else "" for row in plot.series),
        ]
        for at in range(longest)
    ]
    thinned = (
        f" Of {plot.across} after {plot.across}, every {plot.every}th is drawn." if plot.every > 1 else ""
    )
    return Figure(plot.title, [picture], [Table(plot.title, columns, rows)], (scale + thinned).strip())


def error_axis(title: str, errors: Sequence[NamedError], ids: Ids) -> Figure:
    """Draw relative errors as points on one logarithmic axis."""
    sizes = [number for each in errors if (number := finite(each.error)) is not None and number > 0]
    axis = logarithmic_axis([*(max(size, _SMALLEST_ERROR) for size in sizes), _USUAL_ERROR, 1.0], 14.0, 280.0)
    bottom = _TOP + _ROW * len(errors) + 6
    parts: list[Markup] = []
    for value, words in axis.ticks:
        x = axis.place(value)
        parts += [
            line(x, _TOP, x, bottom, class_="grid"),
            text(x, bottom + 14, words, "middle", class_="label"),
        ]
    for number, each in enumerate(errors):
        y = _TOP + _ROW * number + 20
        size = finite(each.error)
        x = axis.place(1.0 if size is None else size)
        parts += [
            text(2, y - 8, short(each.name, 52), class_="label"),
            line(axis.start, y, axis.end, y, class_="grid"),
            _mark(1 if each.is_wrong else 0, x, y, "wrong" if each.is_wrong else "s0"),
            text(288, y + 4, shown(each.error), class_="label"),
        ]
    words = "; ".join(f"{each.name}: {shown(each.error)}" for each in errors)
    picture = drawing(ids, title, f"{words}. The axis is logarithmic.", (_WIDTH, bottom + 22), *parts)
    rows = [[each.name, shown(each.error)] for each in errors]
    note = "The axis is logarithmic; 0 stands at its left edge." + (
        " A square belongs to a check that failed." if any(each.is_wrong for each in errors) else ""
    )
    return Figure(title, [picture], [Table(title, ["compared", "relative error"], rows)], note)


def _grid(x_axis: Axis, y_axis: Axis, across: str) -> Iterator[Markup]:
    for value, words in y_axis.ticks:
        y = y_axis.place(value)
        yield line(_LEFT, y, _RIGHT, y, class_="grid")
        yield text(_LEFT - 5, y + 4, words, "end", class_="label")
    for value, words in x_axis.ticks:
        yield text(x_axis.place(value), _BOTTOM + 15, words, "middle", class_="label")
    yield text((_LEFT + _RIGHT) / 2, _BOTTOM + 31, across, "middle", class_="label")


def _row(number: int, row: SeriesReport, every: int, x_axis: Axis, y_axis: Axis) -> Iterator[Markup]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(row.values):
        x, size = x_axis.place(1 + at * every), finite(value)
        if size is None:
            pieces.append([])
            yield text(x, _TOP + 8 + 11 * number, shown(value), "middle", class_="label")
        else:
            pieces[-1].append((x, y_axis.place(size)))
    for piece in pieces:
        if len(piece) > 1:
            places = " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)
            yield element("polyline", points=places, class_=f"line s{number}")
        if len(row.values) <= _MOST_MARKS or len(piece) == 1:
            for x, y in piece:
                yield _mark(number, x, y, f"s{number}")


def _mark(number: int, x: float, y: float, class_: str) -> Markup:
    """Return one of four shapes, so that colour is not all that tells rows apart."""
    size = 3.5
    if number % 4 == 0:
        return element("circle", cx=x, cy=y, r=size, class_=f"mark {class_}")
    corners = {
        1: ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        2: ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        3: ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    }[number % 4]
    places = " ".join(f"{x + size * right:.1f},{y + size * down:.1f}" for right, down in corners)
    return element("polygon", points=places, class_=f"mark {class_}")


def _legend(number: int, name: str) -> Iterator[Markup]:
    x, y = _LEFT + 145.0 * (number % 2), _LEGEND_TOP + _LEGEND_ROW * (number // 2)
    yield line(x, y, x + 24, y, class_=f"line s{number}")
    yield _mark(number, x + 12, y, f"s{number}")
    yield text(x + 30, y + 4, short(name, 18), class_="label")


def _counts(last: int) -> tuple[tuple[float, str], ...]:
    """Return ticks for a count from 1: whole numbers, at most ten of them."""
    every = next(
        factor * 10**power for power in range(20) for factor in (1, 2, 5) if last <= 10 * factor * 10**power
    )
    return tuple((float(at), str(at)) for at in range(every, last + 1, every))


def _in_words(row: SeriesReport) -> str:
    if not row.values:
        return f"{row.name} has no numbers"
    return f"{row.name} goes from {shown(row.values[0])} to {shown(row.values[-1])}"
