"""How the scores of a class lie, as a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from grader.cohort.page.facts import Distribution
from grader.reports.figures import Figure, Table
from grader.reports.svg import Axis, Ids, drawing, element, line, linear_axis, shown, text

BINS = 10
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 480.0, 44.0, 470.0, 36.0, 190.0
_GAP = 2.0


def counts(scores: Sequence[float], highest: float) -> list[int]:
    """Return how many scores lie in each of ten equal parts from 0 on; the last holds its upper edge too."""
    found = [0] * BINS
    for score in scores:
        found[min(BINS - 1, max(0, int(BINS * score / highest)))] += 1
    return found


def histogram(scores: Sequence[float], found: Distribution, highest: float, ids: Ids) -> Figure:
    """Draw how many scores lie in each tenth of the points, and the median."""
    highest = highest if highest > 0 else 1.0
    heights = counts(scores, highest)
    names = [f"{shown(highest * at / BINS)} to {shown(highest * (at + 1) / BINS)}" for at in range(BINS)]
    x_axis = Axis(0.0, highest, _LEFT, _RIGHT, is_logarithmic=False, ticks=_ticks(highest))
    y_axis = linear_axis([0.0, float(max(heights))], _BOTTOM, _TOP)
    parts = [*_grid(x_axis, y_axis)]
    for at, height in enumerate(heights):
        parts += _bar(at, height, x_axis, y_axis)
    middle = x_axis.place(found.median)
    parts += [
        line(middle, _TOP - 16, middle, _BOTTOM, class_="line s1"),
        text(middle, _TOP - 20, f"median {shown(found.median)}", _anchor(middle), class_="label"),
    ]
    words = "; ".join(f"{name}: {height}" for name, height in zip(names, heights, strict=True) if height)
    title = "How many submissions have how many points"
    picture = drawing(ids, title, f"{words}. The median is {shown(found.median)}.", (_WIDTH, 228.0), *parts)
    rows = [[name, str(height)] for name, height in zip(names, heights, strict=True)]
    note = "Each bar counts from its left edge to below its right one; the last holds the full score too."
    return Figure(title, [picture], [Table(title, ["points", "submissions"], rows)], note)


def _bar(at: int, height: int, x_axis: Axis, y_axis: Axis) -> list[Markup]:
    width = (_RIGHT - _LEFT) / BINS
    x, y = x_axis.start + at * width + _GAP / 2, y_axis.place(height)
    if not height:
        return []
    return [
        element("rect", x=x, y=y, width=width - _GAP, height=_BOTTOM - y, class_="mark s0"),
        text(x + (width - _GAP) / 2, y - 4, height, "middle", class_="label"),
    ]


def _grid(x_axis: Axis, y_axis: Axis) -> list[Markup]:
    parts = []
    for value, words in y_axis.ticks:
        if value == int(value):  # of submissions there are no halves
            y = y_axis.place(value)
            parts += [
                line(_LEFT, y, _RIGHT, y, class_="grid"),
                text(_LEFT - 5, y + 4, words, "end", class_="label"),
            ]
    for value, words in x_axis.ticks:
        parts.append(text(x_axis.place(value), _BOTTOM + 15, words, "middle", class_="label"))
    return [*parts, text((_LEFT + _RIGHT) / 2, _BOTTOM + 31, "points", "middle", class_="label")]


def _ticks(highest: float) -> tuple[tuple[float, str], ...]:
    return tuple((highest * at / BINS, shown(highest * at / BINS)) for at in range(0, BINS + 1, 2))


def _anchor(x: float) -> str:
    return "start" if x < _LEFT + 60 else "end" if x > _RIGHT - 60 else "middle"
