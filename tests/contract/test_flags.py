"""Flags on their way into the report, whatever a scan gives and however it ends; they never cost a point."""

from __future__ import annotations

import pytest

from grader import pipeline
from tests.contract.tiny_assignment import (
    FAKE_STUDENT,
    options_for,
    rubric_of,
    write_assignment,
    write_submission,
)

CHECKS = """
@check("q6.1.right")
def test_right(student, flag):
    "Right."
    {right}
@check("q6.1.wrong")
def test_wrong(student, flag):
    "Wrong."
    flag("odd", "looks odd")
    raise CheckFailed("no")
"""


def grade(tmp_path, *, scan="return []", right="pass"):
    """Grade by a student whose scan has the given body: one check that passes, one that fails."""
    student = FAKE_STUDENT.replace("return []", scan)
    assert scan in student
    assignment = write_assignment(
        tmp_path / "assignment",
        CHECKS.format(right=right),
        rubric=rubric_of({"right": 2, "wrong": 1}),
        student=student,
    )
    return pipeline.grade(write_submission(tmp_path / "alice"), options_for(assignment)).report


@pytest.mark.parametrize(
    ("scan", "flags"),
    [
        ('return [("mytorch/x.py", 3, "library", "torch")]', [("library", "mytorch/x.py, line 3")]),
        ('return "nothing to see"', [("not_scanned", None)]),
        ("return [None, [1, 2]]", [("not_scanned", None), ("not_scanned", None)]),
        ('import grader.errors as e; raise e.StudentTimedOut("10 s")', [("not_scanned", None)]),
        ('import grader.errors as e; raise e.StudentCrashed("signal 11")', [("not_scanned", None)]),
        ('import grader.errors as e; raise e.MachineFault("killed")', [("not_scanned", None)]),
    ],
)
def test_whatever_a_scan_gives_the_points_are_the_same(tmp_path, scan, flags):
    report = grade(tmp_path, scan=scan)
    assert (report.status, report.score, report.max_score) == ("graded", 2, 3)
    assert [(flag.kind, flag.where) for flag in report.flags] == [*flags, ("odd", "q6.1.wrong")]


def test_a_passing_check_may_flag_too(tmp_path):
    report = grade(tmp_path, right='flag("odd", "twice as odd")')
    assert [(flag.message, flag.where) for flag in report.flags] == [
        ("twice as odd", "q6.1.right"),
        ("looks odd", "q6.1.wrong"),
    ]
    assert report.score == 2


def test_a_submission_is_scanned_once_though_every_question_has_a_worker_of_its_own(tmp_path):
    scan = 'return [("mytorch/x.py", 3, "library", "torch")]'
    assignment = write_assignment(
        tmp_path / "assignment",
        CHECKS.format(right="pass"),
        rubric=rubric_of({"right": 2, "wrong": 1}) + rubric_of({"right": 2, "wrong": 1}, question="q6.2"),
        student=FAKE_STUDENT.replace("return []", scan),
    )
    first = assignment.folder / "visible" / "test_q6_1.py"
    second = first.read_text(encoding="utf-8").replace('"q6.1', '"q6.2')
    first.with_name("test_q6_2.py").write_text(second, encoding="utf-8")
    report = pipeline.grade(write_submission(tmp_path / "alice"), options_for(assignment)).report
    assert (report.status, report.score) == ("graded", 4)
    assert [flag.kind for flag in report.flags] == ["library", "odd", "odd"]


def test_text_of_a_flag_is_clean_in_the_report(tmp_path):
    report = grade(tmp_path, scan=r'return [("a\x1b[31m\n::error::.py", 1, "library", "\u202etorch")]')
    assert report.flags[0].where == "a ::error::.py, line 1"
    assert "\u202e" not in report.flags[0].message
