"""Code cells are given to questions, however loose the notebook's form is."""

from __future__ import annotations

import pytest

from grader.notebooks.cells import code_cells, last_positions, needed_for
from grader.notebooks.reading import Cell

KNOWN = ("q4.1", "q4.2", "q4.3", "q6.1", "q6.2", "q6.3", "q6.7")
NAMES = {
    "q4.1": ("train_dataset",),
    "q4.2": ("BloodMLP", "model"),
    "q4.3": ("accuracy", "cm"),
    "q6.7": ("model", "losses", "accuracy"),
}


def text(content):
    return Cell("markdown", content)


def code(content, question=None):
    return Cell("code", content, question)


def questions(*cells):
    return [cell.questions for cell in code_cells(cells, KNOWN, NAMES)]


def test_a_cell_belongs_to_the_heading_above_it_and_one_above_all_headings_to_none():
    assert questions(code("import torch"), text("## Q4.1 Data"), code("a = 1"), code("b = 2")) == [
        (),
        ("q4.1",),
        ("q4.1",),
    ]


def test_under_the_heading_of_a_whole_problem_a_cell_is_set_up():
    assert questions(
        text("## Q4.1"), code("a = 1"), text("# Problem 6: mytorch"), code("import mytorch")
    ) == [
        ("q4.1",),
        (),
    ]


def test_metadata_says_more_than_headings():
    assert questions(text("## Q4.1"), code("a = 1", "q4.3")) == [("q4.3",)]


def test_a_heading_of_several_questions_gives_them_all():
    assert questions(text("### Q6.1 - Q6.3"), code("a = 1")) == [("q6.1", "q6.2", "q6.3")]


def test_without_headings_names_decide_and_what_defines_none_stays_with_the_cell_before():
    cells = [code("import torch"), code("train_dataset = 1"), code("show()"), code("class BloodMLP: pass")]
    cells += [
        code("model = BloodMLP()"),
        code("cm = 1; accuracy = 2"),
        code("losses = []"),
        code("model = 3"),
    ]
    assert questions(*cells) == [
        (),
        ("q4.1",),
        ("q4.1",),
        ("q4.2",),
        ("q4.2",),
        ("q4.3",),
        ("q6.7",),
        ("q6.7",),
    ]


def test_a_question_whose_heading_is_missing_is_found_under_another_ones():
    assert questions(text("## Q4.1"), code("train_dataset = 1"), code("cm = 1")) == [
        ("q4.1",),
        ("q4.1", "q4.3"),
    ]


def test_a_comment_at_the_top_of_a_cell_may_be_its_heading():
    assert questions(code("# Q4.2: train\nx = 1"), code("y = 2")) == [("q4.2",), ()]


def test_empty_cells_are_left_out_and_positions_count_every_cell():
    cells = code_cells([text("## Q4.1"), code("  \n"), code("a = 1")], KNOWN, NAMES)
    assert [cell.position for cell in cells] == [2]
    assert last_positions(cells) == {"q4.1": 2}


@pytest.mark.parametrize(
    "source", ["%matplotlib inline\nx = 1", "!pip install y\nx = 1", "files = !ls\nx = 1"]
)
def test_magics_do_not_hide_what_a_cell_defines(source):
    assert "x" in code_cells([code(source)], KNOWN, NAMES)[0].defines


@pytest.mark.parametrize("source", ["def broken(:", "x = (" * 5000, "x" * 300_000, "\0"])
def test_a_cell_that_does_not_parse_defines_nothing(source):
    (cell,) = code_cells([code(source)], KNOWN, NAMES)
    assert (cell.defines, cell.uses) == (frozenset(), frozenset())


def test_a_question_needs_set_up_its_own_cells_and_those_that_make_what_is_used():
    cells = code_cells(
        [
            code("import torch"),
            text("## Q4.1"),
            code("train_dataset = load()"),
            code("show(train_dataset)"),
            text("## Q4.2"),
            code("slow = train()"),
            text("## Q4.3"),
            code("cm = evaluate(train_dataset)"),
        ],
        KNOWN,
        NAMES,
    )
    assert [cell.position for cell in needed_for(cells, ["q4.3"])] == [0, 2, 7]
