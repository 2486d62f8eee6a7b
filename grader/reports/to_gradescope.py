"""Report to Gradescope's `results.json`.

Source: gradescope-autograders.readthedocs.io/en/latest/specs. The student's view is the default: Gradescope
hides the total as soon as one test is hidden. In the instructor's view the tests of hidden checks, of flags
and of our own log carry their visibility, so that students are shown none of them, and no total. Every text
is of the format `text`. A report without a score gets none anywhere: Gradescope then says that the autograder
failed, and keeps no zero.
"""

from __future__ import annotations

from typing import Any

from grader.model import Visibility
from grader.reports.rows import Row, question_rows
from grader.reports.schema import Report, plain_number
from grader.reports.wording import environment_sentence, for_the_instructor, open_sentences, score_sentence
from grader.reports.writing import json_text


def render(report: Report) -> str:
    """Return `results.json`: a test for each check, in the order of the questions."""
    told = (score_sentence(report), *open_sentences(report), environment_sentence(report))
    results: dict[str, Any] = {
        "execution_time": round(report.timing.wall_time_s, 3),
        "output": "\n".join(told),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": str(Visibility.VISIBLE),
        "stdout_visibility": str(Visibility.HIDDEN),
        "extra_data": {"status": report.status, "pending": plain_number(report.pending)},
        "tests": [*_tests(report), *_for_the_instructor(report)],
    }
    if report.score is not None:
        results["score"] = plain_number(report.score)
    return json_text(results)


def _tests(report: Report) -> list[dict[str, Any]]:
    return [
        _test(row, number=f"{question.id.lstrip('qQ')}.{position}", is_scored=report.score is not None)
        for question in report.questions
        for position, row in enumerate(question_rows(question, report), 1)
    ]


def _test(row: Row, *, number: str, is_scored: bool) -> dict[str, Any]:
    passed = row.state == "passed"
    test: dict[str, Any] = {
        "number": number,
        "name": row.name,
        "output": row.verdict if passed else f"{row.verdict}\n{row.details}",
        "tags": [row.question],
        "visibility": str(_visibility(row)),
        "extra_data": {"outcome": row.outcome},
    }
    if row.state not in ("pending", "unscored"):
        test["status"] = "passed" if passed else "failed"
    if is_scored and row.score is not None:
        test |= {"score": plain_number(row.score), "max_score": plain_number(row.max_score)}
    return test


def _visibility(row: Row) -> Visibility:
    """Return who may see a row: of the rows that only count hidden checks, everybody."""
    return Visibility.VISIBLE if row.is_count else row.visibility


def _for_the_instructor(report: Report) -> list[dict[str, Any]]:
    text = for_the_instructor(report)
    name = "For the instructor: flags, and the grader's own log"
    return [{"name": name, "output": text, "visibility": str(Visibility.HIDDEN)}] if text else []
