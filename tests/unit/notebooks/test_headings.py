"""Which lines head which question: strict where text runs on, generous where somebody set a heading."""

import time

import pytest

from grader.notebooks.headings import heading_of
from tests.unit.notebooks.books import KNOWN

P6 = ("q6.1", "q6.2", "q6.3", "q6.4", "q6.5")


@pytest.mark.parametrize(
    "line, questions, rest",
    [
        ("## Q4.2", ("q4.2",), ""),
        ("#Q4.2 Build and train", ("q4.2",), "Build and train"),
        ("## 4.2 Build ##", ("q4.2",), "Build"),
        ("### **Q4.1**", ("q4.1",), ""),
        ("<h2>Q4.2 Build</h2>", ("q4.2",), "Build"),
        ("<h3 style='color:red'>Question 4.2</h3>", ("q4.2",), ""),
        ("1.3:", ("q1.3",), ""),
        ("1.3: y goes to a corner", ("q1.3",), "y goes to a corner"),
        ("1.3) y", ("q1.3",), "y"),
        ("1.3", ("q1.3",), ""),
        ("  - 2.2: y", ("q2.2",), "y"),
        ("**1.3:** y", ("q1.3",), "y"),
        ("**Q2.2** y", ("q2.2",), "y"),
        ("**Q4.1 Is it balanced?** No.", ("q4.1",), "Is it balanced?** No."),
        ("**Q4.1 Balance**", ("q4.1",), "Balance"),
        ("Q4.1: **No**, it", ("q4.1",), "**No**, it"),
        ("Q 4.1 - no", ("q4.1",), "no"),
        ("Question 2.2. It", ("q2.2",), "It"),
        ("problem 2.2", ("q2.2",), ""),
        ("### Q4.4 (a) y", ("q4.4",), "y"),
        ("## 4.4.1 y", ("q4.4",), "y"),
        ("Q6.1 - Q6.5", P6, ""),
        ("### 6.1–6.5: in mytorch/", P6, "in mytorch/"),  # noqa: RUF001 -- a dash between numbers
        ("## Q6.1 to 6.5", P6, ""),
        ("Q2.2, Q2.4 & Q3.3:", ("q2.2", "q2.4", "q3.3"), ""),
        ("## Q7.1 A question of nobody's", ("q7.1",), "A question of nobody's"),
    ],
)
def test_a_heading_names_its_questions_and_leaves_the_rest(line, questions, rest):
    heading = heading_of(line, KNOWN)
    assert (heading.questions, heading.rest, heading.is_precise) == (questions, rest, True)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "Q4.2 shows that",
            "as in Q4.2: nothing",
            "1.3 is the optimum",
            "2.2. a second remark",
            "0.5: half",
        ),
        *("## 0.5 is too small", "Q6.1 to Q6.6 are graded in `mytorch/`", "1.35", "12.3.4", "", "   ", "---"),
        *("Problem 5 is hard", "a problem 5", "## Analysis", "12:30", "$1.3$", "Part 2:", "Question 1:"),
    ],
)
def test_a_number_in_running_text_heads_nothing(line):
    assert heading_of(line, KNOWN) is None


def test_a_line_over_a_line_of_dashes_is_a_heading():
    assert heading_of("Q4.2 Build", KNOWN, next_line="=====").questions == ("q4.2",)
    assert heading_of("Q4.2 shows", KNOWN, next_line="that") is None


@pytest.mark.parametrize("line", ["# Problem 2: robust regression", "**Problem 2**", "Problem 2:"])
def test_a_problem_stands_for_all_its_questions_but_not_precisely(line):
    heading = heading_of(line, KNOWN)
    assert heading.questions == ("q2.1", "q2.2", "q2.3", "q2.4")
    assert not heading.is_precise


@pytest.mark.parametrize(
    "line",
    [
        *("#" * 10**6, " " * 10**6, "* _ " * 10**5, "<a" * 10**5, "<a>" * 10**5, "Q4.2" + " " * 10**6 + "x"),
        *("Q4.2" + "*_" * 10**5 + "x", "## Q4.2 " + "# " * 10**5, "Q1.1" + ", Q1.1" * 10**5, "9" * 10**6),
    ],
)
def test_a_line_made_to_stall_a_pattern_does_not(line):
    started_s = time.process_time()
    heading_of(line, KNOWN)
    assert time.process_time() - started_s < 1
