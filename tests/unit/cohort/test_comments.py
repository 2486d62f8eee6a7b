"""A comment is written once, reaches everybody with the failure in every format, and is there again later."""

from __future__ import annotations

import json
import threading
from unittest import mock

import jsonschema
import pytest

from grader import marks
from grader.cli import run
from grader.cohort.failures import comments
from grader.cohort.failures.clusters import cluster_id, failures
from grader.cohort.failures.comments import Comment, apply_comments, comment, commented, read_comments
from grader.errors import MachineFault, UsageError
from grader.model import Outcome, Visibility
from grader.reports import FORMATS, rendered
from grader.reports.schema import SCHEMA_FILE
from grader.reports.student_view import student_view
from grader.reports.to_json import read_report, read_report_file
from tests.contract.golden_report import RUNNER
from tests.unit.cohort.samples import SECRET, SIGMOID, TANH, failed, report_of, write_class

TEXT = "Look at the chain rule again: slide 12"
WRONG = {TANH: failed("it is 3.5 times too large", "the mean is taken twice")}


def key_of(report, check=TANH) -> str:
    return next(cluster_id(each) for each in failures(report) if each.id == check)


def made(report, text=TEXT, check=TANH, by="Ada") -> dict[str, Comment]:
    key = key_of(report, check)
    return {key: Comment(cluster=key, check=check, diagnosis="", text=text, by=by, at="2026-01-01")}


def comments_in(path) -> dict[str, str]:
    report = read_report_file(path)
    return {
        check.id: check.comment.text
        for question in report.questions
        for check in question.checks
        if check.comment is not None
    }


@pytest.fixture
def folder(tmp_path):
    reports = [report_of("ada", WRONG), report_of("bob", WRONG), report_of("eve")]
    return write_class(tmp_path / "class", reports, ("json", "html", "student", "csv"))


def test_everybody_with_the_failure_gets_the_comment_and_nobody_else(folder):
    applied = comment(folder, key_of(report_of("x", WRONG)), TEXT, by="Ada")
    assert applied.changed == 2
    assert list(applied.holders.values()) == [2]
    assert comments_in(folder / "ada/report.json") == {TANH: TEXT}
    assert comments_in(folder / "bob/report.json") == {TANH: TEXT}
    assert comments_in(folder / "eve/report.json") == {}


def test_every_format_that_lies_beside_the_report_has_the_comment_and_no_other_is_made(folder):
    before = {path.name for path in (folder / "ada").iterdir()}
    comment(folder, key_of(report_of("x", WRONG)), TEXT, by="Ada")
    assert {path.name for path in (folder / "ada").iterdir()} == before
    for path in (folder / "ada").iterdir():
        assert TEXT in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize(
    "name, view", [(name, view) for name, each in FORMATS.items() for view in each.views]
)
@pytest.mark.parametrize("check", [TANH, SECRET])
def test_a_comment_stands_in_every_format_and_view_and_on_a_hidden_check_too(name, view, check):
    report = report_of("ada", {check: failed("it is 3.5 times too large")})
    words = "Look at the chain rule"
    report = commented(report, made(report, words, check))
    with mock.patch.dict("os.environ", RUNNER):
        text = rendered(report, name, view)
    if name == "github-classroom":
        import base64  # noqa: PLC0415 -- of this format only

        text = base64.b64decode(text.partition("=")[2]).decode()
    assert words in text
    assert "Ada" in text


def test_a_report_with_a_comment_is_valid_by_the_published_schema_and_can_be_read_back():
    report = report_of("ada", WRONG)
    report = commented(report, made(report))
    text = rendered(report, "json")
    jsonschema.validate(json.loads(text), json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert read_report(text) == report


def test_a_long_message_does_not_push_the_comment_out_of_a_format_that_cuts():
    report = report_of("ada", {TANH: failed("x" * 3000)})
    report = commented(report, made(report, "Look here"))
    with mock.patch.dict("os.environ", RUNNER):
        assert "Look here" in rendered(report, "classroom50")


def test_of_hidden_checks_students_read_the_comments_and_no_more():
    report = report_of("ada", {SECRET: failed("hidden words")})
    report = commented(report, made(report, check=SECRET))
    shown = rendered(report, "student")
    assert TEXT in shown
    assert "hidden words" not in shown
    view = student_view(report)
    assert student_view(view) == view


def test_two_comments_on_hidden_checks_of_one_outcome_are_both_read():
    report = report_of("ada", {SECRET: failed("a"), SIGMOID: failed("b")})
    report = commented(report, made(report, "one", SECRET) | made(report, "two", SIGMOID, by="Bob"))
    hidden = tuple(
        question.model_copy(
            update={
                "checks": tuple(
                    each.model_copy(update={"visibility": Visibility.HIDDEN}) for each in question.checks
                )
            }
        )
        for question in report.questions
    )
    view = student_view(report.model_copy(update={"questions": hidden}))
    (row,) = [
        check for question in view.questions for check in question.checks if check.outcome is Outcome.FAILED
    ]
    assert set(row.comment.text.split("\n")) == {"one", "two"}
    assert set(row.comment.by.split(", ")) == {"Ada", "Bob"}


def test_a_report_that_already_has_its_comments_is_the_same_object():
    report = report_of("ada", WRONG)
    with_comment = commented(report, made(report))
    assert commented(report, {}) is report
    assert commented(with_comment, made(report)) is with_comment
    assert commented(with_comment, {}) == report


def test_a_comment_is_there_again_after_the_next_grading(folder):
    comment(folder, key_of(report_of("x", WRONG)), TEXT, by="Ada")
    again = {TANH: failed("it is 1.25 times too large", "the mean is taken twice")}
    write_class(folder, [report_of("ada", again)])
    assert comments_in(folder / "ada/report.json") == {}
    assert apply_comments(folder).changed == 1
    assert comments_in(folder / "ada/report.json") == {TANH: TEXT}
    assert apply_comments(folder).changed == 0


def test_a_persons_mark_stays_and_counts(folder):
    path = folder / "ada/report.json"
    marks.mark(path, "q1.3", "2.5", by="Eve")
    before = read_report_file(path)
    comment(folder, key_of(before), TEXT, by="Ada")
    after = read_report_file(path)
    assert (after.marks, after.score, after.pending) == (before.marks, before.score, before.pending)
    assert comments_in(path) == {TANH: TEXT}


def test_the_last_comment_counts_and_an_empty_one_takes_it_back(folder):
    key = key_of(report_of("x", WRONG))
    comment(folder, key, TEXT, by="Ada")
    comment(folder, key, "another one", by="Bob")
    assert comments_in(folder / "bob/report.json") == {TANH: "another one"}
    comment(folder, key.upper(), " ", by="Bob")
    assert comments_in(folder / "bob/report.json") == {}
    assert read_comments(folder) == {}
    with pytest.raises(UsageError, match="has no comment that could be taken back"):
        comment(folder, key, "", by="Bob")


def test_a_comment_on_what_nobody_has_now_is_kept_and_told(folder):
    key = key_of(report_of("x", WRONG))
    comment(folder, key, TEXT, by="Ada")
    write_class(folder, [report_of("ada"), report_of("bob")])
    applied = apply_comments(folder)
    assert [each.cluster for each in applied.stale] == [key]
    assert applied.sentences == (
        f"nobody has the failure {key} of {TANH} now; the comment by Ada is kept, and told to nobody",
    )
    assert read_comments(folder)[key].text == TEXT


@pytest.mark.parametrize(
    "cluster, text, by, sentence",
    [
        ("../x", "a", "Ada", "is no cluster's id"),
        ("0123456789", "a", "Ada", "nobody in .* has the failure 0123456789"),
        ("0123456789", "a", " \n", "--by takes the name"),
        ("0123456789", "ä" * 3000, "Ada", "at most 4096 bytes"),
    ],
)
def test_what_cannot_be_a_comment_is_told_in_one_sentence_and_changes_nothing(
    folder, cluster, text, by, sentence
):
    with pytest.raises(UsageError, match=sentence):
        comment(folder, cluster, text, by=by)
    assert not (folder / comments.FILE_NAME).exists()


def test_a_comment_is_text_wherever_it_goes(folder):
    hostile = "=1+1 <script>x</script> ::error::\u202e \x1b[31m **bold** {{ 7 * 7 }}"
    comment(folder, key_of(report_of("x", WRONG)), hostile, by="<b>Ada</b>\u202e")
    page = (folder / "ada/report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>Ada" not in page
    assert "{{ 7 * 7 }}" in page
    table = (folder / "ada/report.csv").read_text(encoding="utf-8")
    assert "\u202e" not in table + page
    assert "\x1b" not in table + page


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"schema": "other", "comments": []}',
        '{"schema": "grader/comments/v1", "comments": [{"cluster": 3}]}',
        "\x00",
    ],
)
def test_a_file_of_comments_that_is_none_is_told_and_left_alone(folder, content):
    path = folder / comments.FILE_NAME
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="holds no comments of this version"):
        apply_comments(folder)
    assert path.read_text(encoding="utf-8") == content


def test_a_report_that_cannot_be_read_is_told_and_the_others_get_the_comment(folder):
    (folder / "eve/report.json").write_text("{", encoding="utf-8")
    applied = comment(folder, key_of(report_of("x", WRONG)), TEXT, by="Ada")
    assert applied.changed == 2


def test_where_a_report_cannot_be_written_the_comment_is_kept_for_the_next_time(folder, monkeypatch):
    def full(report, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(comments, "write_again", full)
    key = key_of(report_of("x", WRONG))
    with pytest.raises(MachineFault, match="No space left on device; the comment is kept"):
        comment(folder, key, TEXT, by="Ada")
    monkeypatch.undo()
    assert apply_comments(folder).changed == 2


def test_two_people_who_comment_at_the_same_time_both_do(tmp_path):
    both = {TANH: failed("one"), SIGMOID: failed("two")}
    folder = write_class(tmp_path, [report_of(f"s{at}", both) for at in range(4)])
    report = report_of("x", both)
    threads = [
        threading.Thread(target=comment, args=(folder, key_of(report, check), check), kwargs={"by": "Ada"})
        for check in (TANH, SIGMOID)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    apply_comments(folder)
    assert len(read_comments(folder)) == 2
    assert comments_in(folder / "s3/report.json") == {TANH: TANH, SIGMOID: SIGMOID}


def test_the_command_tells_how_many_reports_it_changed(folder, capsys):
    assert run(["comment", str(folder), key_of(report_of("x", WRONG)), TEXT, "--by", "Ada"]) == 0
    assert capsys.readouterr().out == "2 reports were changed\n"
    kept = json.loads((folder / comments.FILE_NAME).read_text(encoding="utf-8"))
    assert [each["text"] for each in kept["comments"]] == [TEXT]
    assert run(["comment", str(folder), "nothing", TEXT, "--by", "Ada"]) == 2
