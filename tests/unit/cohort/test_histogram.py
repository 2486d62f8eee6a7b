"""Every score is in one bar of the histogram, the full score in the last."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from grader.cohort.page.facts import distribution
from grader.cohort.page.histogram import BINS, counts, histogram

SCORES = st.lists(st.integers(0, 40).map(lambda quarters: quarters / 4), min_size=1)


@given(SCORES)
def test_every_score_is_counted_once(scores):
    assert sum(counts(scores, 10.0)) == len(scores)


def test_a_bar_counts_from_its_left_edge_and_the_last_one_the_full_score_too():
    assert counts([0, 0.9, 1, 5, 9.99, 10], 10.0) == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]


@given(SCORES, st.sampled_from([10.0, 0.0, 12.5]))
def test_the_drawing_is_well_formed_and_its_table_holds_its_numbers(scores, highest):
    figure = histogram(scores, distribution(scores), highest, itertools.count(1))
    (drawing,) = figure.drawings
    assert ET.fromstring(drawing).get("role") == "img"
    (table,) = figure.tables
    assert len(table.rows) == BINS
    assert sum(int(row[1]) for row in table.rows) == len(scores)
