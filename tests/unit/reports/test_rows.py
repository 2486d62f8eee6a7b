"""Which rows a report has, which of them matter most, and where in the student's code they point."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from grader.reports.rows import as_many_as_fit, most_valuable_first, rows_of
from grader.reports.student_view import is_count, student_view
from grader.reports.to_json import read_report, render
from tests.contract.report_samples import PLACE, UNSCORED, graded, marked_by_hand, partial, planted


def edited(report, **messages):
    """Return a report with other messages of its first question's checks, by the last part of their ids."""
    content = json.loads(render(report))
    for check in content["questions"][0]["checks"]:
        name = check["id"].rpartition(".")[2]
        if name in messages:
            check |= {"outcome": "failed", "score": 0}
            check["feedback"]["message"] = messages[name]
    return read_report(json.dumps(content))


def test_every_check_has_a_row_and_so_has_a_question_that_was_not_run():
    states = {row.id: row.state for row in rows_of(partial())}
    assert states == {
        "q1.3.proof": "pending",
        "q4.1": "unscored",
        "q4.1.balanced": "pending",
        "q6.1.a": "passed",
        "q6.1.b": "skipped",
        "q6.1.secret": "passed",
    }


def test_the_rows_of_a_report_are_worth_what_the_report_is():
    for report in (graded(), partial(), marked_by_hand(), *(make() for make in UNSCORED.values())):
        rows = rows_of(report)
        assert sum(row.max_score for row in rows) == report.max_score
        if report.score is not None:
            assert sum(row.score or Decimal(0) for row in rows) == report.score


def test_a_row_points_to_the_students_own_line():
    row = rows_of(graded())[0]
    assert (row.file, row.line) == (PLACE, 12)


@pytest.mark.parametrize(
    "message",
    [
        "(mytorch/other.py, line 3)",
        "(/etc/passwd, line 3)",
        f"({PLACE}, line 0)",
        f"({PLACE}, line x)",
        "no place",
    ],
)
def test_a_place_that_is_not_in_the_submission_is_none(message):
    assert rows_of(edited(graded(), a=message))[0].file is None


def test_the_innermost_place_counts():
    row = rows_of(edited(graded(), a=f"so ({PLACE}, line 3: f()) and ({PLACE}, line 7: g())"))[0]
    assert row.line == 7


def test_what_cost_most_comes_first_then_what_stands_first_in_the_students_code():
    content = json.loads(render(graded()))
    (question,) = content["questions"]
    first = question["checks"][0]
    places = {"none": (1, None), "late": (1, 40), "early": (1, 4), "dear": (2, 90), "passed": (0, 1)}
    question["checks"] = [
        first
        | {"id": f"q6.1.{name}", "max_score": 2, "score": 2 - lost}
        | {"feedback": first["feedback"] | {"message": f"({PLACE}, line {line})" if line else "so"}}
        for name, (lost, line) in places.items()
    ]
    ordered = [row.id for row in most_valuable_first(rows_of(read_report(json.dumps(content))))]
    assert ordered == ["q6.1.dear", "q6.1.early", "q6.1.late", "q6.1.none"]


def test_of_too_many_rows_those_that_cost_points_are_kept_and_in_their_order():
    rows = rows_of(graded())
    kept = as_many_as_fit(
        rows, lambda some: ",".join(row.id for row in some), max_bytes=len("q6.1.a,q6.1.secret")
    )
    assert kept == "q6.1.a,q6.1.secret"
    assert as_many_as_fit(rows, lambda some: "x" * len(some), max_bytes=3) == "xxx"
    assert as_many_as_fit(rows, lambda some: "x" * len(some), max_bytes=0) == ""
    assert as_many_as_fit([], lambda _: "nothing", max_bytes=0) == "nothing"


def test_a_row_of_the_students_view_counts_and_no_check_with_words_of_its_own_does():
    view = student_view(planted())
    (question,) = view.questions
    assert [is_count(question.id, check) for check in question.checks] == [False, False, True]
    row = question.checks[-1]
    for update in ({"title": "3 hidden checks: x"}, {"id": "q6.1.secret"}, {"grader_fault": "x"}):
        assert not is_count(question.id, row.model_copy(update=update))
    feedback = row.feedback.model_copy(update={"expected": "5"})
    assert not is_count(question.id, row.model_copy(update={"feedback": feedback}))


def test_a_row_says_its_verdict_in_words():
    verdicts = {row.id: row.verdict for row in rows_of(partial())}
    assert verdicts["q6.1.a"] == "passed, 0.1 of 0.1 points"
    assert verdicts["q1.3.proof"] == "waits for a person to mark up to 3 points"
    assert verdicts["q4.1"] == "not_run, not scored (worth 1.5 points)"
