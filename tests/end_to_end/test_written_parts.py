"""Answers in words, from a student's notebook through a person's marks to the next grading."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from grader import cli, pipeline
from grader.notebooks import written
from grader.plan import make_plan
from grader.rubric import load_rubric
from grader.suites import read_suites

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "hw1_s26_p4_5_6_starter.ipynb"


@pytest.fixture
def submission(tmp_path) -> Path:
    folder = tmp_path / "alice"
    shutil.copytree(ROOT / "student_template", folder, ignore=shutil.ignore_patterns("__pycache__"))
    write_answer(folder, "q2.2", "A square pulls without bound.")
    return folder


def write_answer(folder, question, text):
    notebook = json.loads((folder / NOTEBOOK).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["metadata"].get("question") == question and "part" in cell["metadata"]:
            cell["source"] = ["**Your answer:**\n", "\n", text]
    (folder / NOTEBOOK).write_text(json.dumps(notebook), encoding="utf-8")


def graded(submission, questions="q1.3,q2.2"):
    out = submission.parent / "out"
    assert cli.run(["grade", str(submission), "--questions", questions, "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report, {check["id"]: check for each in report["questions"] for check in each["checks"]}


def test_the_students_text_waits_in_the_report_for_a_person(submission):
    report, rows = graded(submission)
    assert rows["q2.2.answer"]["answer"]["text"] == "A square pulls without bound."
    assert rows["q1.3.answer"]["answer"]["text"] == ""
    assert rows["q1.3.answer"]["feedback"]["message"].startswith("nothing was written here")
    assert {row["outcome"] for row in rows.values()} == {"pending"}
    assert (report["status"], report["score"], report["pending"]) == ("graded", None, 5)


def test_a_submission_without_a_notebook_waits_for_a_person_too(submission):
    (submission / NOTEBOOK).unlink()
    report, rows = graded(submission)
    assert {row["feedback"]["message"] for row in rows.values()} == {"no notebook was handed in"}
    assert {row["answer"] for row in rows.values()} == {None}
    assert (report["status"], report["pending"]) == ("graded", 5)


def test_a_notebook_that_cannot_be_read_costs_its_text_only(submission):
    (submission / NOTEBOOK).write_bytes(b"[" * 1000)
    report, rows = graded(submission)
    assert report["status"] == "graded"
    message = rows["q2.2.answer"]["feedback"]["message"]
    assert message == "the notebook cannot be read: it has more than 64 levels"


def test_a_fault_of_ours_in_reading_a_notebook_costs_its_text_only(submission, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(written, "find_answers", fail)
    report, rows = graded(submission)
    assert report["status"] == "graded"
    assert "the grader could not read the notebook (ZeroDivisionError)" in str(
        rows["q2.2.answer"]["feedback"]
    )


def test_a_mark_outlives_gradings_and_tells_when_the_text_has_changed(submission):
    graded(submission)
    path = submission.parent / "out" / "report.json"
    assert cli.run(["mark", str(path), "q2.2", "1.5", "--by", "Ann"]) == 0
    again, _ = graded(submission)
    assert (again["score"], again["pending"], again["flags"]) == (1.5, 3, [])
    write_answer(submission, "q2.2", "It does not matter.")
    changed, rows = graded(submission)
    assert (changed["score"], rows["q2.2.answer"]["score"]) == (1.5, 1.5)
    assert [flag["kind"] for flag in changed["flags"]] == ["mark_for_another_text"]


def test_questions_in_words_only_need_no_package():
    folder = pipeline.HW1.folder
    plan = make_plan(load_rubric(folder / "rubric.toml"), read_suites(folder), is_installed=lambda _: False)
    by_hand = [each for each in plan.questions if sum(each.written.values()) == each.max_score]
    assert [each.question.id for each in by_hand] == ["q1.3", "q2.2", "q2.4", "q3.2", "q3.3"]
    assert {each.not_run_reason for each in by_hand} == {None}
