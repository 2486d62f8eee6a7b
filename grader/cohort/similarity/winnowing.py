"""Fingerprints by winnowing (Schleimer, Wilkerson, Aiken 2003): few of all k-grams, the same in every copy.

Every run of k tokens has a hash. Of every w hashes in a row the smallest is kept, of equal ones the last.
So whatever two texts share of at least t = w + k - 1 tokens gives them a fingerprint in common, and what they
share of fewer than k tokens never does. About 2 of w + 1 hashes are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from grader.cohort.similarity.sources import Numbers

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: no power of it vanishes
_LAST = np.uint64(2**64 - 1)  # larger than any hash: where there is nothing to keep

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grain:
    """How finely code is compared: `k` tokens to a fingerprint, one of at most `w` in a row kept."""

    k: int
    w: int

    @property
    def surely_found(self) -> int:
        """From how many shared tokens on a passage is surely found: t of the paper."""
        return self.k + self.w - 1


def grain_of(min_tokens: int) -> Grain:
    """Return the grain that finds any passage of so many tokens: a fifth of it is the window's."""
    w = max(1, min_tokens // 5)
    return Grain(k=min_tokens - w + 1, w=w)


def k_gram_hashes(tokens: Numbers, k: int) -> Numbers:
    """Return the hash of each run of k tokens; it is the same wherever they stand."""
    count = len(tokens) - k + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    total = np.zeros(count, np.uint64)
    for offset in range(k):
        total = total * _BASE + tokens[offset : offset + count]
    return np.minimum(_mixed(total), _LAST - np.uint64(1))


def selected(hashes: Numbers, w: int, given: Numbers) -> Positions:
    """Return the positions of the hashes that are kept, in order; none of those that everybody was `given`.

    What was given is left out before a window chooses: it takes nobody's place. A text of fewer than w hashes
    is one window.
    """
    if not len(hashes):
        return np.empty(0, np.int64)
    own = np.where(np.isin(hashes, given), _LAST, hashes)
    width = min(w, len(own))
    from_the_right = sliding_window_view(own, width)[:, ::-1].argmin(axis=1)
    positions: Positions = np.unique(np.arange(len(from_the_right)) + width - 1 - from_the_right)
    kept: Positions = positions[own[positions] != _LAST]
    return kept


def _mixed(numbers: Numbers) -> Numbers:
    """Spread numbers over all of 64 bits (splitmix64), so that the smallest is any of them alike."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
