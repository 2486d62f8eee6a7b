"""A class is graded once: what is known is not run again, what fails is a row, what dies is done again."""

import json
import os
import shutil
import sqlite3

import pytest

from grader.cohort.grading.batch import LOCK_NAME, folder_of_batch
from grader.cohort.grading.merging import merge
from grader.cohort.journal import JOURNAL_NAME, Journal
from grader.cohort.model import Entry, Student
from grader.cohort.rows import read_rows
from grader.errors import MachineFault, UsageError
from grader.marks import mark
from grader.reports.to_json import read_report_file
from tests.contract.tiny_class import TinyClass, two_processes


@pytest.fixture
def small(tmp_path):
    made = TinyClass(tmp_path)
    made.hand_in("alice", "bob", "carol")
    return made


def score_on_disk(made, name):
    return read_report_file(made.out / name / "report.json").score


def test_every_submission_gets_its_report_and_an_unchanged_one_is_not_run_again(small):
    assert small.grade() == {"graded": 3}
    assert small.times_run() == 3
    assert [score_on_disk(small, name) for name in ("alice", "bob", "carol")] == [3, 3, 3]
    before = (small.out / "alice" / "report.json").stat().st_mtime_ns
    assert small.grade() == {"unchanged": 3}
    assert small.times_run() == 0
    assert (small.out / "alice" / "report.json").stat().st_mtime_ns == before


def test_a_finished_journal_is_one_file_that_is_read_without_another_beside_it(small):
    small.grade()
    assert sorted(path.name for path in small.out.glob("journal.sqlite*")) == ["journal.sqlite"]
    assert len(list(read_rows(small.out))) == 3
    assert sorted(path.name for path in small.out.glob("journal.sqlite*")) == ["journal.sqlite"]


def test_only_the_submission_that_changed_is_run_again(small):
    small.grade()
    small.times_run()
    small.hand_in("bob", source="# better\n")
    assert small.grade() == {"unchanged": 2, "graded": 1}
    assert small.ways["bob"] == "graded"
    assert small.times_run() == 1


def test_other_points_are_added_up_again_without_running_anything(small):
    small.grade()
    small.times_run()
    small.set_rubric({"first": 5, "second": 2})
    assert small.grade() == {"scored_again": 3}
    assert small.times_run() == 0
    assert score_on_disk(small, "alice") == 7
    assert small.grade() == {"unchanged": 3}


@pytest.mark.parametrize(
    "change",
    [
        {"course_secret": "another"},
        *(
            pytest.param(change, marks=pytest.mark.slow)
            for change in ({"seed": 5}, {"profile": "full"}, {"min_isolation": 1})
        ),
    ],
    ids=str,
)
def test_whatever_else_a_result_depends_on_makes_it_run_again(small, change, tmp_path):
    small.grade()
    small.times_run()
    small.changes = change
    assert small.grade() == {"graded": 3}
    assert small.times_run() == 3


def test_changed_checks_are_run_again(small):
    small.grade()
    small.times_run()
    suite = small.assignment.folder / "visible" / "test_q6_1.py"
    suite.write_text(suite.read_text() + "\n# another thought\n")
    assert small.grade() == {"graded": 3}


def test_the_same_bytes_are_run_once_and_each_student_has_a_report(small):
    small.hand_in("bob", "carol", "dave", source="# the same\n")
    assert sum(small.grade().values()) == 4
    assert small.times_run() == 2
    assert small.rows["bob"].score == small.rows["dave"].score == 3
    assert read_report_file(small.out / "dave" / "report.json").submission.name == "dave"


def test_what_cannot_be_graded_is_a_row_with_its_reason(small):
    (small.submissions / "empty").mkdir()
    odd = Entry(label="odd", path=small.submissions / "odd.rar", problem="a .rar cannot be read")
    assert small.grade(entries=[*small.entries(), odd]) == {"graded": 4, "odd": 1}
    assert small.rows["odd"].status == "odd"
    assert small.rows["empty"].status == "rejected"
    rows = {row.entry.label: row for row in read_rows(small.out)}
    assert set(rows) == {"alice", "bob", "carol", "empty", "odd"}
    assert rows["odd"].reason == "a .rar cannot be read"
    assert rows["empty"].score is None


def test_a_lost_report_is_written_again_and_a_new_format_beside_it_without_running(small):
    small.grade()
    small.times_run()
    shutil.rmtree(small.out / "alice")
    assert small.grade() == {"unchanged": 2, "scored_again": 1}
    assert small.grade(formats=("json", "markdown")) == {"scored_again": 3}
    assert (small.out / "bob" / "report.md").exists()
    assert small.grade(formats=("json",)) == {"unchanged": 3}
    assert small.times_run() == 0


def test_marks_of_a_person_outlive_another_grading(tmp_path):
    made = TinyClass(tmp_path)
    rubric = made.assignment.folder / "rubric.toml"
    part = '[[question]]\nid = "q1.3"\ntitle = "By hand"\npoints = 3\n[question.written]\nproof = 3\n'
    rubric.write_text(rubric.read_text() + part, encoding="utf-8")
    made.hand_in("alice", "bob")
    made.grade()
    mark(made.out / "alice" / "report.json", "q1.3", "2", by="A. Tutor")
    assert {row.entry.label: row.score for row in read_rows(made.out)} == {"alice": 5, "bob": 3}
    made.hand_in("alice", source="# better\n")
    assert made.grade() == {"graded": 1, "unchanged": 1}
    assert score_on_disk(made, "alice") == 5
    assert made.rows["alice"].pending == 0


def test_who_handed_it_in_is_brought_up_to_date_without_running(small):
    small.grade()
    small.times_run()
    entries = small.entries()
    named = [entries[0].__class__(label="alice", path=entries[0].path, students=(Student(key="Alice A."),))]
    assert small.grade(entries=named) == {"unchanged": 1}
    row = next(row for row in read_rows(small.out) if row.entry.label == "alice")
    assert row.entry.students[0].key == "Alice A."
    assert small.times_run() == 0


TELLS_ITS_SOURCE = (
    "student = FakeStudent(); student.source = "
    'Path(grading_request.submission_root, "mytorch", "__init__.py").read_text(); return student'
)
KILLS_ITS_GRADER_ONCE = """
                import pathlib
                once = pathlib.Path({once!r})
                if not once.exists():
                    once.touch()
                    os.kill(os.getppid(), signal.SIGKILL)
                    time.sleep(30)
"""


def test_a_process_that_is_killed_is_replaced_and_its_submission_graded(tmp_path):
    body = KILLS_ITS_GRADER_ONCE.format(once=str(tmp_path / "once"))
    made = TinyClass(tmp_path, body=body.strip())
    made.hand_in("alice", "bob", "carol", "dave")
    assert made.grade(place=two_processes) == {"graded": 4}
    assert {row.score for row in made.rows.values()} == {3}
    assert made.times_run() == 5


def test_a_submission_that_costs_every_process_its_life_is_a_fault_and_the_others_are_graded(tmp_path):
    made = TinyClass(
        tmp_path, body='os.kill(os.getppid(), signal.SIGKILL) if "bob" in student.source else None'
    )
    made.hand_in("alice", "bob", "carol")
    conftest = made.assignment.folder / "conftest.py"
    tells = conftest.read_text().replace("return FakeStudent()", TELLS_ITS_SOURCE)
    conftest.write_text(tells)
    assert made.grade(place=two_processes) == {"graded": 2, "fault": 1}
    assert made.rows["bob"].status == "grader_error"
    assert made.rows["bob"].score is None
    assert "SIGKILL" in made.rows["bob"].reason
    assert made.grade() == {"unchanged": 2, "fault_kept": 1}
    made.submissions.joinpath("bob", "mytorch", "__init__.py").write_text("# of rob")
    assert made.grade() == {"unchanged": 2, "graded": 1}


def test_what_failed_through_no_students_fault_is_tried_again_when_asked_for(tmp_path):
    broken = tmp_path / "broken"
    broken.touch()
    made = TinyClass(tmp_path, body=f"assert not Path({str(broken)!r}).exists()")
    made.hand_in("alice")
    assert made.grade() == {"fault": 1}
    broken.unlink()
    assert made.grade() == {"fault_kept": 1}
    assert made.grade(retries_faults=True) == {"graded": 1}
    assert made.grade(retries_faults=True) == {"unchanged": 1}


def test_a_submission_that_changes_meanwhile_is_nobodys_result(tmp_path):
    made = TinyClass(tmp_path, body=f"open({str(tmp_path / 'in' / 'alice' / 'more.py')!r}, 'w').close()")
    made.hand_in("alice")
    assert made.grade() == {"fault": 1}
    assert "changed while it was graded" in made.rows["alice"].reason


def test_a_second_batch_in_the_same_folder_is_refused_while_the_first_one_works(small):
    with folder_of_batch(small.out), pytest.raises(UsageError, match="another `grader batch` works"):
        small.grade()
    assert small.grade() == {"graded": 3}
    assert (small.out / LOCK_NAME).exists()


def test_a_row_that_was_recorded_and_not_written_is_written_by_the_next_start(small, monkeypatch):
    def full(*_, **__):
        raise MachineFault("no space left on device")

    with monkeypatch.context() as context:
        context.setattr("grader.cohort.grading.batch.write_keeping_marks", full)
        with pytest.raises(MachineFault, match="no space"):
            small.grade()
    done = small.times_run()
    assert small.grade()["scored_again"] >= 1
    assert small.times_run() + done <= 3 + 1  # one more may have been at work when the disk was full
    assert {row.score for row in small.rows.values()} == {3}


def test_parts_are_merged_into_one_class_with_marks_and_the_later_of_two_gradings(tmp_path):
    first, second = TinyClass(tmp_path / "a"), TinyClass(tmp_path / "b")
    first.hand_in("alice", "bob")
    second.hand_in("bob", source="# another one\n")
    second.hand_in("carol")
    first.grade(), second.grade()
    out = tmp_path / "all"
    out.mkdir()
    merged = merge([first.out, second.out], out, formats=("json",), on_row=lambda _: None)
    assert merged.rows == 4
    rows = {row.entry.label: row for row in read_rows(out)}
    assert set(rows) == {"alice", "bob", "carol"}
    again = merge([first.out, second.out], out, formats=("json",), on_row=lambda _: None)
    assert again.kept == 4
    assert any("bob" in sentence for sentence in merged.sentences + again.sentences)


def test_batches_of_two_homeworks_are_not_merged(tmp_path):
    made = TinyClass(tmp_path / "a")
    made.hand_in("alice")
    made.grade()
    other = tmp_path / "other"
    other.mkdir()
    with Journal(other, assignment="hw9"):
        pass
    with pytest.raises(UsageError, match="one homework"):
        merge([made.out, other], tmp_path / "all", formats=("json",), on_row=lambda _: None)


def test_a_journal_of_another_homework_or_version_or_no_journal_is_one_sentence(tmp_path):
    with Journal(tmp_path, assignment="hw1"):
        pass
    with (
        pytest.raises(UsageError, match="journal of 'hw1', not of 'tiny'"),
        Journal(tmp_path, assignment="tiny"),
    ):
        pass
    with sqlite3.connect(tmp_path / JOURNAL_NAME) as database:
        database.execute("UPDATE about SET value = 'grader/journal/v9' WHERE name = 'schema'")
    database.close()
    with pytest.raises(UsageError, match="of another version"), Journal(tmp_path):
        pass
    (tmp_path / JOURNAL_NAME).write_bytes(os.urandom(4096))
    with pytest.raises(UsageError, match="no journal of ours"), Journal(tmp_path, assignment="hw1"):
        pass


def test_the_rows_of_a_journal_hold_what_was_handed_in_whatever_the_names(small):
    hostile = "a/b\n\u202eevil\x00" + "x" * 300
    student = Student(key=hostile, name=hostile, email="=1+1")
    entry = Entry(label="alice", path=small.submissions / "alice", students=(student,), notes=(hostile,))
    small.grade(entries=[entry])
    (row,) = read_rows(small.out)
    assert row.entry == entry
    assert json.loads((small.out / "alice" / "report.json").read_text())["submission"]["name"] == "alice"


def test_a_rubric_with_other_checks_is_run_again(small):
    small.grade()
    small.times_run()
    suite = small.assignment.folder / "visible" / "test_q6_1.py"
    suite.write_text(suite.read_text() + '\n@check("q6.1.third")\ndef test_third(student):\n    "Third."\n')
    small.set_rubric({"first": 1, "second": 2, "third": 3})
    assert small.grade() == {"graded": 3}
    assert score_on_disk(small, "bob") == 6
