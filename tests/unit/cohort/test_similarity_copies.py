"""Copies of right submissions rank above every pair that nobody copied, however they are hidden.

The classes are built here from fixtures: `honest_class()` says which were written apart, and why.
"""

from __future__ import annotations

import io
import zlib
from functools import cache
from pathlib import PurePosixPath

import numpy as np
import pytest

from fixtures.build import own_files
from grader.cohort.similarity.comparing import fingerprints_of, given_hashes
from grader.cohort.similarity.index import Scored, best_pairs, make_index, rows
from grader.cohort.similarity.sources import read_code, read_starter
from grader.cohort.similarity.winnowing import grain_of
from grader.settings import resource
from tests.unit.cohort.similarity_copies import (
    DISGUISES,
    RENAMED,
    THOROUGH_DISGUISES,
    Files,
    copydetect,
    honest_class,
    mixed,
    renamed,
)

GRAIN = grain_of(15)  # as the command has it
EVERY_PAIR = 10**6
HIGHEST_HONEST = 0.25  # seen: 0.23
LOWEST_COPY = 0.55  # seen: 0.59


@cache
def starter() -> np.ndarray:
    return given_hashes([read_starter(resource("student_template"))], GRAIN)


def fingerprints(files: Files) -> np.ndarray:
    return fingerprints_of(read_code(files), GRAIN, starter())


@cache
def honest_fingerprints() -> tuple[np.ndarray, ...]:
    return tuple(map(fingerprints, honest_class().values()))


def ranked(*others: Files) -> list[Scored]:
    index = make_index([*honest_fingerprints(), *map(fingerprints, others)])
    return best_pairs(rows(index), EVERY_PAIR, frozenset())


def test_there_are_enough_submissions_that_nobody_copied():
    assert len(honest_class()) >= 18
    scores = [pair.score for pair in ranked()]
    assert max(scores) < HIGHEST_HONEST
    every_pair = len(honest_class()) * (len(honest_class()) - 1) // 2
    assert sum(score > 0.1 for score in scores) < every_pair / 10


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_hidden_copy_of_any_of_them_is_the_first_of_its_class(disguise):
    for number, files in enumerate(honest_class().values()):
        first, *rest = ranked(disguise(files))
        assert (first.one, first.other) == (number, len(honest_class()))
        assert first.score > LOWEST_COPY
        assert all(pair.score < HIGHEST_HONEST + 0.05 for pair in rest if pair.other < len(honest_class()))


@pytest.mark.parametrize("disguise", THOROUGH_DISGUISES)
def test_a_copy_that_was_worked_on_is_still_the_first(disguise):
    for number, files in enumerate(honest_class().values()):
        first = ranked(disguise(files))[0]
        assert (first.one, first.other) == (number, len(honest_class()))


def test_of_a_class_with_ten_copies_the_first_ten_pairs_are_they():
    names = list(honest_class())
    originals = [number for number in range(len(names)) if number % 2 == 0][:10]
    copies = [DISGUISES[number % len(DISGUISES)](honest_class()[names[number]]) for number in originals]
    expected = {(number, len(names) + at) for at, number in enumerate(originals)}
    assert {(pair.one, pair.other) for pair in ranked(*copies)[: len(copies)]} == expected


def test_what_is_mixed_of_two_ranks_with_both_above_nearly_all_honest_pairs():
    """Half of each is in it: where that is a few lines, two right ones share as much."""
    names = list(honest_class())
    both_first = 0
    for number, name in enumerate(names):
        other = (number + 3) % len(names)
        found = ranked(mixed(honest_class()[name], honest_class()[names[other]]))
        scores = {(pair.one, pair.other): pair.score for pair in found}
        halves = [scores.pop((each, len(names))) for each in (number, other)]
        assert min(halves) > 0.1
        both_first += min(halves) > max(scores.values())
    assert both_first >= len(names) - 2


def test_the_fixture_that_says_it_is_anothers_code_in_greek_is_found():
    found = ranked(own_files(RENAMED))
    original = list(honest_class()).index("right_crlf")  # right_mean_in_loss, saved on Windows
    assert (found[0].one, found[0].other) == (original, len(honest_class()))


def test_a_class_that_hands_in_the_template_shares_nothing():
    folder = resource("student_template")
    template = {
        PurePosixPath(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".ipynb"}
    }
    assert len(fingerprints(template)) == 0
    own = b"\nx = [np.sum(y) for y in range(10) if y > 3 and y < 7 or y == 8]\n"
    theory = PurePosixPath("theory.py")
    assert 0 < len(fingerprints(template | {theory: template[theory] + own})) < 20


def test_copydetect_sees_the_same_pairs_first(monkeypatch):
    """Another's tokens and windows; it compares whole files and knows nothing of what is usual.

    Its hashes are Python's own, which are others in each process: here they stay the same.
    """
    detect = copydetect()
    monkeypatch.setattr(detect.utils, "hash", lambda text: zlib.crc32(text.encode()), raising=False)

    def print_of(files: Files):
        code = b"\n".join(files[path] for path in sorted(files)).decode("utf-8-sig")
        return detect.CodeFingerprint("all.py", 25, 5, fp=io.StringIO(code))

    names = list(honest_class())
    copies = [renamed(honest_class()[name]) for name in names[::3]]
    prints = [print_of(honest_class()[name]) for name in names] + [print_of(files) for files in copies]
    theirs = sorted(
        (-min(1.0, max(detect.compare_files(prints[one], prints[other])[1])), one, other)
        for one in range(len(prints))
        for other in range(one + 1, len(prints))
    )
    expected = {(3 * at, len(names) + at) for at in range(len(copies))}
    assert {(one, other) for _, one, other in theirs[: len(copies)]} == expected
    assert {(pair.one, pair.other) for pair in ranked(*copies)[: len(copies)]} == expected
