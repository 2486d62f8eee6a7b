"""What a place takes at most: integers, bytes, cells without formulas; nobody's points get lost by it."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from grader.errors import UsageError
from grader.reports import rendered, to_autolab, to_classroom50, to_csv
from grader.reports.to_json import read_report, render
from tests.contract.format_readers import (
    READERS,
    read_autolab,
    read_csv,
    read_github_classroom,
    read_prairielearn,
)
from tests.contract.report_samples import RUNNER, graded, hostile, many, partial


@pytest.fixture
def inside_the_runner(monkeypatch):
    for name, value in RUNNER.items():
        monkeypatch.setenv(name, value)


def with_points(checks: int) -> object:
    content = json.loads(render(many(checks)))
    for check in content["questions"][0]["checks"]:
        check["score"] = 0.5
    content["score"] = content["questions"][0]["score"] = 0.5 * checks
    return read_report(json.dumps(content))


class TestClassroom50:
    def test_points_are_scaled_to_integers_in_one_place_and_the_result_says_how(self, inside_the_runner):
        read = READERS["classroom50"](rendered(graded(), "classroom50"))
        assert (read.score, read.max_score) == (20, 70)
        assert read.tests[0].test_name == "100 points here are 1 point of the rubric"
        assert {test.model_extra["scale"] for test in read.tests} == {to_classroom50.SCALE}

    def test_a_part_without_a_score_neither_wins_nor_loses(self, inside_the_runner):
        read = READERS["classroom50"](rendered(partial(), "classroom50"))
        waiting = [test for test in read.tests if test.test_name.startswith("q1.3.proof")]
        assert [(test.score, test.max_score, test.passed) for test in waiting] == [(0, 0, False)]

    def test_halves_of_the_smallest_unit_go_to_the_even_side(self):
        assert [to_classroom50.scaled(Decimal(text)) for text in ("0.125", "0.135", "1")] == [12, 14, 100]

    @pytest.mark.parametrize("name", RUNNER)
    def test_outside_of_its_runner_one_sentence_names_what_is_missing(
        self, name, inside_the_runner, monkeypatch
    ):
        monkeypatch.delenv(name)
        with pytest.raises(UsageError, match=f"made inside its runner.*{name} is not set"):
            rendered(graded(), "classroom50")

    def test_a_tag_of_another_kind_is_refused(self, inside_the_runner, monkeypatch):
        monkeypatch.setenv("SUBMISSION_TAG", "v1")
        with pytest.raises(UsageError, match="must begin with submit/, not be 'v1'"):
            rendered(graded(), "classroom50")

    def test_the_date_is_that_of_the_grading_in_utc(self, inside_the_runner):
        content = json.loads(render(graded()))
        content["timing"]["started_at"] = "2026-01-01T01:00:00+02:00"
        read = READERS["classroom50"](rendered(read_report(json.dumps(content)), "classroom50"))
        assert read.datetime == "2025-12-31T23:00:00Z"

    def test_a_report_without_a_date_is_refused_in_one_sentence(self, inside_the_runner):
        content = json.loads(render(graded()))
        content["timing"]["started_at"] = "yesterday"
        with pytest.raises(UsageError, match=r"timing.started_at is no time: 'yesterday'"):
            rendered(read_report(json.dumps(content)), "classroom50")


def test_the_variable_of_the_github_reporter_is_never_overrun_and_the_points_still_add_up():
    read = read_github_classroom(rendered(with_points(300), "github-classroom"))
    assert sum(test["score"] for test in read["tests"]) == 150
    assert "further checks worth" in read["tests"][-1]["name"]
    assert len(read["tests"]) > 50


def test_the_results_of_prairielearn_stay_under_its_limit_and_the_points_still_add_up():
    read = read_prairielearn(rendered(with_points(400), "prairielearn"))
    assert sum(test.points for test in read.tests) == 200
    assert sum(test.max_points for test in read.tests) == pytest.approx(200 / read.score)
    assert "further checks" in read.tests[-1].name


def test_prairielearn_gets_points_on_every_test_and_what_waits_in_words():
    read = read_prairielearn(rendered(partial(), "prairielearn"))
    assert {test.name for test in read.tests} == {"q6.1.a", "q6.1.b", "q6.1.hidden_passed"}
    assert "q1.3.proof: proof: waits for a person" in read.output
    assert read.score == pytest.approx(0.5 / 5.7)


def test_a_report_about_nothing_is_not_gradable_for_prairielearn():
    content = json.loads(render(graded())) | {"questions": [], "score": 0, "max_score": 0}
    assert not read_prairielearn(rendered(read_report(json.dumps(content)), "prairielearn")).gradable


class TestAutolab:
    def test_a_question_without_a_score_is_no_problem_of_the_scores(self):
        read = read_autolab(rendered(partial(), "autolab"))
        assert read.scores == {"q6.1": 0.5}
        assert read.scoreboard == [0.5]
        assert read.feedback["Result"]["Status"] == "partial"

    def test_a_report_without_a_score_is_a_line_that_is_read_and_stores_nothing(self):
        content = json.loads(render(graded())) | {"score": None, "status": "interrupted"}
        text = to_autolab.render(read_report(json.dumps(content)))
        assert text.splitlines()[-1] == '{"scores": {}}'

    def test_no_word_before_a_colon_comes_into_the_last_line(self):
        last = to_autolab.render(hostile()).splitlines()[-1]
        assert set(json.loads(last)) == {"scores", "scoreboard"} or json.loads(last) == {"scores": {}}


class TestCsv:
    def test_every_check_has_a_line_below_that_of_its_question(self):
        rows = read_csv(to_csv.render(partial()))
        assert [(row["level"], row["id"]) for row in rows] == [
            ("total", "tiny"),
            ("question", "q1.3"),
            ("check", "q1.3.proof"),
            ("question", "q4.1"),
            ("check", "q4.1.balanced"),
            ("question", "q6.1"),
            ("check", "q6.1.a"),
            ("check", "q6.1.b"),
            ("check", "q6.1.secret"),
        ]

    def test_a_score_that_is_not_there_is_an_empty_cell(self):
        rows = {row["id"]: row["score"] for row in read_csv(to_csv.render(partial()))}
        assert rows["q4.1"] == rows["q1.3.proof"] == ""
        assert rows["tiny"] == "0.5"

    @pytest.mark.parametrize(
        "name, cell",
        [
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\t=1", "'=1"),
            ("a;=1", "a;'=1"),
            ("a; -1", "a; '-1"),
            ("\uff1d1", "'\uff1d1"),
            ("a-b, c+d", "a-b, c+d"),
            ('say "so", please', 'say "so", please'),
        ],
    )
    def test_text_that_begins_like_a_formula_gets_an_apostrophe(self, name, cell):
        content = json.loads(render(graded()))
        content["submission"]["name"] = name
        (first, *_) = read_csv(to_csv.render(read_report(json.dumps(content))))
        assert first["submission"] == cell

    def test_numbers_stand_without_quotation_marks_and_texts_within(self):
        text = to_csv.render(graded())
        assert '"graded",0.2,0.7,"Score: 0.2 of 0.7 points' in text
        (header, first, *_) = csv.reader(io.StringIO(text), quoting=csv.QUOTE_NONNUMERIC)
        assert header[7:9] == ["score", "max_score"]
        assert [type(cell) for cell in first[7:9]] == [float, float]
