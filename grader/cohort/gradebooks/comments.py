"""What a student reads beside a grade: one line of simple HTML, as Moodle keeps comments."""

from __future__ import annotations

import html

from grader.cohort.gradebooks.records import Entered
from grader.plain_text import one_line
from grader.reports.schema import Report
from grader.reports.to_csv import harmless
from grader.reports.wording import points


def sentences_of(entered: Entered) -> list[str]:
    """Say the score, and what lateness took off."""
    said = [f"Score: {points(entered.raw)} of {points(entered.worth)} points"]
    if entered.final != entered.raw:
        late = next((note for note in entered.notes if "late" in note or "cut-off" in note), "late")
        said.append(f"counts as {points(entered.final)} ({late})")
    return said


def comment_of(report: Report, entered: Entered) -> str:
    """Return the score and each question's points; nothing of a check, and no text of a student's."""
    rows = [
        f"{question.id}: {'-' if question.score is None else points(question.score)}"
        f"/{points(question.max_score)}"
        for question in report.questions
    ]
    lines = ["; ".join(sentences_of(entered)), *rows]
    return harmless("<br>".join(html.escape(one_line(line)) for line in lines))
