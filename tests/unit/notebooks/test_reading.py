"""Any bytes are a notebook or one sentence why not, in bounded time and memory."""

import json
import sys
import time

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebooks import reading
from grader.notebooks.reading import UnreadableNotebook, read_cells
from tests.unit.notebooks.books import STARTER, answers, book, text_cell

FIGURE = "iVBORw0KGgo" * 200_000


def why_not(notebook):
    with pytest.raises(UnreadableNotebook) as caught:
        read_cells(notebook)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 200
    return message


def sources(notebook):
    return [(cell.kind, cell.text) for cell in read_cells(notebook)]


def test_the_starter_is_read_as_nbformat_reads_it():
    theirs = nbformat.reads(STARTER.decode("utf-8"), as_version=nbformat.NO_CONVERT)
    assert sources(STARTER) == [(cell.cell_type, cell.source) for cell in theirs.cells]


def test_an_older_notebook_is_read_as_nbformat_converts_it():
    cells = [
        {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Q1.3 What"]},
        {"cell_type": "markdown", "metadata": {}, "source": "cold"},
        {"cell_type": "code", "metadata": {}, "input": "1", "outputs": [], "language": "python"},
    ]
    old = json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    )
    theirs = nbformat.reads(old, as_version=4)
    texts = [cell.source for cell in theirs.cells if cell.cell_type == "markdown"]
    assert (
        [cell.text for cell in read_cells(old.encode()) if cell.is_text] == texts == ["## Q1.3 What", "cold"]
    )


def test_outputs_attachments_and_pictures_are_not_looked_at():
    code = {"cell_type": "code", "metadata": {}, "source": "1", "outputs": [{"data": {"image/png": FIGURE}}]}
    picture = text_cell("see", f"![x](data:image/png;base64,{'iVBOR' * 5000}) there")
    picture["attachments"] = {"a.png": {"image/png": FIGURE}}
    assert sources(book(code, picture)) == [
        ("code", "1"),
        ("markdown", "see\n![x](data:image/png;base64,…) there"),
    ]


def test_a_long_string_in_a_text_is_left_out_and_says_so():
    (cell,) = read_cells(book(text_cell("before", "x" * 100_000, "after")))
    assert cell.text == "before\n[a text of 100,004 bytes is left out here]\nafter"


def test_numbers_that_are_none_cost_nothing():
    raw = b'{"cells": [{"cell_type": "raw", "source": "a", "metadata": {"x": [NaN, -Infinity, 1e999, %s]}}]}'
    assert sources(raw % (b"9" * 10**6)) == [("raw", "a")]


def test_a_byte_order_mark_and_windows_line_ends_are_read():
    assert sources(b"\xef\xbb\xbf" + book(text_cell("a")).replace(b" ", b"\r\n")) == [("markdown", "a")]


@pytest.mark.parametrize(
    "notebook, reason",
    [
        (b"", "not JSON"),
        (b"# Q1.3", "not JSON"),
        (b'{"cells": [', "not JSON"),
        (b'{"cells": ["\\', "not JSON"),
        (b'"' + b'\\"' * 10**5, "no list of cells"),
        (b'"a' * 10**5, "not JSON"),
        (b"<<<<<<< HEAD\n" + STARTER, "not JSON (Expecting value, line 1)"),
        (STARTER.decode("utf-8").encode("utf-16"), "not UTF-8"),
        (b'{"cells": []}\xff', "not UTF-8"),
        (b"[]", "no list of cells"),
        (b"null", "no list of cells"),
        (b'{"cells": {}}', "no list of cells"),
        (b'{"worksheets": [1, {"cells": 2}]}', "no list of cells"),
        (b'{"cells": [], "cells": [{}]}', "same key stands twice"),
        (b"[" * 10**6, "more than 64 levels"),
        (b"[" * 100 + b"]" * 100, "more than 64 levels"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "more than 64 levels"),
        (b'{"cells": [' + b"0," * 1_000_001 + b"0]}", "more than 1,000,000 values"),
        (b'{"cells": ["' + b'","' * 500_000 + b'"]}', "more than 1,000,000 quotation marks"),
        (book(*[{}] * 10_001), "more than 10,000 cells"),
        (book(*[text_cell("x" * 60_000)] * 20), "more than 1,000,000 characters of text"),
        (book(*[text_cell("\n" * 25_000)] * 5), "more than 100,000 lines of text"),
        (bytes(reading.MAX_NOTEBOOK_BYTES + 1), "more than 67,108,864 bytes"),
        (book(*[{"outputs": "x" * 60_000}] * 300), "more than 16,777,216 bytes beside its figures"),
    ],
    ids=range(24),
)
def test_what_cannot_be_read_says_why_in_one_short_sentence_and_soon(notebook, reason):
    started_s = time.process_time()
    assert reason in why_not(notebook)
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize(
    "cell",
    [
        *(None, 1, "x", [], {}, {"cell_type": 7, "source": {"a": 1}}, {"cell_type": "markdown", "source": 5}),
        {"cell_type": "markdown", "source": [1, None, ["x"]], "metadata": [["question", "q1.3"]]},
        {"cell_type": "markdown", "source": "", "metadata": {"question": 4.2, "part": ["a"]}},
        {"cell_type": "heading", "level": -1, "source": "", "metadata": {"question": "q" * 60_000}},
        {"cell_type": "heading", "level": True, "source": ""},
    ],
)
def test_a_cell_of_wrong_types_costs_only_itself(cell):
    kept = text_cell("Q1.3: cold", "\ud800\u202e\x00 \x1b[31m<script>alert(1)</script>")
    found = answers(book(cell, kept))
    assert found["q1.3.answer"].text.startswith("cold")


def test_no_limit_on_recursion_is_met_by_what_is_let_through():
    deep = "[" * (reading.MAX_DEPTH - 1) + "]" * (reading.MAX_DEPTH - 1)
    before = sys.getrecursionlimit()
    assert read_cells(f'{{"cells": [], "x": {deep}}}'.encode()) == ()
    assert sys.getrecursionlimit() == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "worksheets", "cell_type", "source", "metadata", "question", "part", "level"]
            )
            | st.text(max_size=3),
            inner | st.sampled_from(["markdown", "raw", "code", "heading", "q1.3", "## Q2.2 x", "answer"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None)
@given(content=JSON, cells=st.lists(JSON, max_size=4))
def test_whatever_a_notebook_holds_every_part_has_a_text_or_a_reason(content, cells):
    for value in (content, {"cells": cells}, {"worksheets": [{"cells": cells}, content]}):
        found = answers(json.dumps(value).encode(), ["q1.3.answer", "q2.2.answer"])
        assert all(isinstance(answer.text, str) or answer.note for answer in found.values())


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=40), at=st.integers(0, len(STARTER)))
def test_a_damaged_notebook_is_read_or_refused(noise, at):
    found = answers(STARTER[:at] + noise + STARTER[at + 20 :], ["q1.3.answer"])
    assert found["q1.3.answer"].note
