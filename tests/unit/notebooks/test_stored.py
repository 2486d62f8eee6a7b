"""What is stored below a notebook's cells is read whatever it is, in bounded time and memory."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import notebook_fixtures
from grader.notebooks.reading import UnreadableNotebook
from grader.notebooks.stored import MAX_SHOWN_CHARACTERS, Shown, read_stored, shown_by
from tests.unit.notebooks.books import STARTER, book, text_cell
from tests.unit.notebooks.replays import code, picture, result, stream

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "outputs", "data", "text", "output_type", "image/png", "source", "ename"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def test_each_kind_of_output_is_kept_apart():
    outputs = [
        stream("a\nb\n"),
        stream("w\n", "stderr"),
        result("3"),
        picture(),
        {"output_type": "error", "ename": "E"},
    ]
    assert shown_by(outputs) == Shown(printed="a\nb\n", warned="w\n", result="3", pictures=1, error="E")


def test_all_cells_are_counted_from_one_and_code_is_kept():
    cells = read_stored(
        book(text_cell("# Q4.1"), code("a = 1", count=3), text_cell("x"), code("b", result("1")))
    )
    assert [(cell.number, cell.source, cell.execution_count) for cell in cells] == [
        (2, "a = 1", 3),
        (4, "b", 1),
    ]
    assert [cell.shown.is_empty for cell in cells] == [True, False]


def test_format_3_is_read_too():
    cell = {
        "cell_type": "code",
        "input": ["print(1)\n", "2"],
        "prompt_number": 7,
        "outputs": [
            {"output_type": "stream", "stream": "stdout", "text": ["1\n"]},
            {"output_type": "pyout", "text": "2", "prompt_number": 7},
            {"output_type": "display_data", "png": "iVBORw0KGgo="},
            {"output_type": "pyerr", "ename": "NameError"},
        ],
    }
    (stored,) = read_stored(json.dumps({"nbformat": 3, "worksheets": [{"cells": [cell]}]}).encode())
    assert (stored.source, stored.execution_count) == ("print(1)\n2", 7)
    assert stored.shown == Shown(printed="1\n", result="2", pictures=1, error="NameError")


def test_a_figure_is_a_picture_and_not_its_text():
    assert shown_by([picture()]) == Shown(pictures=1)


def test_a_displayed_table_is_text():
    table = {"output_type": "display_data", "data": {"text/html": "<table>", "text/plain": ["  a\n", "0 1"]}}
    assert shown_by([table]).printed == "  a\n0 1\n"


@pytest.mark.parametrize("count", [True, 1.5, "3", None, [1], 10**30])
def test_an_execution_count_that_is_no_short_number_is_none(count):
    (cell,) = read_stored(book(code("a", count=count)))
    assert cell.execution_count is None


def test_a_flood_of_output_is_cut():
    assert len(shown_by([stream("x" * 50_000 + "\n")] * 100).printed) == MAX_SHOWN_CHARACTERS


def test_the_pictures_of_a_notebook_of_60_megabytes_are_counted():
    content = next(
        content
        for path, content in notebook_fixtures.files("right_with_60_megabytes").items()
        if path.suffix == ".ipynb"
    )
    assert 59e6 < len(content) < 64e6
    assert sum(cell.shown.pictures for cell in read_stored(content)) > 30


@pytest.mark.parametrize("cells", [[code("a = 1")] * 401, [code("x = 1\n" * 5_000)] * 20])
def test_more_code_than_any_homework_has_is_not_compared(cells):
    with pytest.raises(UnreadableNotebook, match="it has more than"):
        read_stored(book(*cells))


def test_the_starter_stores_nothing():
    cells = read_stored(STARTER)
    assert len(cells) > 20
    assert all(cell.shown.is_empty and cell.execution_count is None for cell in cells)


@pytest.mark.parametrize(
    "notebook", [b"", b"{", b"[]", b'{"cells": 1}', b"\xff\xfe", b'{"cells": [], "cells": []}', b"[" * 10**5]
)
def test_what_is_no_notebook_is_unreadable(notebook):
    with pytest.raises(UnreadableNotebook):
        read_stored(notebook)


@settings(max_examples=300, deadline=None)
@given(outputs=ANYTHING)
def test_outputs_of_any_shape_are_summed_up(outputs):
    shown = shown_by(outputs)
    assert isinstance(shown.text, str)
    assert shown.pictures >= 0


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(ANYTHING, max_size=5))
def test_cells_of_any_shape_are_read_or_refused(cells):
    notebook = json.dumps(
        {"cells": [{"cell_type": "code", **(c if isinstance(c, dict) else {})} for c in cells]}
    )
    try:
        stored = read_stored(notebook.encode("utf-8", "replace"))
    except UnreadableNotebook:
        return
    assert [cell.number for cell in stored] == sorted({cell.number for cell in stored})


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    for notebook in (content, b'{"cells": [' + content + b"]}", STARTER[: len(content) * 200] + content):
        with contextlib.suppress(UnreadableNotebook):
            assert isinstance(read_stored(notebook), tuple)
