"""A person's marks: added up as exactly as checks, written whole, and never lost by grading again."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from grader import marks, reports
from grader.errors import MachineFault, UsageError
from grader.model import Answer, Ending, Outcome
from grader.plan import make_plan
from grader.reports import to_json, write_report
from grader.reports.schema import MarkReport, answer_digest
from grader.reports.to_json import read_report, render
from grader.rubric import parse_rubric
from grader.scoring import marked, score
from tests.unit.rubrics import QUESTIONS, declared, plan_of, results_of
from tests.unit.test_scoring import facts

PROOF = "q1.3.proof"


def plan_with(*questions):
    content = {
        "schema": "grader/rubric/v1",
        "assignment": "tiny",
        "version": "1",
        "question": list(questions),
    }
    return make_plan(parse_rubric(content), declared(), is_installed=lambda _: True)


def graded(*wanted, text="because", name="alice", plan=None, ending=Ending.FINISHED):
    plan = plan or plan_of(*wanted)
    seen = facts(
        ending, reason=None if ending is Ending.FINISHED else "so", answers={PROOF: Answer(text, "n")}
    )
    seen = replace(seen, submission=seen.submission.model_copy(update={"name": name}))
    return score(plan, results_of(plan) if ending is Ending.FINISHED else {}, seen)


def given(points, *, part="proof", question="q1.3", text="because", by="Ann"):
    return MarkReport(
        question=question,
        part=part,
        by=by,
        at="2026-01-02T03:04:05+00:00",
        points=Decimal(points),
        answer_sha256=None if text is None else answer_digest(text),
    )


def row_of(report, name=PROOF):
    return next(check for each in report.questions for check in each.checks if check.id == name)


def flags_of(report):
    return [(flag.kind, flag.where) for flag in report.flags]


@pytest.fixture
def path(tmp_path):
    return write_report(graded(), tmp_path)


class TestArithmetic:
    def test_a_mark_counts_and_waits_no_more(self):
        report = marked(graded(), [given("2.5")])
        assert (report.score, report.pending) == (Decimal("3.2"), Decimal("0.5"))
        assert (report.questions[0].score, report.questions[0].status) == (Decimal("2.5"), "graded")
        assert (row_of(report).score, row_of(report).outcome) == (Decimal("2.5"), Outcome.FAILED)
        assert report.status == "partial"

    def test_full_marks_are_a_pass_and_none_at_all_are_points_too(self):
        assert row_of(marked(graded(), [given(3)])).outcome is Outcome.PASSED
        nothing = marked(graded("q1.3"), [given(0)])
        assert (nothing.score, nothing.pending, nothing.status) == (0, 0, "graded")

    def test_tenths_add_up_exactly(self):
        plan = plan_with({"id": "q1.3", "title": "x", "points": 1, "written": {"a": 0, "b": 1}}, QUESTIONS[2])
        report = marked(graded(plan=plan), [given("0.1", part="b", text=None), given(0, part="a", text=None)])
        assert report.score == Decimal("0.8") == read_report(render(report)).score

    def test_the_last_mark_of_a_part_counts_and_all_of_them_stay(self):
        history = [given(1), given(3, by="Bo"), given("0.5")]
        report = marked(graded(), history)
        assert row_of(report).score == Decimal("0.5")
        assert report.score == Decimal("1.2")
        assert [mark.by for mark in report.marks] == ["Ann", "Bo", "Ann"]

    def test_marking_one_by_one_gives_what_marking_at_once_gives(self):
        history = [given(1), given("0.25", question="q4.1", part="balanced", text=None), given(2)]
        report = graded()
        for end in range(1, len(history) + 1):
            report = marked(report, history[:end])
        assert report == marked(graded(), history)

    def test_a_question_whose_checks_did_not_run_gets_the_points_of_its_written_part(self):
        report = marked(graded(), [given("0.5", question="q4.1", part="balanced", text=None)])
        assert (report.questions[1].status, report.questions[1].score) == ("not_run", Decimal("0.5"))
        assert (report.score, report.pending, report.status) == (Decimal("1.2"), 3, "partial")

    def test_a_question_with_a_part_that_still_waits_is_manual(self):
        plan = plan_with({"id": "q1.3", "title": "x", "points": 2, "written": {"a": 1, "b": 1}})
        report = marked(graded(plan=plan), [given(1, part="a", text=None)])
        assert (report.questions[0].status, report.questions[0].score, report.pending) == ("manual", 1, 1)

    def test_a_report_that_has_no_score_gets_none_by_a_mark(self):
        report = marked(graded(ending=Ending.INTERRUPTED), [given(3)])
        assert (report.status, report.score, row_of(report).score) == ("interrupted", None, 3)

    def test_the_students_text_stays_beside_the_mark(self):
        assert row_of(marked(graded(), [given(1)])).answer.text == "because"


class TestFlags:
    def test_a_mark_for_a_text_that_changed_counts_and_is_flagged_until_it_is_given_again(self):
        report = marked(graded(text="because not"), [given(2)])
        assert row_of(report).score == 2
        assert flags_of(report) == [("mark_for_another_text", PROOF)]
        again = marked(report, [*report.marks, given(2, text="because not")])
        assert flags_of(again) == []

    @pytest.mark.parametrize("before, after", [("because", None), (None, "because")])
    def test_a_text_that_came_or_went_has_changed(self, before, after):
        report = marked(graded(text=after), [given(2, text=before)])
        assert flags_of(report) == [("mark_for_another_text", PROOF)]

    def test_a_mark_above_what_the_part_is_worth_now_does_not_count(self):
        report = marked(
            graded(plan=plan_with(QUESTIONS[0] | {"points": 2, "written": {"proof": 2}})), [given(3)]
        )
        assert (row_of(report).score, report.pending, len(report.marks)) == (None, 2, 1)
        assert flags_of(report) == [("mark_above_maximum", PROOF)]

    def test_a_mark_for_a_part_that_is_gone_stays_and_is_flagged(self):
        report = marked(graded(), [given(1, part="gone")])
        assert (report.pending, len(report.marks)) == (Decimal("3.5"), 1)
        assert flags_of(report) == [("mark_without_a_part", "q1.3.gone")]

    @pytest.mark.parametrize(
        "report", [graded("q6.1"), graded(ending=Ending.REJECTED)], ids=["other", "rejected"]
    )
    def test_a_mark_whose_question_is_not_graded_this_time_stays_without_a_word(self, report):
        after = marked(report, [given(1)])
        assert (len(after.marks), after.flags, after.score) == (1, (), report.score)


class TestGiving:
    def test_a_mark_is_written_with_who_when_and_why(self, path):
        before = datetime.now(UTC) - timedelta(seconds=1)
        report = marks.mark(path, "Q1.3", "2.5", by=" Ann\tLee ", comment="almost\x1b[31m")
        assert read_report(path.read_text(encoding="utf-8")) == report
        (mark,) = json.loads(path.read_text(encoding="utf-8"))["marks"]
        assert before <= datetime.fromisoformat(mark.pop("at")) <= datetime.now(UTC)
        assert mark == {
            "question": "q1.3",
            "part": "proof",
            "by": "Ann Lee",
            "points": 2.5,
            "comment": "almost",
            "answer_sha256": answer_digest("because"),
        }
        assert row_of(report).feedback.message == "marked by Ann Lee: almost"

    def test_everything_else_in_the_report_stays(self, path):
        before = json.loads(path.read_text(encoding="utf-8"))
        marks.mark(path, "q1.3", "3", by="Ann")
        after = json.loads(path.read_text(encoding="utf-8"))
        changed = {key for key in before if before[key] != after[key]}
        assert changed == {"score", "pending", "questions", "marks"}
        assert before["questions"][1:] == after["questions"][1:]

    @pytest.mark.parametrize(
        "text", ["3.5", "-1", "nan", "inf", "1e1", "", "three", "1,5", "1_0", "٣", "0x1", "9" * 50]
    )
    def test_points_are_a_plain_number_up_to_what_the_part_is_worth(self, path, text):
        before = path.read_bytes()
        with pytest.raises(UsageError, match=r"^q1\.3\.proof is worth 0 to 3 points, not '"):
            marks.mark(path, "q1.3", text, by="Ann")
        assert path.read_bytes() == before

    @pytest.mark.parametrize("text, points", [("3", 3), ("0", 0), (".5", "0.5"), ("2.50", "2.5"), (" 1 ", 1)])
    def test_every_plain_number_is_taken(self, path, text, points):
        assert marks.mark(path, "q1.3", text, by="Ann").marks[-1].points == Decimal(points)

    @pytest.mark.parametrize(
        "question, part, sentence",
        [
            ("q9.9", None, "'q9.9' is not in this report; a person marks the written parts of q1.3, q4.1"),
            ("q6.1", None, "'q6.1' has no written part; a person marks the written parts of q1.3, q4.1"),
            ("q1.3", "essay", "q1.3 has no written part 'essay'; it has: proof"),
            ("\x1b[2J\n", None, "'' is not in this report; a person marks the written parts of q1.3, q4.1"),
        ],
    )
    def test_what_is_no_written_part_is_one_sentence(self, path, question, part, sentence):
        with pytest.raises(UsageError) as caught:
            marks.mark(path, question, "1", by="Ann", part=part)
        assert str(caught.value) == sentence

    def test_a_question_with_several_parts_needs_the_name_of_one(self, tmp_path):
        plan = plan_with({"id": "q1.3", "title": "x", "points": 2, "written": {"a": 1, "b": 1}})
        path = write_report(graded(plan=plan), tmp_path)
        with pytest.raises(UsageError, match=r"q1\.3 has several written parts; name one with --part: a, b"):
            marks.mark(path, "q1.3", "1", by="Ann")
        assert marks.mark(path, "q1.3", "1", by="Ann", part=" B").marks[-1].check_id == "q1.3.b"

    @pytest.mark.parametrize(
        "report", [graded("q6.1"), graded(ending=Ending.REJECTED)], ids=["auto", "rejected"]
    )
    def test_a_report_without_written_parts_says_so(self, tmp_path, report):
        path = write_report(report, tmp_path)
        with pytest.raises(UsageError, match=r"no written part in this report \((graded|rejected)\)"):
            marks.mark(path, "q1.3", "1", by="Ann")

    def test_somebody_must_have_marked(self, path):
        with pytest.raises(UsageError, match="--by takes the name"):
            marks.mark(path, "q1.3", "1", by=" \u202e\n")

    @pytest.mark.parametrize(
        "content, sentence",
        [
            (None, "cannot be read: No such file"),
            (b"", "this is no report of this version"),
            (b"\xff", "is not UTF-8 text"),
            (
                b'{"schema": "grader/report/v2", "new": 1}',
                "its schema is 'grader/report/v2', this version reads",
            ),
            (b'{"schema": "grader/rubric/v1"}', "its schema is 'grader/rubric/v1', this version reads"),
            (b"[" * 10_000, "this is no report of this version"),
            (b'{"score": 1e999}', "this is no report of this version"),
        ],
        ids=range(7),
    )
    def test_what_is_no_report_of_ours_is_one_sentence_and_stays(self, tmp_path, content, sentence):
        path = tmp_path / "report.json"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UsageError, match=sentence):
            marks.mark(path, "q1.3", "1", by="Ann")
        assert content is None or path.read_bytes() == content

    def test_a_damaged_report_is_one_sentence(self, path):
        text = path.read_text(encoding="utf-8")
        for changed in (text[:-100], text.replace('"score"', '"Score"', 1), text.replace("0.7", "NaN")):
            path.write_text(changed, encoding="utf-8")
            with pytest.raises(UsageError, match="this is no report of this version"):
                marks.mark(path, "q1.3", "1", by="Ann")

    def test_a_file_larger_than_any_report_is_not_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(to_json, "MAX_REPORT_BYTES", 10)
        path = write_report(graded(), tmp_path)
        with pytest.raises(UsageError, match="larger than any report"):
            marks.mark(path, "q1.3", "1", by="Ann")

    def test_a_full_disk_leaves_the_report_as_it_was(self, path, monkeypatch):
        def no_room(*_):
            raise OSError(28, "No space left on device")

        before = path.read_bytes()
        monkeypatch.setattr(os, "fsync", no_room)
        with pytest.raises(MachineFault, match="cannot be written: No space left"):
            marks.mark(path, "q1.3", "1", by="Ann")
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == ["report.json"]

    def test_every_format_that_lies_beside_the_report_tells_of_the_mark(self, tmp_path):
        path = write_report(graded(), tmp_path, ("json", "markdown", "html"))
        marks.mark(path, "q1.3", "2.5", by="Ann", comment="Say why, too.")
        for name in ("report.json", "report.md", "report.html"):
            assert "Say why, too." in (tmp_path / name).read_text(encoding="utf-8"), name
        assert not (tmp_path / "junit.xml").exists()

    def test_the_report_that_a_link_leads_to_is_marked(self, path, tmp_path):
        link = tmp_path / "alice.json"
        link.symlink_to(path)
        marks.mark(link, "q1.3", "1", by="Ann")
        assert link.is_symlink()
        assert len(read_report(path.read_text(encoding="utf-8")).marks) == 1

    @pytest.mark.skipif(os.name != "posix", reason="graders are kept apart by POSIX locks")
    def test_marks_given_at_the_same_time_are_all_kept(self, path):
        threads = [
            threading.Thread(target=marks.mark, args=(path, "q1.3", "1"), kwargs={"by": f"person {number}"})
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        names = {mark.by for mark in read_report(path.read_text(encoding="utf-8")).marks}
        assert names == {f"person {number}" for number in range(8)}

    @pytest.mark.skipif(os.name != "posix", reason="graders are kept apart by POSIX locks")
    def test_a_folder_that_another_grader_never_lets_go_is_told(self, path, monkeypatch):
        monkeypatch.setattr(reports, "_LONGEST_WAIT_S", 0.05)
        with (
            reports.folder_held(path.parent),
            pytest.raises(MachineFault, match=r"another grader holds .* for too long"),
        ):
            marks.mark(path, "q1.3", "1", by="Ann")


class TestGradingAgain:
    def test_marks_are_carried_into_the_next_report(self, path):
        marks.mark(path, "q1.3", "2", by="Ann")
        kept = marks.write_keeping_marks(graded(), path.parent)
        assert kept.sentences == ()
        assert kept.report == read_report(path.read_text(encoding="utf-8"))
        assert (kept.report.score, kept.report.pending) == (Decimal("2.7"), Decimal("0.5"))

    def test_a_changed_text_is_said(self, path):
        marks.mark(path, "q1.3", "2", by="Ann")
        kept = marks.write_keeping_marks(graded(text="because of that"), path.parent)
        assert kept.report.score == Decimal("2.7")
        assert kept.sentences == (
            "q1.3.proof: the mark by Ann was given for another text; mark again if that matters",
        )

    @pytest.mark.parametrize(
        "between", [graded("q6.1"), graded(ending=Ending.REJECTED)], ids=["other", "rejected"]
    )
    def test_marks_survive_a_grading_of_other_questions_or_of_nothing(self, path, between):
        marks.mark(path, "q1.3", "2", by="Ann")
        marks.write_keeping_marks(between, path.parent)
        assert marks.write_keeping_marks(graded(), path.parent).report.score == Decimal("2.7")

    @pytest.mark.parametrize("change", [{"name": "bob"}, {"assignment": "hw2"}])
    def test_marks_of_somebody_elses_work_are_neither_taken_nor_lost(self, path, change):
        marks.mark(path, "q1.3", "2", by="Ann")
        before = path.read_bytes()
        own = {"name": "alice", "assignment": "tiny"}
        marks.require_own_marks(path.parent, **own)
        with pytest.raises(UsageError, match=r"holds a report of alice \(tiny\) with a person's marks"):
            marks.require_own_marks(path.parent, **(own | change))
        if "name" in change:
            with pytest.raises(UsageError, match="choose another --out, or move it away"):
                marks.write_keeping_marks(graded(name="bob"), path.parent)
        assert path.read_bytes() == before

    def test_a_report_of_somebody_else_without_marks_is_replaced_as_ever(self, path):
        marks.require_own_marks(path.parent, name="bob", assignment="tiny")
        kept = marks.write_keeping_marks(graded(name="bob"), path.parent)
        assert kept.report.submission.name == "bob"

    @pytest.mark.parametrize("content", [b"half a rep", b"\xff", b'{"schema": "grader/report/v2"}'])
    def test_a_file_that_cannot_be_read_is_kept_aside_and_said(self, path, content):
        marks.require_own_marks(path.parent, name="alice", assignment="tiny")
        for number in ("", "-2"):
            path.write_bytes(content)
            kept = marks.write_keeping_marks(graded(), path.parent)
            aside = path.with_name(f"report.json.unreadable{number}")
            assert aside.read_bytes() == content
            assert kept.sentences[0].endswith(f"kept as {aside}, and marks in it were not carried over")
            assert read_report(path.read_text(encoding="utf-8")) == kept.report

    def test_a_report_that_cannot_be_written_leaves_the_unreadable_one_under_its_name(
        self, path, monkeypatch
    ):
        def no_room(*_):
            raise OSError(28, "No space left on device")

        path.write_text("half a rep")
        monkeypatch.setattr(os, "fsync", no_room)
        with pytest.raises(MachineFault, match="No space left"):
            marks.write_keeping_marks(graded(), path.parent)
        assert [file.name for file in path.parent.iterdir()] == ["report.json"]
        assert path.read_text() == "half a rep"

    def test_a_place_that_cannot_be_looked_at_is_refused_before_grading(self, tmp_path):
        (tmp_path / "report.json").mkdir()
        with pytest.raises(UsageError, match="cannot be read: Is a directory"):
            marks.require_own_marks(tmp_path, name="alice", assignment="tiny")

    def test_a_first_report_needs_no_folder(self, tmp_path):
        kept = marks.write_keeping_marks(graded(), tmp_path / "new" / "alice")
        assert kept.path == tmp_path / "new" / "alice" / "report.json"
        assert kept.path.is_file()
