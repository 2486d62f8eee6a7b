"""Code cells are given to questions, however loose the notebook's form is."""

from __future__ import annotations

import pytest

from grader.notebooks.cells import code_cells, last_positions, needed_for
from grader.notebooks.reading import Cell
from grader.worker.cell_names import names_in

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


def placed(cells, known=KNOWN, names=NAMES):
    return code_cells(cells, known, names, read_names=lambda sources: list(map(names_in, sources)))


def questions(*cells):
    return [cell.questions for cell in placed(cells)]


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
    cells = placed([text("## Q4.1"), code("  \n"), code("a = 1")])
    assert [cell.position for cell in cells] == [2]
    assert last_positions(cells) == {"q4.1": 2}


@pytest.mark.parametrize(
    "source", ["%matplotlib inline\nx = 1", "!pip install y\nx = 1", "files = !ls\nx = 1"]
)
def test_magics_do_not_hide_what_a_cell_defines(source):
    assert "x" in placed([code(source)])[0].defines


@pytest.mark.parametrize("source", ["def broken(:", "x = (" * 5000, "x" * 300_000, "\0"])
def test_a_cell_that_does_not_parse_defines_nothing(source):
    (cell,) = placed([code(source)])
    assert (cell.defines, cell.uses) == (frozenset(), frozenset())


def test_a_question_needs_set_up_its_own_cells_and_those_that_make_what_is_used():
    cells = placed(
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


@pytest.mark.parametrize(
    "source", ["x = " + "+".join(["y"] * 900), "x = y" + ".a" * 900, "x = y" + "()" * 900]
)
def test_a_cell_that_nests_too_deep_to_be_read_still_belongs_to_its_question(source):
    (cell,) = placed([code(source, "q4.1")])
    assert (cell.questions, cell.defines) == (("q4.1",), frozenset())


@pytest.mark.parametrize("lines", ["\n" * 90_000, " \n" * 45_000])
def test_many_empty_lines_are_passed_over(lines):
    (cell,) = placed([code(f"x = 1{lines}y = !ls{lines}", "q4.1")])
    assert cell.defines == {"x", "y"}
