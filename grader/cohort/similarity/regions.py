"""Where two submissions agree: the longest passages of equal tokens around the fingerprints that they share.

A passage never goes on into code that everybody was given, nor from one file into the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.cohort.similarity.index import Index
from grader.cohort.similarity.sources import Code, Numbers, Text
from grader.cohort.similarity.winnowing import Grain, k_gram_hashes, selected

MOST_OCCURRENCES = 4  # of one fingerprint that are followed up in one submission: the rest is repetition
_FIRST_STEP = 64  # tokens compared at once; it doubles, so that time is that of what agrees


@dataclass(frozen=True, slots=True)
class Place:
    """Some lines of a file, or of a cell of a notebook; numbers from 1, both ends belong to it."""

    text: Text
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Region:
    """A passage that two submissions share.

    `usual` says in how many submissions of the class its code stands (the median over its fingerprints), and
    `weight` what it counts. Each side is one place, or several where it goes on into the next cells.
    """

    tokens: int
    usual: int
    weight: float
    sides: tuple[tuple[Place, ...], tuple[Place, ...]]


@dataclass(frozen=True, slots=True)
class Located:
    """All streams of a submission in a row, and where its fingerprints are.

    `tokens` is 0 or 1 (the `side`) where nothing may agree: in what was given, and between two streams.
    """

    code: Code
    tokens: Numbers
    texts: NDArray[np.int32]
    lines: NDArray[np.int32]
    fingerprints: Numbers
    positions: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Match:
    one: int
    other: int
    length: int


def located(code: Code, grain: Grain, given: Numbers, *, side: int) -> Located:
    """Return a submission laid out to be compared with one of the other side."""
    tokens, texts, lines, hashes, positions = [], [], [], [], []
    start = 0
    for stream in code.streams:
        grams = k_gram_hashes(stream.tokens, grain.k)
        kept = selected(grams, grain.w, given)
        hashes.append(grams[kept])
        positions.append(kept + start)
        tokens += [_without(stream.tokens, np.isin(grams, given), grain.k, side), np.array([side], np.uint64)]
        texts += [stream.texts, np.array([-1], np.int32)]
        lines += [stream.lines, np.array([-1], np.int32)]
        start += len(stream.tokens) + 1
    return Located(
        code,
        np.concatenate([np.empty(0, np.uint64), *tokens]),
        np.concatenate([np.empty(0, np.int32), *texts]),
        np.concatenate([np.empty(0, np.int32), *lines]),
        np.concatenate([np.empty(0, np.uint64), *hashes]),
        np.concatenate([np.empty(0, np.int64), *positions]),
    )


def shared_regions(one: Located, other: Located, index: Index, grain: Grain) -> list[Region]:
    """Return the passages that two submissions share and that are not usual, the weightiest first."""
    found = [
        _region(match, one, other, index, grain)
        for match in _tiles(_matches(one, other, index), one, other, grain.k)
    ]
    return sorted(
        (region for region in found if region.weight > 0), key=lambda region: (-region.weight, -region.tokens)
    )


def _without(tokens: Numbers, is_given: NDArray[np.bool_], k: int, side: int) -> Numbers:
    """Return the tokens, those of given k-grams replaced by one that agrees with none."""
    covered = np.zeros(len(tokens) + 1, np.int64)
    starts = np.flatnonzero(is_given)
    np.add.at(covered, starts, 1)
    np.add.at(covered, starts + k, -1)
    return np.where(np.cumsum(covered)[:-1] > 0, np.uint64(side), tokens)


def _matches(one: Located, other: Located, index: Index) -> Iterator[_Match]:
    """Yield the longest run of equal tokens around each unusual fingerprint that both have, each once."""
    reached: dict[int, int] = {}  # by how far the two sides are apart: up to where it is known
    theirs = _occurrences(other, index)
    for hash_, positions in _occurrences(one, index).items():
        for here in positions:
            for there in theirs.get(hash_, ()):
                if here < reached.get(here - there, 0):
                    continue
                match = _grown(one.tokens, other.tokens, here, there)
                reached[here - there] = match.one + match.length
                if match.length:
                    yield match


def _occurrences(located_: Located, index: Index) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    counts_something = index.weight_of(located_.fingerprints) > 0
    for hash_, position in zip(
        located_.fingerprints[counts_something].tolist(),
        located_.positions[counts_something].tolist(),
        strict=True,
    ):
        if len(positions := found.setdefault(hash_, [])) < MOST_OCCURRENCES:
            positions.append(position)
    return found


def _grown(tokens: Numbers, others: Numbers, here: int, there: int) -> _Match:
    after = _agreement(tokens[here:], others[there:])
    before = _agreement(tokens[:here][::-1], others[:there][::-1])
    return _Match(here - before, there - before, before + after)


def _agreement(tokens: Numbers, others: Numbers) -> int:
    """Return how many tokens agree from the beginning on."""
    done, step, most = 0, _FIRST_STEP, min(len(tokens), len(others))
    while done < most:
        end = min(most, done + step)
        differing = np.flatnonzero(tokens[done:end] != others[done:end])
        if len(differing):
            return done + int(differing[0])
        done, step = end, 2 * step
    return most


def _tiles(matches: Iterator[_Match], one: Located, other: Located, least: int) -> Iterator[_Match]:
    """Choose passages so that no token is in two of them, the longest first (greedy string tiling)."""
    free, others_free = np.ones(len(one.tokens), bool), np.ones(len(other.tokens), bool)
    for match in sorted(matches, key=lambda match: (-match.length, match.one, match.other)):
        here, there = (
            slice(match.one, match.one + match.length),
            slice(match.other, match.other + match.length),
        )
        start, length = _longest_run(free[here] & others_free[there])
        if length >= least:
            tile = _Match(match.one + start, match.other + start, length)
            free[tile.one : tile.one + length] = False
            others_free[tile.other : tile.other + length] = False
            yield tile


def _longest_run(is_free: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of True begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_free, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    return (int(starts[lengths.argmax()]), int(lengths.max())) if len(lengths) else (0, 0)


def _region(match: _Match, one: Located, other: Located, index: Index, grain: Grain) -> Region:
    inside = (one.positions >= match.one) & (one.positions <= match.one + match.length - grain.k)
    hashes = np.unique(one.fingerprints[inside])
    counts = index.count_of(hashes)
    return Region(
        tokens=match.length,
        usual=int(np.median(counts)) if len(counts) else 0,
        weight=float(index.weight_of(hashes).sum()),
        sides=(_places(one, match.one, match.length), _places(other, match.other, match.length)),
    )


def _places(located_: Located, start: int, length: int) -> tuple[Place, ...]:
    texts, lines = located_.texts[start : start + length], located_.lines[start : start + length]
    return tuple(
        Place(located_.code.texts[text], int(lines[texts == text].min()), int(lines[texts == text].max()))
        for text in np.unique(texts).tolist()
    )
