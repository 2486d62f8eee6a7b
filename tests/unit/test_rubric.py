"""A rubric is read exactly, and everything wrong with it is one sentence."""

from decimal import Decimal

import pytest

from grader.errors import UsageError
from grader.rubric import load_rubric, parse_rubric, select

QUESTION = {
    "id": "q6.1",
    "title": "Linear",
    "points": 3,
    "requires": ["mytorch", "torch"],
    "checks": {"a": Decimal("0.1"), "b": Decimal("2.4")},
    "written": {"why": Decimal("0.5")},
}
CONTENT = {"schema": "grader/rubric/v1", "assignment": "hw1", "version": "1", "question": [QUESTION]}


def with_question(**changes):
    return CONTENT | {"question": [QUESTION | changes]}


def test_points_are_exact_decimals_with_full_names():
    question = parse_rubric(CONTENT).questions[0]
    assert question.checks == {"q6.1.a": Decimal("0.1"), "q6.1.b": Decimal("2.4")}
    assert question.written == {"q6.1.why": Decimal("0.5")}
    assert parse_rubric(CONTENT).points == 3


def test_requirements_are_told_apart_into_parts_of_the_submission_and_packages():
    question = parse_rubric(CONTENT).questions[0]
    assert question.submission_parts == {"mytorch"}
    assert question.packages == ("torch",)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (CONTENT | {"schema": "v0"}, "schema must be"),
        (CONTENT | {"question": []}, "there is no [[question]]"),
        (CONTENT | {"extra": 1}, "'extra' is unknown"),
        (CONTENT | {"question": [QUESTION, QUESTION]}, "q6.1 is there twice"),
        (CONTENT | {"version": ""}, "version must be a text"),
        (with_question(id="6.1"), "looks like q6.1"),
        (with_question(points=4), "its parts add up to 3.0, its points are 4"),
        (with_question(withheld=3), "withheld is a table of checks and points"),
        (with_question(withheld={"names": 3}), "'names' is unknown; known: checks, points"),
        (with_question(withheld={"checks": -1}), "whole number from 0 up"),
        (with_question(withheld={"checks": 2, "points": 1}), "its parts add up to 4.0, its points are 3"),
        (with_question(points=True), "points must be a number"),
        (with_question(points=Decimal("NaN")), "points must be a number"),
        (with_question(points=Decimal("Infinity")), "points must be a number"),
        (with_question(points=-1), "points must be a number"),
        (with_question(checks={"A b": 3}), "no name of a check"),
        (with_question(checks={"why": Decimal("2.5")}), "q6.1.why is both"),
        (with_question(checks={}, written={"why": 4}), "written parts are worth more"),
        (with_question(requires="mytorch"), "requires is a list"),
        (with_question(checks=[1]), "tables of names and points"),
        (with_question(weight=1), "q6.1: 'weight' is unknown"),
        (CONTENT | {"question": [3]}, "must be a table"),
    ],
)
def test_what_is_wrong_with_a_rubric_is_said(content, sentence):
    with pytest.raises(UsageError) as caught:
        parse_rubric(content)
    assert sentence in str(caught.value)


def test_tenths_add_up_exactly():
    parse_rubric(
        with_question(points=Decimal("0.3"), checks={"a": Decimal("0.1"), "b": Decimal("0.2")}, written={})
    )


def test_the_digest_sees_content_and_not_layout():
    same = with_question(checks={"b": Decimal("2.40"), "a": Decimal("0.10")})
    other = with_question(checks={"a": Decimal("0.2"), "b": Decimal("2.3")})
    assert parse_rubric(CONTENT).digest == parse_rubric(same).digest != parse_rubric(other).digest


def test_a_file_that_is_missing_or_no_toml_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_rubric(tmp_path / "rubric.toml")
    (tmp_path / "rubric.toml").write_text("a = = 1")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_rubric(tmp_path / "rubric.toml")
    (tmp_path / "rubric.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_rubric(tmp_path / "rubric.toml")


def rubric_of_three():
    ids = ("q4.1", "q6.1", "q6.2")
    return parse_rubric(CONTENT | {"question": [QUESTION | {"id": name} for name in ids]})


def test_nothing_asked_for_means_all_questions():
    assert len(select(rubric_of_three(), ())) == 3


def test_a_whole_problem_can_be_asked_for_and_the_rubrics_order_holds():
    assert [question.id for question in select(rubric_of_three(), ["q6"])] == ["q6.1", "q6.2"]
    assert [question.id for question in select(rubric_of_three(), ["Q6.2", "q4.1"])] == ["q4.1", "q6.2"]


def test_an_unknown_question_is_answered_with_the_known_ones():
    with pytest.raises(UsageError) as caught:
        select(rubric_of_three(), ["q9.9"])
    assert str(caught.value) == (
        "unknown question 'q9.9'; known: q4.1, q6.1, q6.2, or a whole problem: q4, q6"
    )
