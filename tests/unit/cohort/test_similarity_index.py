"""Pairs and weights are what comparing every submission with every other one gives."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.cohort.similarity.index import (
    LEAST_WEIGHT,
    SMALLEST_CLASS,
    best_pairs,
    make_index,
    rows,
    usual_from,
    weights_of,
)

classes = st.lists(st.sets(st.integers(0, 30), max_size=20), min_size=2, max_size=25)


def indexed(fingerprints):
    return make_index([np.array(sorted(each), np.uint64) for each in fingerprints])


def naive_score(fingerprints, one: int, other: int) -> float:
    """Say the same from the definition, one fingerprint after the other."""
    size = max(len(fingerprints), SMALLEST_CLASS)

    def weight(hash_: int) -> float:
        count = sum(hash_ in each for each in fingerprints)
        if count > max(10, len(fingerprints) // 5):
            return 0.0
        return math.log(size / max(count, 2)) / math.log(size / 2)

    totals = [sum(map(weight, fingerprints[number])) for number in (one, other)]
    shared = sum(map(weight, fingerprints[one] & fingerprints[other]))
    return shared / max(min(totals), LEAST_WEIGHT)


@settings(deadline=None)
@given(classes)
def test_scores_are_those_of_comparing_each_with_each(fingerprints):
    found = {
        (one, one + 1 + later): score
        for one, row in enumerate(rows(indexed(fingerprints)))
        for later, score in enumerate(row)
    }
    for one, other in combinations(range(len(fingerprints)), 2):
        assert found[one, other] == pytest.approx(naive_score(fingerprints, one, other))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=15, max_size=15), st.integers(1, 20))
def test_the_best_pairs_are_the_first_of_all_sorted(scores, count):
    size = 6
    pairs = list(combinations(range(size), 2))
    by_pair = dict(zip(pairs, scores, strict=True))
    every = [np.array([by_pair[one, other] for other in range(one + 1, size)]) for one in range(size)]
    expected = sorted(
        (
            (-score, one, other)
            for (one, other), score in by_pair.items()
            if score > 0 and (one, other) != (0, 1)
        )
    )
    found = best_pairs(iter(every), count, frozenset({(0, 1)}))
    assert [(-each.score, each.one, each.other) for each in found] == expected[:count]


def test_a_fingerprint_weighs_less_the_more_have_it_and_nothing_where_it_is_usual():
    counts = np.arange(1, 201)
    weights = weights_of(counts, 200)
    assert weights[0] == weights[1] == 1
    assert all(np.diff(weights[1:40]) < 0)
    assert all(weights[:40] > 0)
    assert not any(weights[40:])
    assert usual_from(200) == 40


@pytest.mark.parametrize("size", [2, 3, 10])
def test_in_a_small_class_nothing_is_usual(size):
    assert all(weights_of(np.arange(1, size + 1), size) > 0.45)


def test_who_shares_ten_lines_in_all_does_not_score_high():
    short = set(range(10))
    score = next(rows(indexed([short, short | set(range(100, 200)), set(range(300, 400))])))[0]
    assert score == pytest.approx(len(short) / LEAST_WEIGHT)


def test_a_class_without_fingerprints_has_no_pairs():
    assert best_pairs(rows(indexed([set(), set(), set()])), 10, frozenset()) == []
    assert indexed([set(), set()]).count_of(np.array([5], np.uint64)).tolist() == [0]


@settings(deadline=None)
@given(classes)
def test_each_fingerprint_is_counted_in_the_submissions_that_have_it(fingerprints):
    asked = np.arange(35, dtype=np.uint64)
    expected = [sum(hash_ in each for each in fingerprints) for hash_ in range(35)]
    assert indexed(fingerprints).count_of(asked).tolist() == expected
