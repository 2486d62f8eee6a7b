"""The fragment under a notebook's cell: the terminal's words, and nothing of a student's taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from grader.model import ArrayExcerpt, CheckResult, Feedback, Outcome
from grader.notebook_view import result_as_html
from grader.scoring import score
from grader.terminal import print_self_check
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts
from tests.unit.test_terminal import printed

HOSTILE = "<script>alert(1)</script>\"' onload=x &lt; \x1b[31mred\u202e ::error:: ##[error] <img src=x>"
ALLOWED = {"div", "details", "summary", "strong", "p", "pre", "code", "br"}
EXCERPT = ArrayExcerpt((9, 9), "float64", (1, 0), [[0.125, "nan"], [1.0, 2.0]], is_whole=False)


class Reader(HTMLParser):
    """What a browser would make of a fragment: tags, attributes and text."""

    def __init__(self, fragment):
        super().__init__()
        self.tags, self.open, self.attributes, self.text = set(), [], set(), ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data}"


def words(text):
    return " ".join(text.replace("|", " ").split())


def failed_with(feedback):
    plan = plan_of(visible_only=True)
    results = results_of(plan)
    check = plan.checks[1].check
    results[check.id] = CheckResult(check, Outcome.FAILED, feedback, 0.1)
    return plan, score(plan, results, facts())


@pytest.mark.parametrize("field", ["message", "expected", "got", "reproduce", "likely_cause", "handout"])
def test_no_text_of_a_student_is_markup_wherever_it_stands(field):
    plan, report = failed_with(Feedback(**{"message": "wrong", field: HOSTILE}))
    fragment = result_as_html(report, plan, notes=[HOSTILE])
    read = Reader(fragment)
    assert read.open == []
    assert read.tags <= ALLOWED
    assert read.attributes <= {"style", "open"}
    assert "<script>alert(1)</script>" in read.text
    assert not {"\x1b", "\u202e"} & set(fragment)
    assert "##[" not in fragment


def test_the_sentences_are_those_of_the_command_line():
    feedback = Feedback(
        "wrong by a factor. Likely cause: a mean taken twice",
        expected=EXCERPT,
        got="a text",
        reproduce="print(Linear(5, 3))",
        likely_cause="a mean taken twice",
        handout="Q6.1",
    )
    plan, report = failed_with(feedback)
    shown = words(Reader(result_as_html(report, plan, unchanged={"q6.1"})).text)
    for line in printed(lambda *all_: print_self_check(*all_, unchanged={"q6.1"}), report, plan).splitlines():
        assert words(line) in shown
    assert "q6.1 Linear: 1 of 2 visible checks pass, as before" in shown


def test_a_question_that_passes_is_folded_and_one_that_does_not_is_open():
    plan, report = failed_with(Feedback("wrong"))
    assert "<details open" in result_as_html(report, plan)
    right = score(plan, results_of(plan), facts())
    assert "<details style" in result_as_html(right, plan)


def test_text_has_the_pages_own_colours_so_that_it_can_be_read_on_dark_ones():
    plan, report = failed_with(Feedback("wrong", expected=EXCERPT))
    styles = re.findall(r'style="([^"]*)"', result_as_html(report, plan))
    names = [part.partition(":")[::2] for style in styles for part in style.split(";")]
    assert {value for name, value in names if name == "color"} == {"inherit"}
    assert {value for name, value in names if name.startswith("background")} == {"none"}
