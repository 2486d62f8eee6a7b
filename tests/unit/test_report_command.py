"""`grader report` makes any format later; what it cannot use is one sentence and exit 2."""

from __future__ import annotations

import json
import os

import pytest

from grader import cli
from grader.reports import FORMATS, rendered, write_report
from grader.reports.to_json import render
from tests.contract.format_readers import READERS, read_commands
from tests.contract.report_samples import RUNNER, UNSCORED, graded, hostile, many, planted


@pytest.fixture(autouse=True)
def no_runner(monkeypatch):
    for name in (*RUNNER, "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def report(tmp_path):
    return write_report(graded(), tmp_path / "out")


def refused(capfd, *arguments):
    """Run a command that cannot be carried out; return its one sentence."""
    assert cli.run(["report", *map(str, arguments)]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


@pytest.mark.parametrize("name", [name for name, chosen in FORMATS.items() if not chosen.needs_runner])
def test_a_format_is_printed_or_written_the_same(name, report, tmp_path, capfdbinary):
    assert cli.run(["report", str(report), "--to", name]) == 0
    printed = capfdbinary.readouterr().out.decode()
    assert cli.run(["report", str(report), "--to", name, "--out", str(tmp_path / "made")]) == 0
    made = (tmp_path / "made").read_bytes().decode()
    assert made == rendered(graded(), name)
    assert printed.endswith(made)
    READERS[name](made)


@pytest.mark.parametrize("view", ["student", "instructor"])
def test_the_view_that_was_asked_for_is_made(view, report, tmp_path):
    made = tmp_path / "made.csv"
    assert cli.run(["report", str(report), "--to", "csv", "--view", view, "--out", str(made)]) == 0
    assert ("q6.1.secret" in made.read_text()) == (view == "instructor")


def test_inside_its_runner_classroom_50_gets_its_result(report, tmp_path, monkeypatch):
    for name, value in RUNNER.items():
        monkeypatch.setenv(name, value)
    made = tmp_path / "result.json"
    assert cli.run(["report", str(report), "--to", "classroom50", "--out", str(made)]) == 0
    assert READERS["classroom50"](made.read_text()).submission == RUNNER["SUBMISSION_TAG"]


class TestActions:
    def test_in_a_step_the_summary_is_added_to_its_file_and_annotations_are_printed(
        self, report, tmp_path, monkeypatch, capfd
    ):
        summary = tmp_path / "summary.md"
        summary.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert cli.run(["report", str(report), "--to", "actions"]) == 0
        assert summary.read_text() == "before\n" + rendered(graded(), "actions")
        assert [each.kind for each in read_commands(capfd.readouterr().out)] == ["error", "error", "notice"]

    def test_with_out_the_summary_goes_there_and_annotations_are_printed(
        self, report, tmp_path, monkeypatch, capfd
    ):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "untouched"))
        made = tmp_path / "made.md"
        assert cli.run(["report", str(report), "--to", "actions", "--out", str(made)]) == 0
        assert made.read_text() == rendered(graded(), "actions")
        assert not (tmp_path / "untouched").exists()
        assert read_commands(capfd.readouterr().out)

    def test_two_reports_in_one_step_do_not_make_its_summary_too_large(self, tmp_path, monkeypatch, capfd):
        large = write_report(many(150), tmp_path)
        summary = tmp_path / "summary.md"
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert cli.run(["report", str(large), "--to", "actions"]) == 0
        size = summary.stat().st_size
        capfd.readouterr()
        assert "larger than 1024 KB" in refused(capfd, large, "--to", "actions")
        assert summary.stat().st_size == size

    def test_no_hidden_detail_is_annotated_unless_the_instructor_asks(self, tmp_path, capfd):
        path = write_report(planted(), tmp_path)
        assert cli.run(["report", str(path), "--to", "actions"]) == 0
        assert "PLANTED" not in capfd.readouterr().out
        assert cli.run(["report", str(path), "--to", "actions", "--view", "instructor"]) == 0
        assert "PLANTED" in capfd.readouterr().out

    def test_a_hostile_report_prints_no_line_of_its_own_to_the_runner(self, tmp_path, monkeypatch, capfd):
        path = write_report(hostile(), tmp_path)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        assert cli.run(["report", str(path), "--to", "actions"]) == 0
        assert {each.kind for each in read_commands(capfd.readouterr().out)} <= {"error", "warning", "notice"}


class TestBadInput:
    def test_an_unknown_format_names_those_there_are(self, report, capfd):
        told = refused(capfd, report, "--to", "pdf")
        assert told == f"grader: unknown format 'pdf'; known: {', '.join(FORMATS)}\n"

    def test_an_unknown_view_names_those_there_are(self, report, capfd):
        told = refused(capfd, report, "--to", "csv", "--view", "parents")
        assert told == "grader: unknown view 'parents'; known: student, instructor\n"

    def test_the_students_own_file_has_no_other_view(self, report, capfd):
        assert "for the student" in refused(capfd, report, "--to", "student", "--view", "instructor")

    def test_a_report_of_a_newer_schema_is_named_as_such(self, report, capfd):
        content = json.loads(render(graded())) | {"schema": "grader/report/v2", "new": 1}
        report.write_text(json.dumps(content))
        assert "its schema is 'grader/report/v2', this version reads" in refused(capfd, report, "--to", "csv")

    @pytest.mark.parametrize("text", ["", "{}", "[]", "no json", "[" * 100_000, '{"schema": 3}', "\ufeff{}"])
    def test_what_is_no_report_is_one_sentence(self, text, report, capfd):
        report.write_text(text, encoding="utf-8")
        assert "this is no report of this version" in refused(capfd, report, "--to", "csv")

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_a_truncated_report_is_one_sentence(self, share, report, capfd):
        text = report.read_text()
        report.write_text(text[: int(len(text) * share)])
        assert "this is no report of this version" in refused(capfd, report, "--to", "csv")

    def test_bytes_that_are_no_text_are_one_sentence(self, report, capfd):
        report.write_bytes(b"\xff\xfe\x00")
        assert "is not UTF-8 text" in refused(capfd, report, "--to", "csv")

    def test_half_a_character_in_a_report_is_one_sentence(self, report, capfd):
        report.write_text(report.read_text().replace("alice", "\\ud800"))
        assert "this is no report of this version" in refused(capfd, report, "--to", "csv")

    def test_a_report_that_is_not_there_is_one_sentence(self, tmp_path, capfd):
        assert "cannot be read: No such file" in refused(capfd, tmp_path / "none.json", "--to", "csv")

    def test_a_folder_is_no_report(self, tmp_path, capfd):
        assert "cannot be read" in refused(capfd, tmp_path, "--to", "csv")

    def test_outside_of_its_runner_classroom_50_is_refused(self, report, capfd):
        assert "made inside its runner" in refused(capfd, report, "--to", "classroom50")

    def test_a_report_without_a_score_is_refused_for_classroom_50(self, tmp_path, capfd, monkeypatch):
        for name, value in RUNNER.items():
            monkeypatch.setenv(name, value)
        path = write_report(UNSCORED["rejected"](), tmp_path)
        assert "could only be told a zero" in refused(capfd, path, "--to", "classroom50")

    def test_a_place_that_cannot_be_written_is_one_sentence_and_nothing_is_left_there(
        self, report, tmp_path, capfd
    ):
        for out in (tmp_path / "missing" / "made.csv", tmp_path / "out", report / "made.csv"):
            before = sorted(path for path in tmp_path.rglob("*"))
            assert "choose another --out" in refused(capfd, report, "--to", "csv", "--out", out)
            assert sorted(path for path in tmp_path.rglob("*")) == before

    def test_the_report_itself_is_never_replaced_by_a_format_of_it(self, report, capfd, monkeypatch):
        before = report.read_bytes()
        monkeypatch.chdir(report.parent)
        assert "is the report itself" in refused(capfd, report, "--to", "student", "--out", "report.json")
        assert report.read_bytes() == before

    def test_a_write_that_fails_leaves_the_older_file(self, report, tmp_path, capfd, monkeypatch):
        def no_room(descriptor):
            raise OSError(28, "No space left on device")

        out = tmp_path / "made.csv"
        out.write_text("older")
        monkeypatch.setattr(os, "fsync", no_room)
        assert "No space left on device" in refused(capfd, report, "--to", "csv", "--out", out)
        assert out.read_text() == "older"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["made.csv", "out"]

    def test_a_summary_that_cannot_be_written_is_one_sentence(self, report, tmp_path, capfd, monkeypatch):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
        assert "cannot add to the step's summary" in refused(capfd, report, "--to", "actions")

    def test_a_report_whose_name_is_hostile_is_one_line(self, tmp_path, capfd):
        path = tmp_path / "a\n::error::b\x1b[31m.json"
        path.write_text("{}")
        told = refused(capfd, path, "--to", "csv")
        assert "\x1b" not in told
