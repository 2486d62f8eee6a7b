"""Matched passages have the right lines on both sides, and stop where code was given or a file ends."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.cohort.similarity.comparing import fingerprints_of, given_hashes
from grader.cohort.similarity.index import make_index
from grader.cohort.similarity.regions import Region, located, shared_regions
from grader.cohort.similarity.sources import read_code
from grader.cohort.similarity.winnowing import Grain

GRAIN = Grain(k=8, w=3)
# Nine statements, no two of the same shape.
STATEMENTS = (
    "a = b.sum(axis=0) + c @ d",
    "for e in range(f): g += e * h",
    "i = [j for j in k if j > 0]",
    "l = {'m': n, 'o': p[0]}",
    "while q < r: q = q ** 2 - s",
    "t = np.exp(u) / (1 + np.exp(u))",
    "assert v == w or not x",
    "y = lambda z, a: z // a % 3",
    "b[c:d, None] = e.reshape(-1, f.T.shape[1])",
)


def source(*numbers: int) -> str:
    return "".join(f"{STATEMENTS[number]}\n" for number in numbers)


def regions(one: dict[str, str], other: dict[str, str], starter: str = "") -> list[Region]:
    codes = [
        read_code({PurePosixPath(name): text.encode() for name, text in files.items()})
        for files in (one, other, {"starter.py": starter})
    ]
    given_ = given_hashes(codes[2:], GRAIN)
    index = make_index([fingerprints_of(code, GRAIN, given_) for code in codes[:2]])
    sides = [located(code, GRAIN, given_, side=side) for side, code in enumerate(codes[:2])]
    return shared_regions(*sides, index, GRAIN)


def lines(region: Region) -> list[list[tuple[str, int | None, int, int]]]:
    return [
        [(place.text.file, place.text.cell, place.first_line, place.last_line) for place in side]
        for side in region.sides
    ]


def test_a_passage_has_its_lines_on_both_sides():
    found = regions({"a.py": source(0, 1, 2, 3, 4)}, {"b.py": "\n# hello\n" + source(5, 1, 2, 3, 6)})
    assert lines(found[0]) == [[("a.py", None, 2, 4)], [("b.py", None, 4, 6)]]
    assert found[0].usual == 2
    assert len(found) == 1


def test_two_passages_in_another_order_are_two_regions():
    found = regions({"a.py": source(0, 1, 2, 3, 4, 5)}, {"a.py": source(3, 4, 5, 8, 0, 1, 2)})
    assert sorted(lines(region) for region in found) == [
        [[("a.py", None, 1, 3)], [("a.py", None, 5, 7)]],
        [[("a.py", None, 4, 6)], [("a.py", None, 1, 3)]],
    ]


def test_a_passage_ends_where_a_file_does():
    found = regions({"a.py": source(0, 1, 2), "b.py": source(3, 4, 5)}, {"c.py": source(0, 1, 2, 3, 4, 5)})
    assert sorted(lines(region) for region in found) == [
        [[("a.py", None, 1, 3)], [("c.py", None, 1, 3)]],
        [[("b.py", None, 1, 3)], [("c.py", None, 4, 6)]],
    ]


def test_a_passage_goes_on_from_cell_to_cell():
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": source(0, 1)},
        {"cell_type": "markdown", "metadata": {}, "source": source(4, 5)},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": "\n" + source(2)},
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (found,) = regions({"n.ipynb": notebook}, {"a.py": source(0, 1, 2)})
    assert lines(found) == [[("n.ipynb", 1, 1, 2), ("n.ipynb", 3, 2, 2)], [("a.py", None, 1, 3)]]


def test_what_was_given_is_in_no_passage():
    starter = source(2, 3, 4)
    found = regions({"a.py": source(0, 2, 3, 4, 5, 6)}, {"a.py": source(1, 2, 3, 4, 5, 6)}, starter)
    assert [lines(region)[0] for region in found] == [[("a.py", None, 5, 6)]]
    assert regions({"a.py": starter}, {"a.py": starter}, starter) == []


def test_repeated_code_takes_no_longer_and_is_one_passage():
    once = "x = x + 1\n" * 20_000
    found = regions({"a.py": once}, {"a.py": once})
    assert found[0].tokens == 100_000
    assert lines(found[0])[0] == [("a.py", None, 1, 20_000)]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 8), max_size=12),
    st.lists(st.integers(0, 8), max_size=12),
    st.lists(st.integers(0, 8), max_size=3),
)
def test_passages_are_equal_tokens_and_no_token_is_in_two(one, other, starter):
    found = regions({"a.py": source(*one)}, {"a.py": source(*other)}, source(*starter))
    for side, numbers in enumerate((one, other)):
        tokens = sum(region.tokens for region in found)
        assert tokens <= len(read_code({PurePosixPath("a.py"): source(*numbers).encode()}).streams[0].tokens)
        for region in found:
            assert len(region.sides[side]) == 1
    for region in found:
        (here,), (there,) = region.sides
        # Statements wholly inside agree, whatever stands at the ends.
        inner = one[here.first_line : here.last_line - 1], other[there.first_line : there.last_line - 1]
        assert inner[0] == inner[1]
    assert [region.weight for region in found] == sorted((region.weight for region in found), reverse=True)
    assert all(np.isfinite(region.weight) for region in found)
