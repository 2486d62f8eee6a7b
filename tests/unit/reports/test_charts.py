"""Whatever numbers are drawn, they land inside of the drawing."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.checks.plots import lines, matrix
from grader.records import finite
from grader.reports.charts import NamedError, curves, error_axis
from grader.reports.heat_maps import confusion, gap
from grader.reports.schema import ExcerptReport, FeedbackReport, LinesReport, MatrixReport
from grader.reports.svg import linear_axis, logarithmic_axis, shown
from tests.unit.reports.pages import Page

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ODD = (0.0, -0.0, 5e-324, -5e-324, 1e-300, 1.7e308, -1.7e308, 1.0, math.inf, -math.inf, math.nan)


def lines_of(**rows: object) -> LinesReport:
    plot = lines("t", "epoch", {name: np.array(row) for name, row in rows.items()})
    return LinesReport.model_validate(finite(asdict(plot)))


def drawn(plot: LinesReport) -> str:
    return curves(plot, itertools.count(1)).drawings[0]


def require_inside(drawing: str) -> None:
    page = Page(drawing)
    width, height = map(float, page.attributes("viewbox")[0].split()[2:])
    for name in ("x", "cx", "x1", "x2"):
        assert all(-1 <= float(value) <= width + 1 for value in page.attributes(name)), name
    for name in ("y", "cy", "y1", "y2"):
        assert all(-1 <= float(value) <= height + 1 for value in page.attributes(name)), name
    for value in page.attributes("points"):
        assert all(-8 <= float(number) <= max(width, height) + 8 for number in re.split("[ ,]", value))


@given(st.lists(FINITE, max_size=6))
def test_an_axis_has_a_few_ticks_and_keeps_everything_on_it(values):
    for make in (linear_axis, logarithmic_axis):
        axis = make(values, 10.0, 90.0)
        assert 2 <= len(axis.ticks) <= 8
        assert all(10.0 <= axis.place(value) <= 90.0 for value in [*values, *(at for at, _ in axis.ticks)])


@given(st.lists(st.lists(ANY, max_size=5), max_size=3))
def test_any_rows_of_numbers_are_drawn_inside(rows):
    require_inside(drawn(lines_of(**{f"row{at}": row for at, row in enumerate(rows)})))


@pytest.mark.parametrize("pair", list(itertools.combinations(ODD, 2)), ids=str)
def test_odd_pairs_are_drawn_inside(pair):
    require_inside(drawn(lines_of(a=pair)))
    errors = [NamedError(str(at), value, is_wrong=bool(at)) for at, value in enumerate(pair)]
    require_inside(error_axis("t", errors, itertools.count(1)).drawings[0])


def test_a_row_of_a_hundred_thousand_million_steps_is_drawn_at_once():
    far = lines_of(a=range(120)).model_copy(update={"every": 10**9})
    assert "100000000000" in drawn(far)


def test_a_confusion_matrix_stands_in_its_table_too():
    plot = matrix("t", ("a", "b"), np.array([[0, 0], [5, 7]]))
    figure = confusion(MatrixReport.model_validate(finite(asdict(plot))), itertools.count(1))
    assert figure.tables[0].rows == [["a", "0", "0"], ["b", "5", "7"]]
    require_inside(figure.drawings[0])


def excerpt_of(values, shape, offset) -> ExcerptReport:
    return ExcerptReport(shape=shape, dtype="float64", offset=offset, values=values, is_whole=False)


def gap_of(expected, got, index=None):
    feedback = FeedbackReport(message="", expected=expected, got=got, first_bad_index=index)
    return gap(feedback, itertools.count(1))


def test_the_difference_is_got_minus_expected():
    expected, got = (excerpt_of([row], (1, 2), (0, 0)) for row in ([1.0, 2.0], [1.5, "inf"]))
    figure = gap_of(expected, got, (0, 1))
    assert [table.rows for table in figure.tables] == [
        [["row 0", "1", "2"]],
        [["row 0", "1.5", "inf"]],
        [["row 0", "0.5", "inf"]],
    ]


def test_windows_of_other_places_or_shapes_have_no_difference():
    one, other = excerpt_of([[1.0]], (4, 4), (0, 0)), excerpt_of([[1.0]], (4, 4), (2, 3))
    assert len(gap_of(one, other).drawings) == 2
    assert len(gap_of(one, excerpt_of([1.0], (4,), (0,))).drawings) == 2
    assert gap_of(None, other).tables[0].rows == [["row 2", "1"]]


@pytest.mark.parametrize("values", [[], "text", ["text"], [["a"]], [[1.0] * 9], [[[1.0]]], [[1.0]] * 20])
def test_what_is_no_small_window_of_numbers_is_not_drawn(values):
    assert gap_of(None, excerpt_of(values, (3, 3), (0, 0))) is None


@pytest.mark.parametrize("shape, values", [((), 2.0), ((3,), [1.0, 2.0, 3.0]), ((2, 1, 2), [[[1.0, 2.0]]])])
def test_arrays_of_any_depth_are_drawn(shape, values):
    figure = gap_of(None, excerpt_of(values, shape, (0,) * len(shape)))
    require_inside(figure.drawings[0])


@pytest.mark.parametrize(
    "value, text",
    [
        (3, "3"),
        (-3, "\u22123"),
        (1e-9, "1e\u221209"),
        (1e300, "1e300"),
        (True, "True"),
        ("-inf", "\u2212inf"),
        (10**400, "a huge number"),
    ],
)
def test_numbers_are_short(value, text):
    assert shown(value) == text
