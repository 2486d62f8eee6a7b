"""Report to `student.html`: the page of what its student may read."""

from __future__ import annotations

from grader.reports import to_html
from grader.reports.schema import Report
from grader.reports.student_view import student_view


def render(report: Report) -> str:
    """Return the student's view of the report as a page."""
    return to_html.render(student_view(report))
