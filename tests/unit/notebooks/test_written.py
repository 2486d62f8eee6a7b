"""The text of a written part is the student's own, wherever and however loosely it was headed."""

import json

import pytest

from grader.model import Answer
from grader.notebooks.written import (
    NO_CELL,
    NO_NOTEBOOK,
    NOTHING_WRITTEN,
    TO_BE_MARKED,
    WITH_PICTURE,
    Starter,
)
from tests.unit.notebooks.books import PARTS, STARTER, answers, book, text_cell, texts


def filled_in(**changes):
    """Return the starter with a text put into the named answer cells (`q1_3` is q1.3's)."""
    notebook = json.loads(STARTER)
    for cell in notebook["cells"]:
        key = cell["metadata"].get("question", "").replace(".", "_")
        if "part" in cell["metadata"] and key in changes:
            cell["source"] = changes[key]
    return notebook


def as_bytes(notebook):
    return json.dumps(notebook).encode()


def test_without_a_notebook_every_part_says_so():
    assert answers(None) == dict.fromkeys(PARTS, Answer(None, NO_NOTEBOOK))


def test_the_untouched_starter_has_a_place_for_every_part_and_nothing_in_it():
    assert answers(STARTER) == dict.fromkeys(PARTS, Answer("", NOTHING_WRITTEN))


def test_a_filled_in_starter_gives_each_part_its_own_text_and_nothing_of_ours():
    given = {part.rpartition(".")[0].replace(".", "_"): f"Mine is {part}." for part in PARTS}
    assert answers(as_bytes(filled_in(**given))) == {
        part: Answer(f"Mine is {part}.", TO_BE_MARKED) for part in PARTS
    }


@pytest.mark.parametrize(
    "text",
    [
        "**Your answer:**\n\n$y$ is\n\n\n\none-hot\n\n…",
        "**Your answer:**\n\n…\n$y$ is\n\none-hot",
        "$y$ is\n\none-hot\r\n",
        "TODO\n\n*Write your answer here*\n\n$y$ is\n\none-hot\n\n---",
    ],
)
def test_what_says_where_to_write_is_no_part_of_the_text(text):
    assert texts(as_bytes(filled_in(q1_3=text))) == {"q1.3.answer": "$y$ is\n\none-hot"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "**Your answer:**",
            "…\n...\n\n---",
            "_Your answer here_",
            "TODO: write your answer here",
            "Answer:",
        ),
        *("Type *Markdown* and LaTeX: $\\alpha^2$", "> Double-click to edit", "## Your analysis"),
    ],
)
def test_a_placeholder_is_nothing_written(text):
    assert answers(as_bytes(filled_in(q1_3=text)))["q1.3.answer"] == Answer("", NOTHING_WRITTEN)


@pytest.mark.parametrize(
    "text", ["No.", "no", "42", "∞", "∇E = 0", "a", "See below: it is my answer", "$$0$$"]
)
def test_a_short_answer_is_an_answer(text):
    assert texts(as_bytes(filled_in(q4_1=text))) == {"q4.1.balanced": text}


def test_an_answer_below_the_question_in_its_own_cell_is_found_without_the_question():
    notebook = filled_in()
    for cell in notebook["cells"]:
        if cell["id"] == "q2-2-heading":
            cell["source"] += ["\n\n", "A square pulls without bound."]
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "q2-2-answer"]
    assert texts(as_bytes(notebook)) == {"q2.2.answer": "A square pulls without bound."}


def test_a_new_cell_belongs_to_the_question_above_it():
    notebook = filled_in(q2_2="one")
    place = next(i for i, cell in enumerate(notebook["cells"]) if cell["id"] == "q2-2-answer")
    notebook["cells"][place + 1 : place + 1] = [
        text_cell("## Remarks", "two"),
        text_cell("three", kind="raw"),
    ]
    assert texts(as_bytes(notebook)) == {"q2.2.answer": "one\n\n## Remarks\ntwo\n\nthree"}


def test_code_and_outputs_are_never_text():
    code = {"cell_type": "code", "source": "# Q1.3: cold", "outputs": [{"text": ["Q1.3: cold"]}]}
    assert answers(book(text_cell("## Q1.3"), code))["q1.3.answer"] == Answer("", NOTHING_WRITTEN)


def test_code_between_two_texts_does_not_end_the_question():
    code = {"cell_type": "code", "source": "1", "outputs": []}
    assert texts(book(text_cell("## Q5.2", "a"), code, text_cell("b"))) == {"q5.2.analysis": "a\n\nb"}


def test_loose_headings_in_one_cell_part_the_text():
    theory = text_cell(
        "Theory",
        "1.3: cold",
        "and warm",
        "",
        "2.1:",
        "no words are marked here",
        "**2.2:** robust",
        "**Q2.4** shrinks",
        "Problem 3",
        "=========",
        "3.2) bias",
    )
    assert texts(book(theory)) == {
        "q1.3.answer": "cold\nand warm",
        "q2.2.answer": "robust",
        "q2.4.answer": "shrinks",
        "q3.2.answer": "bias",
    }


def test_one_heading_for_several_questions_gives_its_text_to_each():
    assert texts(book(text_cell("### Q4.1 - Q4.4", "done"), text_cell("### Q5.1", "x"))) == {
        "q4.1.balanced": "done",
        "q4.4.analysis": "done",
    }


def test_text_under_a_whole_problem_is_for_the_questions_without_a_heading_of_their_own():
    cells = (text_cell("# Problem 2", "all in one"), text_cell("## Q2.4", "shrinks"))
    assert texts(book(*cells)) == {"q2.2.answer": "all in one", "q2.4.answer": "shrinks"}


def test_the_next_question_and_the_next_problem_end_a_text():
    cells = (text_cell("## Q4.4", "sure"), text_cell("# Problem 5", "the end"), text_cell("## Q7.1", "bonus"))
    assert texts(book(*cells)) == {
        "q4.4.analysis": "sure",
        "q5.2.analysis": "the end",
        "q5.4.comparison": "the end",
    }


def test_metadata_names_the_question_of_a_cell_that_has_no_heading():
    assert texts(book(text_cell("No.", question="Q4.1 "))) == {"q4.1.balanced": "No."}


def test_a_heading_inside_a_cell_says_more_than_metadata_that_was_copied_along():
    cell = text_cell("cold", "## Q2.2", "robust", question="q1.3", part="answer")
    assert texts(book(cell)) == {"q1.3.answer": "cold", "q2.2.answer": "robust"}


def test_metadata_parts_the_texts_of_a_question_with_several_parts():
    cells = (
        text_cell("## Q4.4", "both"),
        text_cell("one", question="q4.4", part="first"),
        text_cell("two", question="q4.4", part="Second"),
        text_cell("other", question="q4.4", part="nobody's"),
    )
    found = answers(book(*cells), ["q4.4.first", "q4.4.second"])
    assert {part: answer.text for part, answer in found.items()} == {
        "q4.4.first": "both\n\none\n\nother",
        "q4.4.second": "both\n\ntwo\n\nother",
    }


def test_numbers_inside_a_listing_are_no_headings():
    cell = text_cell("## Q5.2", "```", "1.3: 0.2", "## Q4.1", "```", "vanish")
    assert texts(book(cell)) == {"q5.2.analysis": "```\n1.3: 0.2\n## Q4.1\n```\nvanish"}


def test_a_title_of_the_students_own_is_kept_and_ours_is_not():
    assert texts(book(text_cell("## Q1.3: What the Temperature does (3 points)", "y"))) == {
        "q1.3.answer": "y"
    }
    assert texts(book(text_cell("## Q1.3 It sharpens y"))) == {"q1.3.answer": "It sharpens y"}


def test_without_a_starter_nothing_is_taken_away_but_placeholders():
    found = answers(book(text_cell("## Q1.3", "1. Where does $y$ go?", "TODO")), starter=Starter())
    assert found["q1.3.answer"].text == "1. Where does $y$ go?"


def test_a_picture_sends_the_person_to_the_notebook():
    found = answers(book(text_cell("## Q3.2", "![scan](attachment:scan.png)")))
    assert found["q3.2.answer"] == Answer("![scan](attachment:scan.png)", WITH_PICTURE)


def test_a_question_that_is_nowhere_in_the_notebook_says_so():
    assert answers(book(text_cell("Hello")))["q1.3.answer"] == Answer(None, NO_CELL)


def test_a_notebook_that_cannot_be_read_says_why_at_every_part():
    found = answers(b"{")
    assert set(found) == set(PARTS)
    assert {answer.text for answer in found.values()} == {None}
    assert found["q1.3.answer"].note.startswith("the notebook cannot be read: it is not JSON")
