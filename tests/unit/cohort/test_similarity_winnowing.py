"""Whatever is shared for long enough is found, whatever stands around it, and nothing that is too short."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grader.cohort.similarity.winnowing import Grain, grain_of, k_gram_hashes, selected
from tests.unit.cohort.similarity_copies import copydetect

NOTHING = np.empty(0, np.uint64)
grains = st.builds(Grain, k=st.integers(1, 12), w=st.integers(1, 8))
symbols = st.integers(0, 3)  # few, so that the same runs and equal hashes occur often
sequences = st.lists(symbols)


def numbers(values) -> np.ndarray:
    return np.array(values, np.uint64)


def fingerprints(tokens, grain, starter=NOTHING) -> set[int]:
    hashes = k_gram_hashes(numbers(tokens), grain.k)
    return set(hashes[selected(hashes, grain.w, starter)].tolist())


@given(grains, st.tuples(sequences, sequences), st.tuples(sequences, sequences), st.data())
def test_a_passage_of_t_tokens_gives_a_fingerprint_in_common(grain, around, around_other, data):
    t = grain.surely_found
    shared = data.draw(st.lists(symbols, min_size=t, max_size=t + 5))
    one, other = (before + shared + after for before, after in (around, around_other))
    assert fingerprints(one, grain) & fingerprints(other, grain)


@given(grains, st.lists(symbols, max_size=40), st.lists(symbols, max_size=40))
def test_what_shares_no_run_of_k_tokens_has_no_fingerprint_in_common(grain, one, other):
    runs = [
        {tuple(each[at : at + grain.k]) for at in range(len(each) - grain.k + 1)} for each in (one, other)
    ]
    assume(not runs[0] & runs[1])
    assert not fingerprints(one, grain) & fingerprints(other, grain)


@given(grains, st.lists(symbols, max_size=60))
def test_the_positions_are_those_of_the_papers_definition(grain, tokens):
    hashes = k_gram_hashes(numbers(tokens), grain.k).tolist()
    width = min(grain.w, len(hashes))
    windows = [hashes[at : at + width] for at in range(len(hashes) - width + 1)] if hashes else []
    expected = {
        at + max(inside for inside, hash_ in enumerate(window) if hash_ == min(window))
        for at, window in enumerate(windows)
    }
    assert selected(numbers(hashes), grain.w, NOTHING).tolist() == sorted(expected)


@given(grains, st.lists(symbols, max_size=30), st.lists(symbols, max_size=30), st.data())
def test_beside_what_was_given_nothing_is_missed(grain, before, after, data):
    """A shared passage with any run of its own is found, although all other runs of it were given."""
    t = grain.surely_found
    shared = data.draw(st.lists(symbols, min_size=t, max_size=t + 5))
    hashes = k_gram_hashes(numbers(shared), grain.k)[: grain.w]
    own = data.draw(st.sampled_from(hashes.tolist()))
    starter = hashes[hashes != own]
    found = fingerprints(before + shared + after, grain, starter) & fingerprints(shared, grain, starter)
    assert found
    assert not found & set(starter.tolist())


def test_equal_runs_have_equal_hashes_wherever_they_stand():
    tokens = numbers([7, 1, 2, 3, 9, 1, 2, 3])
    hashes = k_gram_hashes(tokens, 3)
    assert hashes[1] == hashes[5]
    assert len(set(hashes.tolist())) == 5


@given(st.integers(5, 1000))
def test_the_grain_finds_what_it_was_asked_for(min_tokens):
    grain = grain_of(min_tokens)
    assert grain.surely_found == min_tokens
    assert grain.k > grain.w >= 1


@pytest.mark.parametrize("tokens", [[], [1], [1, 2]])
def test_a_text_of_fewer_than_k_tokens_has_no_fingerprint(tokens):
    assert fingerprints(tokens, Grain(k=3, w=2)) == set()


def test_a_text_of_k_tokens_has_one():
    assert len(fingerprints([1, 2, 3], Grain(k=3, w=4))) == 1


@settings(deadline=None)  # it loads a library first
@given(st.lists(st.integers(0, 2**40), min_size=20, max_size=80, unique=True), st.integers(2, 8))
def test_copydetect_keeps_the_same_positions(values, w):
    """It also keeps what is smallest before its first window is full."""
    winnow = copydetect().pywinnow._winnow
    theirs = set(winnow(np.array(values, np.int64), w).tolist())
    ours = set(selected(numbers(values), w, NOTHING).tolist())
    assert ours <= theirs
    assert all(position < w for position in theirs - ours)
