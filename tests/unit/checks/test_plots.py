"""What is drawn of a check is bounded and plain, whatever numbers a submission gave."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from grader.checks.plots import (
    MOST_ERRORS,
    MOST_PLOTS,
    MOST_POINTS,
    MOST_SERIES,
    added,
    errors,
    gallery,
    gradient_error,
    lines,
    matrix,
)
from grader.model import CheckResult, Feedback, Outcome
from grader.records import result_from_record, result_to_record
from grader.scoring import score
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts


def test_a_long_row_is_thinned_out_evenly_and_says_so():
    plot = lines("losses", "batch", {"training": np.arange(1000.0)})
    (row,) = plot.series
    assert plot.every == 9
    assert len(row.values) <= MOST_POINTS
    assert row.values[:3] == (0.0, 9.0, 18.0)


@pytest.mark.parametrize("size", [0, 1, MOST_POINTS, MOST_POINTS + 1, 10**6])
def test_no_row_is_longer_than_the_schema_allows(size):
    plot = lines("losses", "batch", {"training": np.full(size, np.nan)})
    assert len(plot.series[0].values) <= MOST_POINTS


def test_no_more_is_drawn_than_fits():
    assert len(lines("t", "epoch", {str(n): np.ones(2) for n in range(100)}).series) == MOST_SERIES
    assert len(errors("t", {str(n): 1.0 for n in range(1000)}).errors) == MOST_ERRORS
    plots = ()
    for number in range(10):
        plots = added(plots, lines(str(number), "epoch", {}))
    assert len(plots) == MOST_PLOTS


def test_errors_of_one_check_share_an_axis():
    plots = added((), gradient_error("dL/dW", np.array([1.0, 2.0]), np.array([1.0, 2.002])))
    plots = added(plots, gradient_error("dL/db", np.array([np.nan]), np.array([1.0])))
    (plot,) = plots
    assert plot.names == ("dL/dW", "dL/db")
    assert plot.errors == (0.0005, 1.0)


def test_pictures_keep_their_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    plot = gallery("cells", image, ("a", "b"), [(0, 1, 0.91234567)])
    (picture,) = plot.pictures
    assert base64.b64decode(picture.pixels) == bytes(range(12))
    assert (picture.height, picture.width, picture.channels) == (2, 2, 3)
    assert (picture.true, picture.predicted, picture.confidence) == ("a", "b", 0.91235)


def test_all_kinds_stand_in_the_report_as_they_were_drawn():
    plan = plan_of("q6.1")
    check = plan.checks[0].check
    plots = (
        lines("losses", "epoch", {"train": np.array([1.0, np.inf, np.nan])}),
        matrix("confusion", ("a", "b"), np.array([[1, 2], [3, 4]])),
        gallery("cells", np.zeros((1, 28, 28, 3), np.uint8), ("a",), [(0, 0, 0.5)]),
        errors("gradients", {"dL/dx": 0.0}),
    )
    found = CheckResult(check, Outcome.PASSED, Feedback(""), 0.1, plots)
    sent = result_from_record(json.loads(json.dumps(result_to_record(found))))
    row = score(plan, results_of(plan) | {check.id: sent}, facts()).questions[0].checks[0]
    assert [plot.kind for plot in row.plots] == ["lines", "matrix", "pictures", "errors"]
    assert row.plots[0].series[0].values == (1.0, "inf", "nan")
