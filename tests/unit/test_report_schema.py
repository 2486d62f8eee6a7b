"""`report.json` is what its published schema says, holds no NaN, and no foreign text is taken literally."""

import json
from decimal import Decimal

import jsonschema
import pytest

from grader.errors import UsageError
from grader.model import ArrayExcerpt, CheckResult, Ending, Feedback, Outcome
from grader.reports import FORMATS, ensure_writable, write_atomically, write_report
from grader.reports.schema import SCHEMA_FILE, report_schema
from grader.reports.to_json import read_report, render
from grader.scoring import score
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts


def full_report(message="so", expected=None, error=None):
    plan = plan_of()
    results = results_of(plan, b=Outcome.FAILED)
    check = plan.checks[1].check
    feedback = Feedback(
        message,
        expected=expected,
        got=ArrayExcerpt((2, 2), "float64", (0, 1), [[1.5, "nan"], [True, 3]], is_whole=False),
        first_bad_index=(0, 1),
        max_relative_error=error,
    )
    results[check.id] = CheckResult(check, Outcome.FAILED, feedback, 0.1)
    return score(plan, results, facts())


def test_the_published_schema_is_in_step_with_the_code():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == report_schema()


@pytest.mark.parametrize("ending", list(Ending))
def test_every_kind_of_report_is_valid_by_the_published_schema(ending):
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    plan = plan_of()
    results = results_of(plan) if ending is Ending.FINISHED else {}
    jsonschema.validate(json.loads(render(score(plan, results, facts(ending)))), schema)
    jsonschema.validate(json.loads(render(full_report(error=float("inf")))), schema)


def test_points_are_plain_numbers_in_json():
    content = json.loads(render(full_report()))
    assert content["score"] == 0.5
    assert content["questions"][2]["checks"][0]["max_score"] == 0.1
    assert content["questions"][0]["max_score"] == 3


def test_a_report_read_back_is_the_same_report():
    report = full_report(error=0.25)
    assert read_report(render(report)) == report
    assert read_report(render(report)).score == Decimal("0.5")


@pytest.mark.parametrize("number, shown", [(float("nan"), "nan"), (float("-inf"), "-inf"), (0.5, 0.5)])
def test_numbers_that_json_cannot_hold_are_strings(number, shown):
    content = json.loads(render(full_report(error=number)))
    feedback = content["questions"][2]["checks"][1]["feedback"]
    assert feedback["max_relative_error"] == shown
    assert feedback["got"]["values"] == [[1.5, "nan"], [True, 3]]


def test_foreign_text_is_scrubbed_wherever_it_stands():
    nasty = "\x1b[31m\u202e<script>\x00\ud800"
    excerpt = ArrayExcerpt((1,), f"object{nasty}", (0,), [nasty], is_whole=True)
    for expected in (nasty, excerpt):
        text = render(full_report(message=nasty, expected=expected))
        escaped = json.dumps(json.loads(text))  # whatever is not ASCII shows as \\uXXXX
        assert not [code for code in ("\\u001b", "\\u202e", "\\u0000", "\\ud800") if code in escaped]
        assert "<script>" in text  # escaping is each format's own duty


def test_a_flood_of_text_is_cut():
    assert len(render(full_report(message="x" * 10**6))) < 20_000


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"schema": "grader/report/v2"}'])
def test_what_is_no_report_is_one_sentence(text):
    with pytest.raises(UsageError, match="this is no report of this version"):
        read_report(text)


def test_every_format_writes_its_file(tmp_path, monkeypatch):
    for name in ("CLASSROOM", "ASSIGNMENT", "COMMIT_URL", "RELEASE_URL", "REVIEW_URL"):
        monkeypatch.setenv(name, "so")
    monkeypatch.setenv("SUBMISSION_TAG", "submit/1")
    path = write_report(full_report(), tmp_path / "new" / "folder", tuple(FORMATS))
    assert path == tmp_path / "new" / "folder" / "report.json"
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(
        chosen.file_name for chosen in FORMATS.values()
    )


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "\ud800")
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert target.read_text() == "old"


def test_a_place_that_cannot_be_written_is_said_before_grading(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write into"):
        ensure_writable(tmp_path / "file" / "below")
    ensure_writable(tmp_path / "fine")
    assert list((tmp_path / "fine").iterdir()) == []
