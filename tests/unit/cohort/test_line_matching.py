"""A line of the template is a student's beyond doubt, or nobody's."""

import pytest

from grader.cohort.gradebooks.line_matching import Directory
from grader.cohort.gradebooks.template import TemplateLine
from grader.cohort.model import Student


def line(number, *names, **known):
    student = Student(key=f"line {number}", name=names[0] if names else None, **known)
    return TemplateLine(number=number, student=student, names=names)


LINES = [
    line(1, "Müller, Änne", "Änne Müller", lms_id="1001", sid="s1", login="aenne"),
    line(2, "Smith, Jo", "Jo Smith", lms_id="1002", sid="s2", login="jo.smith"),
    line(3, "Smith, Jo", "Jo Smith", lms_id="1003", sid="s3", login="jo2@uni.edu"),
    line(4, "Zoë O'Neil", lms_id="1004", email="Zoe@Uni.edu"),
    line(5, "Straße, Max", "Max Straße", sid="1001"),
]


def found(**known):
    known.setdefault("key", "label")
    return Directory(LINES).find(Student(**known))


@pytest.mark.parametrize(
    "known, number, kind",
    [
        ({"lms_id": "1002"}, 2, "number in the place"),
        ({"lms_id": "9", "sid": "S2"}, 2, "university number"),
        ({"login": "AENNE"}, 1, "login"),
        ({"email": "zoe@uni.EDU"}, 4, "address"),
        ({"email": "jo2@uni.edu"}, 3, "address"),
        ({"name": "a\u0308nne  MU\u0308LLER"}, 1, "name"),
        ({"name": "Müller,Änne"}, 1, "name"),
        ({"name": "max STRAßE"}, 5, "name"),
        ({"name": "Zoë\u200b O'Neil\u202e"}, 4, "name"),
        ({"key": "aenne"}, 1, "login"),
        ({"key": "name:aenne", "name": "aenne"}, 1, "login"),  # a zip that is called after a login
        ({"key": "Zoë O'Neil"}, 4, "name"),
        # as Canvas writes names in the files that it lets one download
        ({"lms_id": "1002", "name": "smithjo"}, 2, "number in the place"),
        ({"lms_id": "1002", "name": "Josephine Smith"}, 2, "number in the place"),
        ({"lms_id": "1002", "name": "X Y", "sid": "s2"}, 2, "number in the place"),
    ],
)
def test_a_student_is_found_by_the_strongest_that_is_known(known, number, kind):
    match = found(**known)
    assert (match.line.number, match.by, match.problem) == (number, kind, None)


@pytest.mark.parametrize(
    "known, problem",
    [
        ({"name": "Jo Smith"}, "2 lines of the template have this name"),
        ({"key": "Jo Smith"}, "2 lines of the template fit this label"),
        ({"key": "1001"}, "2 lines of the template fit this label"),
        ({"key": "nobody"}, "no line"),
        ({"name": "Anne Muller"}, "no line"),
        ({"name": "Müller"}, "no line"),
        ({"name": "Max Strasse"}, "no line"),
        ({"name": "s2", "login": "x"}, "no line"),
        ({"lms_id": "1002", "name": "Group 7"}, "this number in the place with another name"),
        ({"name": "Zoë O'Neil", "email": "another@uni.edu"}, "this name with another address"),
        ({"name": "Änne Müller", "sid": "s9"}, "this name with another university number"),
        ({"name": "Änne Müller", "lms_id": "77"}, "this name with another number in the place"),
        ({"name": "Änne Müller", "login": "other"}, "this name with another login"),
        # the same number in two places
        ({"lms_id": "1002", "name": "Quentin Zork"}, "this number in the place with another name"),
        ({"lms_id": "1004", "email": "x@y.z"}, "this number in the place with another address"),
        ({"lms_id": "1002", "sid": "s9"}, "this number in the place with another university number"),
    ],
)
def test_who_cannot_be_told_for_sure_is_nobody(known, problem):
    match = found(**known)
    assert match.line is None
    assert problem in match.problem
