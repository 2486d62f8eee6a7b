"""A step's summary stays under its limit, and the ten best annotations are made."""

from __future__ import annotations

import json

from grader.reports.to_actions import MAX_ANNOTATIONS, MAX_SUMMARY_BYTES, commands, render
from grader.reports.to_json import read_report
from grader.reports.to_json import render as to_json
from tests.contract.format_readers import read_commands, read_markdown
from tests.contract.report_samples import PLACE, graded, many, partial, without_result


def test_an_annotation_stands_at_the_students_line_and_says_points_and_reason():
    dearest, at_a_line, _ = read_commands(commands(graded()))
    assert dearest.properties == {"title": "q6.1.secret: SECRET"}
    assert at_a_line.kind == "error"
    assert at_a_line.properties == {"file": PLACE, "line": "12", "title": "q6.1.a: A"}
    assert at_a_line.message.startswith("failed, 0 of 0.1 points: Linear.forward raised ValueError: no (")


def test_ten_errors_are_made_and_the_dearest_come_first():
    errors = [each for each in read_commands(commands(many(50, "x"))) if each.kind == "error"]
    assert len(errors) == MAX_ANNOTATIONS
    assert all("failed, 0 of 3 points" in each.message for each in errors)


def test_ten_errors_are_made_where_there_is_no_score_too_and_the_first_says_so():
    content = json.loads(to_json(many(50, "x"))) | {"score": None, "status": "interrupted"}
    errors = [
        each for each in read_commands(commands(read_report(json.dumps(content)))) if each.kind == "error"
    ]
    assert len(errors) == MAX_ANNOTATIONS
    assert errors[0].properties["title"] == "not scored"


def test_what_has_no_score_is_a_warning_and_what_was_skipped_or_passed_is_silent():
    made = read_commands(commands(partial()))
    assert [(each.kind, each.properties["title"].partition(":")[0]) for each in made] == [
        ("warning", "q4.1"),
        ("notice", "tiny"),
    ]
    assert [each.kind for each in read_commands(commands(without_result()))] == ["error", "warning", "notice"]


def test_percent_signs_colons_and_commas_arrive_as_they_were():
    content = json.loads(to_json(graded()))
    check = content["questions"][0]["checks"][0]
    check["title"] = "100%, a:b %0A::error::x"
    check["feedback"]["message"] = "50%25 of a\nb"
    made = commands(read_report(json.dumps(content)))
    assert "title=q6.1.a%3A 100%25%2C a%3Ab %250A%3A%3Aerror%3A%3Ax::" in made
    found = next(each for each in read_commands(made) if "100%" in each.properties["title"])
    assert found.properties["title"] == "q6.1.a: 100%, a:b %0A::error::x"
    assert found.message == "failed, 0 of 0.1 points: 50%25 of a b"


def test_a_summary_that_would_be_too_large_loses_whole_rows_and_says_so():
    text = render(many(300))
    assert MAX_SUMMARY_BYTES * 3 // 4 < len(text.encode()) < MAX_SUMMARY_BYTES
    read_markdown(text)
    kept = text.count("<details>")
    assert f"{300 - kept} of 300 rows were left out: a step's summary holds 1024 KB." in text
    assert text.count("\n| `q6.1.c") == kept


def test_a_summary_that_fits_is_whole():
    text = render(many(20))
    assert "left out" not in text
    assert text.count("<details>") == 20
