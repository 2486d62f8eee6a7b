"""The stages in order: read a class, fingerprint it, rank its pairs, find where the best of them agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from grader.cohort.model import Entry
from grader.cohort.similarity.index import Floats, Index, Scored, best_pairs, make_index, rows, usual_from
from grader.cohort.similarity.regions import Region, located, shared_regions
from grader.cohort.similarity.sources import Code, Numbers, read_starter, read_submission
from grader.cohort.similarity.winnowing import Grain, grain_of, k_gram_hashes, selected
from grader.errors import SubmissionRejected, UsageError
from grader.plain_text import one_line
from grader.settings import resource

LEAST_MIN_TOKENS, MOST_MIN_TOKENS = 5, 1000
MOST_TOP = 1000
_STEPS = 1000  # of a score, in the tally that medians are read from


@dataclass(frozen=True, slots=True)
class Options:
    """What is compared, and how finely; `top` is how many pairs are shown."""

    min_tokens: int
    top: int
    starters: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions that share unusual code. `shared` is how many fingerprints of it they share."""

    score: float
    one: Entry
    other: Entry
    shared: int
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Similarity:
    """What was found in a class.

    `problems` says of a submission why it could not be compared, or not all of it. Of all pairs, also
    those that are not shown, half score at most `median` and 99 of 100 at most `high`.
    """

    pairs: tuple[Pair, ...]
    compared: int
    problems: tuple[tuple[Entry, str], ...]
    grain: Grain
    usual_from: int
    median: float
    high: float


class _Tally:
    """Counts scores as they go by, so that a class of any size needs no memory for its pairs."""

    def __init__(self) -> None:
        self._counts = np.zeros(_STEPS + 1, np.int64)

    def counted(self, scores: Iterator[Floats]) -> Iterator[Floats]:
        """Pass the rows on."""
        for row in scores:
            steps = np.ceil(np.minimum(row, 1) * _STEPS).astype(np.int64)
            self._counts += np.bincount(steps, minlength=_STEPS + 1)
            yield row

    def quantile(self, share: float) -> float:
        """Return the score that such a share of all pairs does not exceed."""
        reached = np.cumsum(self._counts)
        return float(np.searchsorted(reached, share * reached[-1])) / _STEPS


def compare(
    entries: Sequence[Entry], options: Options, on_step: Callable[[str], None] = lambda _: None
) -> Similarity:
    """Compare all submissions of a class with each other; raise UsageError where fewer than two can be read.

    `on_step` is told each submission's label when it was read, as it is in one line.
    """
    grain = _grain(options)
    given = _given(options, grain)
    read: list[Entry] = []
    fingerprints: list[Numbers] = []
    problems: list[tuple[Entry, str]] = []
    for entry in entries:
        try:
            code = _code_of(entry)
        except SubmissionRejected as error:
            problems.append((entry, f"left out: {error}"))
        else:
            problems += [(entry, note) for note in code.notes]
            read.append(entry)
            fingerprints.append(fingerprints_of(code, grain, given))
        on_step(one_line(entry.label))
    if len(read) < 2:
        raise UsageError(f"only {len(read)} of {len(entries)} submissions can be read; two are needed")
    index, tally = make_index(fingerprints), _Tally()
    best = best_pairs(tally.counted(rows(index)), options.top, _of_one_person(read))
    return Similarity(
        pairs=tuple(_pairs(best, read, index, grain, given)),
        compared=len(read),
        problems=tuple(problems),
        grain=grain,
        usual_from=usual_from(len(read)),
        median=tally.quantile(0.5),
        high=tally.quantile(0.99),
    )


def fingerprints_of(code: Code, grain: Grain, given: Numbers) -> Numbers:
    """Return the fingerprints of a submission, sorted, each once, without those of what was given."""
    hashes = [k_gram_hashes(stream.tokens, grain.k) for stream in code.streams]
    return _united(each[selected(each, grain.w, given)] for each in hashes)


def given_hashes(starters: Iterable[Code], grain: Grain) -> Numbers:
    """Return the hashes of all k-grams of what everybody was given, sorted."""
    return _united(k_gram_hashes(stream.tokens, grain.k) for code in starters for stream in code.streams)


def _united(hashes: Iterable[Numbers]) -> Numbers:
    return np.unique(np.concatenate([np.empty(0, np.uint64), *hashes]))


def _grain(options: Options) -> Grain:
    if not LEAST_MIN_TOKENS <= options.min_tokens <= MOST_MIN_TOKENS:
        raise UsageError(f"--min-tokens is a number from {LEAST_MIN_TOKENS} to {MOST_MIN_TOKENS}")
    if not 1 <= options.top <= MOST_TOP:
        raise UsageError(f"--top is a number from 1 to {MOST_TOP}")
    return grain_of(options.min_tokens)


def _given(options: Options, grain: Grain) -> Numbers:
    """Return the hashes of the homework's template and of what else everybody was given."""
    return given_hashes(map(read_starter, (resource("student_template"), *options.starters)), grain)


def _code_of(entry: Entry) -> Code:
    if entry.problem is not None:
        raise SubmissionRejected(entry.problem)
    return read_submission(entry.path)


def _of_one_person(entries: Sequence[Entry]) -> frozenset[tuple[int, int]]:
    """Return the pairs that nobody need look at: attempts of the same student."""
    by_student: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        for student in entry.students:
            by_student.setdefault(student.key, []).append(number)
    return frozenset(pair for numbers in by_student.values() for pair in combinations(numbers, 2))


def _pairs(
    best: Sequence[Scored], entries: Sequence[Entry], index: Index, grain: Grain, given: Numbers
) -> Iterator[Pair]:
    """Open the submissions of the best pairs again and find where they agree.

    So the code of a whole class is never in memory. What can no longer be opened has no regions.
    """
    for pair in best:
        one, other = entries[pair.one], entries[pair.other]
        both = np.intersect1d(index.owned[pair.one], index.owned[pair.other], assume_unique=True)
        try:
            codes = read_submission(one.path), read_submission(other.path)
        except SubmissionRejected:
            regions: list[Region] = []
        else:
            sides = [located(code, grain, given, side=side) for side, code in enumerate(codes)]
            regions = shared_regions(sides[0], sides[1], index, grain)
        yield Pair(pair.score, one, other, int((index.weights[both] > 0).sum()), tuple(regions))
