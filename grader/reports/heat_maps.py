"""The gap between two arrays, and a confusion matrix, as small maps of colours with their numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.reports.figures import Figure, Table
from grader.reports.schema import ExcerptReport, FeedbackReport, MatrixReport
from grader.reports.svg import (
    NON_FINITE,
    Ids,
    colour,
    diverging,
    drawing,
    element,
    finite,
    ink_on,
    line,
    sequential,
    short,
    shown,
    text,
)

Grid = Sequence[Sequence[object]]

_CELL, _HEIGHT, _LEFT, _TOP = 50.0, 24.0, 30.0, 16.0
_LONG = 7  # characters; what is longer is written smaller
_GREY = "#8c8c8c"
_MATRIX_CELL, _NAMES_WIDTH, _NARROWEST = 27.0, 116.0, 340.0


@dataclass(frozen=True, slots=True)
class _Map:
    """One window: what it is, its numbers, where it stands in its array, and what is darkest."""

    words: str
    grid: Grid
    excerpt: ExcerptReport
    largest: float


def gap(feedback: FeedbackReport, ids: Ids) -> Figure | None:
    """Draw expected, got and their difference, those of them that are arrays; None where there is none."""
    expected, got = feedback.expected, feedback.got
    grids = {
        name: _grid(excerpt)
        for name, excerpt in (("expected", expected), ("got", got))
        if isinstance(excerpt, ExcerptReport)
    }
    if not grids or not all(_is_drawable(grid) for grid in grids.values()):
        return None
    largest = _largest(*grids.values())
    excerpts = {name: getattr(feedback, name) for name in grids}
    maps = [
        _Map(f"{name}: {_described(excerpts[name])}", grid, excerpts[name], largest)
        for name, grid in grids.items()
    ]
    if isinstance(expected, ExcerptReport) and isinstance(got, ExcerptReport) and _fit(expected, got):
        difference = _difference(grids["expected"], grids["got"])
        words = f"difference, got minus expected{_summary(difference)}"
        maps.append(_Map(words, difference, got, _largest(difference)))
    bad = feedback.first_bad_index
    return Figure(
        caption="The gap",
        drawings=[_drawn(each, ids, bad) for each in maps],
        tables=[_table(each) for each in maps],
        note="Blue: below 0. Orange: above 0. Hatched: nan or inf."
        + (" Framed: the first that is wrong." if bad else ""),
    )


def confusion(plot: MatrixReport, ids: Ids) -> Figure:
    """Draw a confusion matrix, coloured by the share of each true class."""
    size = len(plot.names)
    top, left = 16.0, _NAMES_WIDTH
    cells = []
    for row, (name, counts) in enumerate(zip(plot.names, plot.counts, strict=True)):
        y = top + row * _MATRIX_CELL
        cells.append(text(left - 5, y + 17, f"{short(name, 15)} {row}", "end", class_="label"))
        cells.append(text(left + (row + 0.5) * _MATRIX_CELL, top - 4, row, "middle", class_="label"))
        for column, count in enumerate(counts):
            rgb = sequential(count / max(1, sum(counts)))
            x = left + column * _MATRIX_CELL
            cells += _cell((x, y), (_MATRIX_CELL, _MATRIX_CELL), str(count), rgb)
            if row == column:
                cells.append(_frame((x, y), (_MATRIX_CELL, _MATRIX_CELL)))
    right = sum(plot.counts[at][at] for at in range(size))
    total = sum(map(sum, plot.counts))
    words = f"{right:,} of {total:,} on the diagonal, which is what is predicted right."
    picture = drawing(
        ids,
        plot.title,
        f"True classes in rows, predicted ones in columns; {words}",
        (max(_NARROWEST, left + size * _MATRIX_CELL + 2), top + size * _MATRIX_CELL + 2),
        *cells,
    )
    rows = [[name, *map(str, counts)] for name, counts in zip(plot.names, plot.counts, strict=True)]
    table = Table(f"{plot.title}: rows are true classes", ["true class", *plot.names], rows)
    note = f"Rows are true classes, columns predicted ones. {words}"
    return Figure(plot.title, [picture], [table], note)


def _drawn(each: _Map, ids: Ids, bad: tuple[int, ...] | None) -> Markup:
    words, grid, excerpt, largest = each.words, each.grid, each.excerpt, each.largest
    first_row, first_column = _offset(excerpt)
    parts: list[Markup] = []
    marked = None if bad is None else _place_in(bad, excerpt)
    columns = max(map(len, grid))
    for column in range(columns):
        middle = _LEFT + (column + 0.5) * _CELL
        parts.append(text(middle, _TOP - 4, first_column + column, "middle", class_="label"))
    for row, values in enumerate(grid):
        y = _TOP + row * _HEIGHT
        parts.append(text(_LEFT - 5, y + 16, first_row + row, "end", class_="label"))
        for column, value in enumerate(values):
            number = finite(value)
            rgb = None if number is None else diverging(number, largest)
            parts += _cell((_LEFT + column * _CELL, y), (_CELL, _HEIGHT), shown(value), rgb)
    if marked is not None and marked[0] < len(grid) and marked[1] < columns:
        corner = (_LEFT + marked[1] * _CELL, _TOP + marked[0] * _HEIGHT)
        parts.append(_frame(corner, (_CELL, _HEIGHT)))
    size = (_LEFT + 6 * _CELL + 2, _TOP + len(grid) * _HEIGHT + 2)
    title, _, rest = words.partition(": " if ": " in words else "; ")
    return element(
        "div",
        element("p", words, class_="map-title"),
        drawing(ids, title, rest or words, size, *parts),
        class_="map",
    )


def _cell(
    corner: tuple[float, float],
    size: tuple[float, float],
    words: str,
    rgb: tuple[int, int, int] | None,
) -> list[Markup]:
    """Return one cell; without a colour it is hatched."""
    (x, y), (width, height) = corner, size
    fill = _GREY if rgb is None else colour(rgb)
    ink = "#000000" if rgb is None else ink_on(rgb)
    parts = [element("rect", x=x, y=y, width=width, height=height, fill=fill, class_="cell")]
    if rgb is None:
        parts += [
            line(x + at, y + height, x + at + height / 2, y, stroke="#ffffff", stroke_width=1.5)
            for at in (2.0, 13.0, 25.0, 36.0)
        ]
        plate = {"x": x + 9, "y": y + 5, "width": width - 18, "height": height - 10}
        parts.append(element("rect", **plate, fill="#ffffff"))
    small = " small" if len(words) > _LONG else ""
    place = (x + width / 2, y + height / 2 + 4)
    return [*parts, text(*place, words, "middle", fill=ink, class_=f"value{small}")]


def _frame(corner: tuple[float, float], size: tuple[float, float]) -> Markup:
    (x, y), (width, height) = corner, size
    outline = {"x": x + 1.5, "y": y + 1.5, "width": width - 3, "height": height - 3, "fill": "none"}
    return element("rect", **outline, stroke="#000000", stroke_width=2, class_="frame")


def _table(each: _Map) -> Table:
    first_row, first_column = _offset(each.excerpt)
    columns = [f"column {first_column + at}" for at in range(max(map(len, each.grid)))]
    rows = [[f"row {first_row + at}", *map(shown, values)] for at, values in enumerate(each.grid)]
    return Table(each.words, ["", *columns], rows)


def _grid(excerpt: ExcerptReport) -> Grid:
    """Return the window as rows; of axes before the last two it holds one index each."""
    values: object = excerpt.values
    for _ in range(len(excerpt.shape) - 2):
        values = values[0] if isinstance(values, list) and values else values
    if not isinstance(values, list):
        return [[values]]
    return values if values and all(isinstance(row, list) for row in values) else [values]


def _is_drawable(grid: Grid) -> bool:
    """Say whether a window is small, and holds nothing but numbers."""
    return (
        0 < len(grid) <= 16
        and 0 < max(map(len, grid)) <= 6
        and all(isinstance(value, int | float) or value in NON_FINITE for row in grid for value in row)
    )


def _fit(expected: ExcerptReport, got: ExcerptReport) -> bool:
    return expected.shape == got.shape and expected.offset == got.offset


def _difference(expected: Grid, got: Grid) -> list[list[object]]:
    return [
        [_minus(b, a) for a, b in zip(row, other, strict=False)]
        for row, other in zip(expected, got, strict=False)
    ]


def _minus(got: object, expected: object) -> float | str:
    one, other = finite(got), finite(expected)
    if one is None or other is None:
        return got if isinstance(got, str) and other is not None else "nan"
    return one - other if finite(one - other) is not None else "inf"


def _largest(*grids: Grid) -> float:
    numbers = [finite(value) for grid in grids for row in grid for value in row]
    return max((abs(number) for number in numbers if number is not None), default=0.0)


def _summary(difference: Grid) -> str:
    values = [value for row in difference for value in row]
    bad = sum(finite(value) is None for value in values)
    other = f", and {bad} {'is' if bad == 1 else 'are'} no finite number" if bad else ""
    return f": the largest of these is {shown(_largest(difference))}{other}"


def _described(excerpt: ExcerptReport) -> str:
    place = "" if excerpt.is_whole else f", the part from {list(excerpt.offset)} on"
    return f"{excerpt.dtype} of shape {excerpt.shape}{place}"


def _offset(excerpt: ExcerptReport) -> tuple[int, int]:
    padded = (0, 0, *excerpt.offset)
    return padded[-2], padded[-1]


def _place_in(index: tuple[int, ...], excerpt: ExcerptReport) -> tuple[int, int] | None:
    """Return row and column of an index in the window; None where it is outside of it."""
    padded = (0, 0, *index)
    first_row, first_column = _offset(excerpt)
    row, column = padded[-2] - first_row, padded[-1] - first_column
    return (row, column) if row >= 0 and column >= 0 else None
