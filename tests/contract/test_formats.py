"""Every format, in every view it has, of every kind of report: its place reads it, and reads the truth."""

from __future__ import annotations

import json
import re

import pytest
from junitparser import Properties

from grader.errors import UsageError
from grader.reports import FORMATS, VIEWS, rendered
from grader.reports.student_view import student_view
from grader.reports.to_actions import commands
from grader.reports.to_json import read_report
from tests.contract.format_readers import READERS, obeyed, read_commands
from tests.contract.report_samples import (
    EVERY_KIND,
    HOSTILE,
    HOSTILE_LINES,
    RUNNER,
    SCORED,
    SECRET,
    UNSCORED,
    graded,
    hostile,
    hostile_ids,
    partial,
    planted,
)

EACH = [(name, view) for name, chosen in FORMATS.items() for view in chosen.views]
each_format = pytest.mark.parametrize("name, view", EACH, ids=lambda value: value)
# A control character, a right-to-left mark or half a character; in JSON they may stand escaped.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
UNSAFE_ESCAPED = re.compile(r"\\u(001b|0000|202e|2066|d800)", re.IGNORECASE)


@pytest.fixture(autouse=True)
def inside_the_runner(monkeypatch):
    for name, value in RUNNER.items():
        monkeypatch.setenv(name, value)


def test_every_format_has_a_reader_and_a_view_for_each_who_reads_it():
    assert set(READERS) == set(FORMATS)
    assert all(set(chosen.views) <= set(VIEWS) and chosen.views for chosen in FORMATS.values())


@each_format
def test_its_place_reads_every_kind_of_report(name, view):
    for make in EVERY_KIND.values():
        report = make()
        if report.score is not None or FORMATS[name].holds_unscored:
            READERS[name](rendered(report, name, view))


@each_format
def test_the_same_report_gives_the_same_text(name, view):
    report = graded()
    assert rendered(report, name, view) == rendered(report, name, view)


@each_format
def test_hostile_text_everywhere_leaves_a_text_that_its_place_reads(name, view):
    text = rendered(hostile(), name, view)
    READERS[name](text)
    assert UNSAFE.search(text.replace("\r\n", "\n")) is None  # the line ends of a CSV
    assert UNSAFE_ESCAPED.search(text) is None
    if name not in {"json", "student"}:  # nobody prints those
        assert obeyed(text) == []


@each_format
def test_each_line_of_hostile_text_by_itself_is_read_too(name, view):
    for line in HOSTILE_LINES:
        text = rendered(hostile(line), name, view)
        READERS[name](text)
        if name not in {"json", "student"}:
            assert obeyed(text) == [], line


@each_format
def test_hostile_ids_are_only_text(name, view):
    for hostile_id in ("<img src=x>", "::error::a", "=1+1", "a|b`c", "a\nb", '"a: b', "_presentation", ""):
        text = rendered(hostile_ids(hostile_id), name, view)
        READERS[name](text)
        if name not in {"json", "student"}:
            assert obeyed(text) == [], hostile_id


@pytest.mark.parametrize("view", VIEWS)
def test_no_annotation_is_started_by_a_submission(view):
    for text in (HOSTILE, *HOSTILE_LINES):
        report = hostile(text)
        made = commands(student_view(report) if view == "student" else report)
        kinds = [command.kind for command in read_commands(made)]
        assert len(kinds) == len(obeyed(made))
        assert kinds.count("notice") == 1
        assert "forged" not in {command.message for command in read_commands(made)}


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_hidden_is_in_the_students_view(name):
    report = planted()
    text = rendered(report, name, "student")
    made = json.dumps(READERS[name](text)) if name == "github-classroom" else text
    if name == "actions":
        made += commands(student_view(report))
    for hidden in (SECRET, "987654321", "0.123456789", "0.777", "line 99"):
        assert hidden not in made
    assert SECRET in rendered(report, "json", "instructor")


@pytest.mark.parametrize("name", [name for name, chosen in FORMATS.items() if chosen.views[0] == "student"])
def test_what_students_are_shown_is_their_view_unless_somebody_asks(name):
    report = planted()
    assert rendered(report, name) == rendered(report, name, "student")


def test_the_instructor_reads_the_hidden_part_in_every_format():
    for name, chosen in FORMATS.items():
        if "instructor" in chosen.views:
            text = rendered(planted(), name, "instructor")
            made = json.dumps(READERS[name](text)) if name == "github-classroom" else text
            assert SECRET in made, name


def test_gradescope_shows_students_nothing_hidden_in_the_instructors_view_either():
    results = READERS["gradescope"](rendered(planted(), "gradescope", "instructor"))
    assert SECRET not in results.output
    hidden = [test for test in results.tests if SECRET in test.model_dump_json()]
    assert len(hidden) == 2  # the check itself, and what is for the instructor
    assert {test.visibility for test in hidden} == {"hidden"}


def test_gradescope_hides_no_test_in_the_students_view_so_that_the_total_shows():
    results = READERS["gradescope"](rendered(planted(), "gradescope", "student"))
    assert {test.visibility for test in results.tests} == {"visible"}


def scores_of(name, read):
    """Return every number that a place would take for a score of the report or of a part of it."""
    if name == "gradescope":
        return [read.score, *(test.score for test in read.tests)]
    if name == "prairielearn":
        return [read.score, *(test.points for test in read.tests)]
    if name == "autolab":
        return [*read.scores.values(), *(read.scoreboard or [])]
    if name == "github-classroom":
        return [read["max_score"] or None]  # the reporter posts no points at all then
    if name == "csv":
        return [row["score"] or None for row in read if row["level"] in {"total", "question"}]
    if name == "junit":
        return [value.value or None for value in read_total(read) if value.name == "score"]
    raise AssertionError(name)


def read_total(read):
    """Return the properties of the first case of the first suite: the whole grading."""
    return next(iter(next(iter(read)))).child(Properties)


@pytest.mark.parametrize("kind", UNSCORED)
@pytest.mark.parametrize(
    "name", ["gradescope", "prairielearn", "autolab", "github-classroom", "csv", "junit"]
)
def test_a_report_without_a_score_is_nowhere_a_zero(name, kind):
    read = READERS[name](rendered(UNSCORED[kind](), name))
    assert [score for score in scores_of(name, read) if score is not None] == []


@pytest.mark.parametrize("kind", UNSCORED)
def test_a_report_without_a_score_has_no_file_for_classroom_50(kind):
    with pytest.raises(UsageError, match="could only be told a zero"):
        rendered(UNSCORED[kind](), "classroom50")


@pytest.mark.parametrize("kind", UNSCORED)
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"json", "student", "classroom50"}])
def test_a_report_without_a_score_says_so_and_why(name, kind):
    report = UNSCORED[kind]()
    text = rendered(report, name)
    made = json.dumps(READERS[name](text)) if name == "github-classroom" else text
    plain = made.replace("\\", "")
    assert "which is not a zero" in plain or name == "csv"
    assert "Not scored" in plain
    assert report.status in plain.replace("\\_", "_")


@pytest.mark.parametrize("kind", UNSCORED)
def test_a_report_without_a_score_never_looks_green(kind):
    report = UNSCORED[kind]()
    assert READERS["junit"](rendered(report, "junit")).errors > 0
    assert READERS["github-classroom"](rendered(report, "github-classroom"))["status"] == "error"
    assert read_commands(commands(report))[0].kind == "error"
    assert READERS["prairielearn"](rendered(report, "prairielearn")).gradable is False


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"json", "student"}])
def test_points_that_wait_for_a_person_and_questions_not_run_are_told(name):
    text = rendered(partial(), name)
    made = json.dumps(READERS[name](text)) if name == "github-classroom" else text
    assert "3.5 points wait for a person to mark: q1.3.proof (3), q4.1.balanced (0.5)" in made
    assert "Not run, and not scored: q4.1 (2)" in made


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"json", "student"}])
def test_a_report_that_is_no_grade_says_so(name):
    text = rendered(SCORED["not a grade"](), name)
    made = json.dumps(READERS[name](text)) if name == "github-classroom" else text
    assert "not a grade" in made


def test_the_score_is_the_same_in_every_place():
    for kind, make in SCORED.items():
        report = make()
        worth = float(report.score)
        share = worth / float(report.max_score)
        read = {name: READERS[name](rendered(report, name)) for name in FORMATS}
        assert read["gradescope"].score == worth, kind
        assert sum(test.score or 0 for test in read["gradescope"].tests) == pytest.approx(worth)
        assert read["classroom50"].score == round(100 * worth)
        assert sum(test["score"] for test in read["github-classroom"]["tests"]) == pytest.approx(worth)
        assert sum(read["autolab"].scores.values()) == pytest.approx(worth)
        assert read["prairielearn"].score == pytest.approx(share)
        assert float(read["csv"][0]["score"]) == worth
        assert read_report(rendered(report, "student")).score == report.score
