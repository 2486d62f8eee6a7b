"""Which fingerprints stand in which submissions: how usual each is in the class, and who shares rare ones.

A submission is compared with all others at once, over the lists of who has its fingerprints. What many have
is on no list, so that the work grows with the class and not with its square times the code.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.cohort.similarity.sources import Numbers

# A fingerprint in more of the class than this is how this homework is done, and counts nothing.
USUAL_SHARE = 0.2
USUAL_AT_LEAST = 10  # submissions; in a small class a few friends would be a fifth
SMALLEST_CLASS = 50  # a smaller one is weighed as if it were so large: of a few nothing can be called usual
# Of a submission's own code at least so many fingerprints' worth is asked for: ten lines prove nothing.
LEAST_WEIGHT = 40.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Two submissions by their numbers, and which share of the smaller one's rare code both have."""

    score: float
    one: int
    other: int


@dataclass(frozen=True, slots=True)
class Index:
    """All fingerprints of a class, sorted: in how many submissions each stands, and what it weighs.

    `owned` has for each submission the places of its fingerprints in `hashes`; `starts` and `owners` list who
    has a fingerprint that weighs something.
    """

    hashes: Numbers
    counts: NDArray[np.int64]
    weights: Floats
    owned: tuple[NDArray[np.int64], ...]
    starts: NDArray[np.int64]
    owners: NDArray[np.int32]

    @property
    def totals(self) -> Floats:
        """What the own, unusual code of each submission weighs."""
        return np.array([self.weights[places].sum() for places in self.owned])

    def count_of(self, hashes: Numbers) -> NDArray[np.int64]:
        """In how many submissions each of some hashes stands; 0 for what is no fingerprint."""
        places, is_here = self._places_of(hashes)
        return np.where(is_here, np.append(self.counts, 0)[places], 0)

    def weight_of(self, hashes: Numbers) -> Floats:
        """Return what each of some hashes weighs; 0 for what is no fingerprint."""
        places, is_here = self._places_of(hashes)
        return np.where(is_here, np.append(self.weights, 0.0)[places], 0.0)

    def _places_of(self, hashes: Numbers) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        places = np.searchsorted(self.hashes, hashes)
        return places, np.append(self.hashes, np.uint64(0))[places] == hashes


def usual_from(size: int) -> int:
    """Return in how many submissions of a class a fingerprint may stand before it counts nothing."""
    return max(USUAL_AT_LEAST, int(size * USUAL_SHARE))


def weights_of(counts: NDArray[np.int64], size: int) -> Floats:
    """Return what a fingerprint weighs: 1 where one or two have it, less the more do, 0 where it is usual.

    It is the logarithm of how rare it is: log(n / count) / log(n / 2), with n the size of the class.
    """
    counted = max(size, SMALLEST_CLASS)
    rarity = np.log(counted / np.maximum(counts, 2)) / np.log(counted / 2)
    return np.where(counts > usual_from(size), 0.0, rarity)


def make_index(fingerprints: Sequence[Numbers]) -> Index:
    """Return the index of submissions, each given as its fingerprints, sorted and each once."""
    size = len(fingerprints)
    every = np.concatenate([np.empty(0, np.uint64), *fingerprints])
    hashes, counts = np.unique(every, return_counts=True)
    owned = tuple(np.searchsorted(hashes, own) for own in fingerprints)
    weights = weights_of(counts, size)
    places = np.concatenate([np.empty(0, np.int64), *owned])
    owners = np.repeat(np.arange(size, dtype=np.int32), [len(own) for own in owned])
    listed = weights[places] > 0
    places, owners = places[listed], owners[listed]
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(hashes) + 1))
    return Index(hashes, counts, weights, owned, starts, owners[order])


def rows(index: Index) -> Iterator[Floats]:
    """Yield for each submission its score with every later one, in order; one row is in memory at a time."""
    totals = index.totals
    for one, places in enumerate(index.owned):
        shared = places[(index.weights[places] > 0) & (index.counts[places] > 1)]
        lengths = index.starts[shared + 1] - index.starts[shared]
        # The lists of all these fingerprints, one after the other.
        inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        others = index.owners[np.repeat(index.starts[shared], lengths) + inside]
        weight = np.bincount(others, np.repeat(index.weights[shared], lengths), minlength=len(totals))
        smaller = np.maximum(np.minimum(totals, totals[one]), LEAST_WEIGHT)
        yield (weight / smaller)[one + 1 :]


def best_pairs(scores: Iterator[Floats], count: int, excluded: frozenset[tuple[int, int]]) -> list[Scored]:
    """Return the pairs with the highest scores, highest first, equal ones in the order of the submissions."""
    kept: list[tuple[float, int, int]] = []
    for one, row in enumerate(scores):
        least = kept[0][0] if len(kept) == count else 0.0
        for at in np.flatnonzero((row > 0) & (row >= least)):
            pair = (float(row[at]), -one, -(one + 1 + int(at)))
            if (one, -pair[2]) in excluded:
                continue
            if len(kept) < count:
                heapq.heappush(kept, pair)
            elif pair > kept[0]:
                heapq.heapreplace(kept, pair)
    return [Scored(score, -one, -other) for score, one, other in sorted(kept, reverse=True)]
